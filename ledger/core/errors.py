"""One tree of errors for the whole ledger. A class has a message and a code; an error also has a field and a detail.

All of it is data, so that `python -OO` prints the same text, and a code in a table leads to its class.
"""

import re
from typing import Any, ClassVar

EXIT_FAILED = 1
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h

_BY_CODE: dict[str, type["LedgerError"]] = {}


class LedgerError(Exception):
    """What can go wrong in the ledger. `str()` gives "field: message: detail"; field and detail may be absent."""

    # A sentence for people, without the full stop at its end. Each class has its own.
    message: ClassVar[str] = "Something went wrong in the ledger"
    # Stable, for programs: the class's name in snake case. No two classes have the same.
    code: ClassVar[str] = "ledger_error"
    # The exit code of a process that ends with this error. EXIT_CONFIG: a person must act; a restart does not help.
    exit_code: ClassVar[int] = EXIT_FAILED

    def __init_subclass__(cls, *, exit_code: int | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if exit_code is not None:
            cls.exit_code = exit_code
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        other = _BY_CODE.setdefault(cls.code, cls)
        # A module that is loaded again makes the same class again.
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls} has the code of {other}")
        _BY_CODE[cls.code] = cls

    def __init__(self, detail: str = "", *, field: str | None = None) -> None:
        self.detail, self.field = detail, field
        self.reason = self._reason_of(detail)  # without the field
        super().__init__(text_of(field, self.reason))

    def __reduce__(self) -> tuple[Any, ...]:
        # Without this, an error from another process would have its whole text as its detail.
        return _restored, (type(self), self.args, self.__dict__)

    @classmethod
    def _reason_of(cls, detail: str) -> str:
        return f"{cls.message}: {detail}" if detail else cls.message


def text_of(field: str | None, reason: str) -> str:
    """The text for people: the field, if there is one, and the reason."""
    return f"{field}: {reason}" if field else reason


def error_of_code(code: str) -> type[LedgerError] | None:
    """The class that has this code; None when no module that is loaded has one."""
    return _BY_CODE.get(code)


def restored_error(code: str, reason: str, field: str | None) -> LedgerError:
    """An error that a table kept, as an exception again, without a detail: its reason has it.

    If this program has no class for it, it is a `Refused`.
    """
    state = {"code": code, "reason": reason, "detail": "", "field": field}
    return _restored(error_of_code(code) or Refused, (text_of(field, reason),), state)


def _restored(kind: type[LedgerError], args: tuple[str, ...], state: dict[str, Any]) -> LedgerError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class Refused(LedgerError):
    message = "The rules of the ledger don't accept this event; nothing has happened"


class Unusable(Refused):
    """A record that can't be read, checked or stored, so that it becomes a dead letter."""

    message = "The record can't be used"


class Empty(Unusable):
    message = "The record has no value"


class TooLarge(Unusable):
    message = "The record has more bytes than are accepted"


class TimeOutOfBounds(Unusable):
    message = "The record's log time is not one that a broker sets"


class Invalid(Unusable):
    """A record or a request does not have the form of its type. The detail names what is wrong."""

    message = "A field is missing, unknown or malformed"

    @classmethod
    def _reason_of(cls, detail: str) -> str:
        return detail or cls.message


class WrongKey(Unusable):
    message = "The record's key must be its subject"


class BadSignature(Unusable):
    message = "The signature is not valid"


class UnsignedBook(Refused):
    message = "A change of the book must be signed by a key that the book accepts"


class IdReused(Unusable):
    message = "The id was used before for an event with other content, which counts"


class RefusedByDatabase(Unusable):
    message = "Postgres refuses it"


class Unreadable(Unusable):
    message = "The log can't be read here"


class Unpriced(Refused):
    message = "The book has no price for this model, and the event brings no provider_cost"


class CountsDoNotNest(Refused):
    message = "A count can't be larger than the one that it is a part of"


class AmountOutOfBounds(Refused):
    message = "The amount is larger than the book's bounds allow for one event"


class BalanceOutOfBounds(Refused):
    message = "The balance would leave the range that the ledger can hold"


class AmountIsZero(Refused):
    message = "The amount must not be zero"


class UnknownSchemaVersion(Refused):
    message = "The book doesn't accept this version of the event's schema"


class Unsigned(Refused):
    message = "Only usage and traces may be unsigned; this type needs a ledger-signature header"


class KeyNotValid(Refused):
    message = "The book doesn't accept the signing key at that time"


class AccountAlreadyOpened(Refused):
    message = "The account has been opened before"


class UnknownPackage(Refused):
    message = "The book has no such package"


class PurchaseAlreadyCredited(Refused):
    message = "The purchase has been credited before, by another event"


class UnknownPurchase(Refused):
    message = "The account has no such purchase"


class ExceedsPurchase(Refused):
    message = "This is more than what is left of the purchase"


class WrongPurchaseCurrency(Refused):
    message = "The purchase was paid by another provider or in another currency"


class DisputeAlreadyOpen(Refused):
    message = "A dispute of this purchase is open already"


class NoOpenDispute(Refused):
    message = "No dispute of this purchase is open"


class PurchaseNotInWholeCents(Refused):
    message = "Credits are sold in whole cents"


class TopUpTooSmall(Refused):
    message = "The amount is smaller than the smallest top-up of the book"


class TopUpCannotReachThreshold(Refused):
    message = "This amount can't lift the balance to the threshold"


class TopUpExceedsCap(Refused):
    message = "One top-up would already exceed the cap"


class WrongProvider(Refused):
    message = "The provider is not the one that the subject names"


class BookVersionOutOfOrder(Refused):
    message = "Book versions count up by one"


class BookNoticeTooShort(Refused):
    message = "A book version takes effect at least 60 seconds after its append"


class UnknownBookVersion(Refused):
    message = "The book has no version of that number"


class BookVersionWithdrawn(Refused):
    message = "This version of the book is withdrawn already"


class BookWithdrawalTooLate(Refused):
    message = "A book version can be withdrawn until 60 seconds before it takes effect; a later version can undo it"


class NotAMonth(LedgerError):
    message = "A month is written as 2026-11"


class UnknownRules(LedgerError, exit_code=EXIT_CONFIG):
    message = "The book asks for rules that this program doesn't have; a newer one is needed"
