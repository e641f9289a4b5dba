"""Double entry: what each type of event moves, between which accounts, summing to zero in every unit."""

from typing import Any

import pytest

from ledger.core import invariants, postings
from ledger.core.entry import Entry
from ledger.core.postings import LEGS, postings_of
from schemas.events import EVENT_TYPES

from .story import Story

C = 10**9


def _bought() -> Story:
    story = Story()
    story.buy("100", charged={"currency": "INR", "amount_minor": 1_180, "tax_minor": 180})
    return story


def _postings(entry: Entry) -> dict[tuple[str, str], int]:
    return {(posting.account, posting.unit): posting.amount for posting in postings_of(entry)}


POSTINGS = [
    (
        "a purchase",
        lambda s: s.buy("10", "p2", charged={"currency": "USD", "amount_minor": 1_190, "tax_minor": 190}),
        {
            ("customer_credits", "CREDIT"): 10 * C,
            ("purchases", "CREDIT"): -10 * C,
            ("clearing:stripe", "USD"): 1_190,
            ("tax:stripe", "USD"): -190,
            ("purchases:stripe", "USD"): -1_000,
        },
    ),
    (
        "usage",
        lambda s: s.spend("10"),
        {("customer_credits", "CREDIT"): -11 * C, ("provider_cost", "CREDIT"): 10 * C, ("markup", "CREDIT"): C},
    ),
    (
        "usage without a charge",
        lambda s: s.spend("0"),
        {},
    ),
    (
        "traces",
        lambda s: s.trace(510),
        {("customer_credits", "CREDIT"): -C, ("trace_revenue", "CREDIT"): C},
    ),
    ("included traces", lambda s: s.trace(10), {}),
    (
        "an adjustment",
        lambda s: s.adjust("-3"),
        {("customer_credits", "CREDIT"): -3 * C, ("adjustments", "CREDIT"): 3 * C},
    ),
    (
        "a refund",
        lambda s: s.apply(
            "credits.refunded",
            purchase_id="p1",
            provider_refund_id="re",
            credits="50",
            charged={"currency": "INR", "amount_minor": 590, "tax_minor": 90},
        ),
        {
            ("customer_credits", "CREDIT"): -50 * C,
            ("refunds", "CREDIT"): 50 * C,
            ("clearing:stripe", "INR"): -590,
            ("tax:stripe", "INR"): 90,
            ("refunds:stripe", "INR"): 500,
        },
    ),
    (
        "a dispute",
        lambda s: s.dispute("50"),
        {
            ("customer_credits", "CREDIT"): -50 * C,
            ("disputes", "CREDIT"): 50 * C,
            ("clearing:stripe", "INR"): -590,
            ("disputes:stripe", "INR"): 590,
        },
    ),
    ("an invoice", lambda s: s.apply("invoice.issued", number="INV-1", purchase_id="p1"), {}),
    ("a policy", lambda s: s.configure("1", "5"), {}),
]


@pytest.mark.parametrize(
    ("ask", "expected"), [pytest.param(ask, expected, id=name) for name, ask, expected in POSTINGS]
)
def test_an_event_moves_what_the_table_says(ask: Any, expected: dict[tuple[str, str], int]) -> None:
    entry = ask(_bought()).entry
    assert _postings(entry) == expected
    assert invariants.unbalanced_postings([entry]) == []


@pytest.mark.parametrize(("outcome", "left"), [("won", 0), ("lost", 50 * C)])
def test_a_dispute_leaves_its_account_empty_only_when_it_is_won(outcome: str, left: int) -> None:
    story = _bought()
    story.dispute("50")
    story.decide(outcome)
    posted = [posting for entry in story.entries for posting in postings_of(entry)]
    assert sum(posting.amount for posting in posted if posting.account == "disputes") == left


def test_a_payout_empties_clearing_and_shows_its_fee() -> None:
    story = Story(account="provider:stripe")
    payout = {"payout_id": "po", "currency": "USD", "amount_minor": 970, "fee_minor": 30}
    entry = story.apply("payout.received", provider="stripe", **payout).entry
    assert _postings(entry) == {
        ("clearing:stripe", "USD"): -1_000,
        ("payouts:stripe", "USD"): 970,
        ("fees:stripe", "USD"): 30,
    }


def test_a_payout_of_another_provider_is_refused() -> None:
    payout = {"payout_id": "po", "currency": "USD", "amount_minor": 970}
    with pytest.raises(Exception, match="provider is not the one that the subject names"):
        Story(account="provider:stripe").apply("payout.received", provider="razorpay", **payout)


def test_every_leg_is_of_types_that_there_are() -> None:
    assert {type for leg in LEGS for type in leg.types} <= set(EVENT_TYPES)


def test_the_checks_find_what_is_wrong() -> None:
    story = _bought()
    story.spend("10")
    first, second = story.entries
    wrong_balance = second._replace(balance_after=second.balance_after + 1)
    assert invariants.broken_history(story.account, story.entries) == []
    assert len(invariants.broken_history(story.account, [first, wrong_balance])) == 1
    assert len(invariants.broken_history(story.account, [first])) == 1
    assert len(invariants.broken_history(story.account, [first, second._replace(seq=3)])) == 1
    assert len(invariants.broken_history(story.account, [first, second._replace(log_time_ms=0)])) == 1


@pytest.mark.parametrize("missing", [leg.account for leg in LEGS if "credits.purchased" in leg.types])
def test_the_checks_find_a_leg_that_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever side it is on."""
    story = _bought()
    monkeypatch.setattr(postings, "LEGS", [leg for leg in LEGS if leg.account != missing])
    assert len(invariants.unbalanced_postings(story.entries)) == 1
