"""One tree of errors for the whole ledger: each one's docstring is its message, its name in snake case its code."""

import re
from typing import Any, ClassVar

EXIT_FAILED = 1
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h


class LedgerError(Exception):
    """Something went wrong in the ledger."""

    # What a process exits with that this error ends. EXIT_CONFIG: a person has to decide, a restart changes nothing.
    exit_code: ClassVar[int] = EXIT_FAILED

    def __init_subclass__(cls, *, exit_code: int | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if exit_code is not None:
            cls.exit_code = exit_code

    def __init__(self, detail: str = "", *, field: str | None = None) -> None:
        self.detail = detail
        self.field = field
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        # From another process it comes as it was, not with its message as the detail of a second one.
        return _restored, (type(self), self.args, self.__dict__)

    @property
    def code(self) -> str:
        """The class's name in snake case: stable, for programs."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def message(self) -> str:
        """A sentence for people; it names the field where there is one."""
        said = (type(self).__doc__ or "").strip().rstrip(".")
        return ": ".join(part for part in (self.field, said, self.detail) if part)


def _restored(kind: type[LedgerError], args: tuple[str, ...], state: dict[str, Any]) -> LedgerError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class Refused(LedgerError):
    """The rules of the ledger don't accept this event; nothing has happened."""


class Unpriced(Refused):
    """The book has no price for this model, and the event brings no provider_cost."""


class CachedTokensExceedInput(Refused):
    """Cached and cache-write tokens are part of input_tokens and can't exceed them."""


class AmountOutOfBounds(Refused):
    """The amount is larger than the book's bounds allow for one event."""


class BalanceOutOfBounds(Refused):
    """The balance would leave the range that the ledger can hold."""


class AmountIsZero(Refused):
    """The amount must not be zero."""


class UnknownSchemaVersion(Refused):
    """The book doesn't accept this version of the event's schema."""


class Unsigned(Refused):
    """Only usage and traces may be unsigned; this type needs a ledger-signature header."""


class KeyNotValid(Refused):
    """The book doesn't accept the signing key at that time."""


class AccountAlreadyOpened(Refused):
    """The account has been opened before."""


class UnknownPackage(Refused):
    """The book has no such package."""


class PurchaseAlreadyCredited(Refused):
    """The purchase has been credited before, by another event."""


class UnknownPurchase(Refused):
    """The account has no such purchase."""


class ExceedsPurchase(Refused):
    """More than what is left of the purchase."""


class WrongPurchaseCurrency(Refused):
    """The purchase was paid by another provider or in another currency."""


class DisputeAlreadyOpen(Refused):
    """A dispute of this purchase is open already."""


class NoOpenDispute(Refused):
    """No dispute of this purchase is open."""


class TopUpTooSmall(Refused):
    """The amount is smaller than the smallest top-up of the book."""


class TopUpCannotReachThreshold(Refused):
    """This amount can't lift the balance to the threshold."""


class TopUpExceedsCap(Refused):
    """One top-up would already exceed the cap."""


class WrongProvider(Refused):
    """The provider is not the one that the subject names."""


class BookVersionOutOfOrder(Refused):
    """Book versions count up by one and take effect one after the other."""


class BookNoticeTooShort(Refused):
    """A book version takes effect at least 60 seconds after its append."""


class NotAMonth(LedgerError):
    """A month is written as 2026-11."""


class UnknownRules(LedgerError, exit_code=EXIT_CONFIG):
    """The book asks for rules that this program doesn't have; a newer one is needed."""
