"""Who asks: an API key or a visit to the billing page, what it may do, and which accounts it may see."""

from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.core.scopes import SCOPES, Scope
from ledger.records.idempotency import owner_of


class ScopeMissing(LedgerError):
    message = "This key lacks the scope"


class AccountUnknown(LedgerError):
    message = "There is no such account"


class Caller(NamedTuple):
    """Whose key it is. `account_id` "": an operator's."""

    key_id: str
    account_id: str
    scopes: frozenset[Scope]

    @property
    def owner(self) -> str:
        """Whose idempotency keys these are: they outlive the rotation of an API key."""
        return owner_of(self.account_id)

    def may(self, scope: Scope) -> "Caller":
        """This caller, who has the scope. Raises ScopeMissing."""
        if scope not in self.scopes:
            raise ScopeMissing(scope)
        return self

    def reach(self, account_id: str, field: str = "account_id") -> None:
        """Raises AccountUnknown for an account that is not this caller's to see."""
        if self.account_id not in ("", account_id):
            raise AccountUnknown(account_id, field=field)


# A person at the terminal of the ledger's own machine, who needs no key.
OPERATOR = Caller("terminal", "", frozenset(SCOPES))
