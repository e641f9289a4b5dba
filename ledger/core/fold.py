"""`apply`: the one function that decides what an event does to an account.

Live projection, rebuild, time travel, verification and the tests all call it. It is pure: the same account, fact, log
time and book give the same answer on any machine in any year; the book names the `rules` to apply, and old rules stay.
"""

from collections.abc import Callable

from ledger.core import rules_1
from ledger.core.account import Account
from ledger.core.admission import check_recoverer, check_signed, check_signer
from ledger.core.book_versions import Book
from ledger.core.entry import Applied, Context, Fact
from ledger.core.errors import UnknownRules, UnknownSchemaVersion
from schemas.events import (
    CreditsPurchased,
    CreditsRefunded,
    DisputeClosed,
    DisputeOpened,
    Event,
    InvoiceIssued,
)

Rules = Callable[[Account, Context], Applied]
_OF_A_PURCHASE = (CreditsPurchased, CreditsRefunded, DisputeOpened, DisputeClosed, InvoiceIssued)
RULES: dict[int, Rules] = {1: rules_1.apply}


def apply(account: Account, fact: Fact, log_time_ms: int, book: Book) -> Applied:
    """The account after the fact, its entry and its effects.

    `log_time_ms`: when the record was appended; the account's time never goes back. A recovered fact keeps its former
    log time. The caller has loaded the purchase that `purchase_named` names. Raises `Refused`: the event changes
    nothing; or UnknownRules: this program must not fold at all.
    """
    recovery = fact.recovery
    if recovery is not None:
        log_time_ms = recovery.log_time_ms
    if log_time_ms < account.log_time_ms:
        log_time_ms = account.log_time_ms
    version = book.at(log_time_ms)
    if recovery is None:
        check_signer(fact.event.type, fact.key_id, version, log_time_ms)
    else:  # the key of the event may be retired, but not the key that proves its former log time
        check_signed(fact.event.type, fact.key_id)
        check_recoverer(recovery.key_id, book.at(recovery.appended_ms), recovery.appended_ms)
    if fact.event.schema_version not in version.schema_versions:
        raise UnknownSchemaVersion(str(fact.event.schema_version), field="dataschema")
    rules = RULES.get(version.rules)
    if rules is None:
        raise UnknownRules(f"rules {version.rules}")
    return rules(account, Context(fact, log_time_ms, version))


def purchase_named(event: Event) -> str | None:
    """The purchase whose state the fold of this event needs."""
    return event.data.purchase_id if isinstance(event, _OF_A_PURCHASE) else None
