"""A recovered record is folded at the log time that it had, by a key that is valid when it is appended again."""

from typing import Any

import pytest

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.calendar import moment_of
from ledger.core.entry import Entry, Fact
from ledger.core.errors import KeyNotValid, Refused, Unsigned
from ledger.core.fold import apply
from ledger.dev.first_book import first_book
from ledger.log.dead_letters import Problem
from ledger.log.record import PlainRecord
from ledger.log.validation import fact_of
from schemas.book import KeyValidity
from schemas.recovery import recovered_header
from schemas.signatures import SigningKey
from tests.support.events import Event, json_bytes, purchase, usage

OLD, NEW = SigningKey("old", b"a secret of before"), SigningKey("new", b"a secret of today")
SECRETS = {key.key_id: key.secret for key in (OLD, NEW)}
THEN_MS, CHANGED_MS, NOW_MS = 1_790_000_000_000, 1_795_000_000_000, 1_800_000_000_000


def book() -> Book:
    """The first version knows the old key; the second one, which costs more, only the new one."""
    first = first_book(OLD.key_id)
    second = first.model_copy(
        update={
            "version": 2,
            "effective_from": moment_of(CHANGED_MS),
            "markups": first.markups.model_copy(update={"auto": "1"}),
            "signing_keys": (KeyValidity(key_id=NEW.key_id),),
        }
    )
    return Book().with_version(first, 0).with_version(second, CHANGED_MS - 120_000)


def record(event: Event, key: SigningKey, *, signed: bool = True, at_ms: int = THEN_MS) -> PlainRecord:
    """The event as it was then, appended again now."""
    value = json_bytes(event)
    headers = [recovered_header(key, at_ms, value)]
    if signed:
        headers.append(key.header(value))
    return PlainRecord(event["subject"].encode(), value, headers, timestamp=NOW_MS)


def posted(record: PlainRecord) -> Entry:
    fact = fact_of(record, SECRETS)
    assert isinstance(fact, Fact), fact
    return apply(Account(fact.event.subject), fact, record.timestamp, book()).entry


def test_it_has_the_log_time_and_the_prices_that_it_had() -> None:
    entry = posted(record(usage("acct_1", "id-1", "1"), NEW, signed=False))
    assert (entry.log_time_ms, entry.amount, entry.book_version) == (THEN_MS, -1_100_000_000, 1)
    assert entry.fact.key_id is None
    assert posted(record(purchase("acct_1", "id-2", "5"), NEW)).log_time_ms == THEN_MS


@pytest.mark.parametrize(
    ("event", "key", "signed", "refusal"),
    [
        (usage("acct_1", "id-1"), OLD, False, KeyNotValid),
        (purchase("acct_1", "id-1", "5"), OLD, True, KeyNotValid),
        (purchase("acct_1", "id-1", "5"), NEW, False, Unsigned),
    ],
)
def test_a_retired_key_moves_nothing_into_the_past_and_money_stays_signed(
    event: Event, key: SigningKey, signed: bool, refusal: type[Refused]
) -> None:
    with pytest.raises(refusal):
        posted(record(event, key, signed=signed))


def test_what_does_not_prove_the_time_is_a_dead_letter() -> None:
    good = record(usage("acct_1", "id-1"), NEW)
    name, claim = good.headers[0]
    assert claim is not None
    bad: list[tuple[str, Any]] = [
        ("another time", [(name, claim.replace(b"1790", b"1789")), good.headers[1]]),
        ("another key", [(name, claim.replace(b"new", b"old")), good.headers[1]]),
        ("malformed", [(name, b"v1=new"), good.headers[1]]),
        ("twice", [good.headers[0], *good.headers]),
        ("a signature by another key", [good.headers[0], OLD.header(good.value or b"")]),
        ("the signature as the claim", [(name, NEW.header(good.value or b"")[1])]),
    ]
    for what, headers in bad:
        problem = fact_of(good._replace(headers=headers), SECRETS)
        assert isinstance(problem, Problem), what
        assert problem.code == "bad_signature", what
    of_another = good._replace(value=json_bytes(usage("acct_1", "id-2")))
    assert isinstance(fact_of(of_another, SECRETS), Problem)
