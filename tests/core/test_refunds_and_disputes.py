"""Refunds and disputes: within what is left of a purchase, in credits and in money, and never twice."""

from typing import Any

import pytest

from ledger.core.errors import Refused

from .story import Story


def _bought(credits: str = "100", **more: Any) -> Story:
    story = Story()
    story.buy(credits, **more)
    return story


@pytest.mark.parametrize(
    ("lines", "balance"),
    [
        pytest.param(["refund 100 10000"], "0", id="all at once"),
        pytest.param(["refund 40 4000", "refund 60 6000"], "0", id="in parts"),
        pytest.param(["refund 40 4000", "refund 60.000000001 6000!"], "60", id="a nano more than is left"),
        pytest.param(["refund 100 10001!"], "100", id="a cent more than was paid"),
        pytest.param(["refund 0 0!"], "100", id="nothing"),
        pytest.param(["refund 50 0"], "50", id="credits without money"),
        pytest.param(["dispute 100"], "0", id="a dispute of all"),
        pytest.param(["dispute 100.000000001!"], "100", id="a dispute of more"),
        pytest.param(["dispute 0!"], "100", id="a dispute of nothing"),
        pytest.param(["dispute 60", "dispute 10!"], "40", id="one dispute at a time"),
        pytest.param(["dispute 60", "refund 41 100!", "refund 40 4000"], "0", id="what is disputed can't be refunded"),
        pytest.param(["dispute 60", "refund 40 4001!"], "40", id="nor its money"),
        pytest.param(["dispute 60", "decide won"], "100", id="won"),
        pytest.param(["dispute 60", "decide lost"], "40", id="lost"),
        pytest.param(["dispute 60", "decide won", "refund 100 10000"], "0", id="won, then refunded"),
        pytest.param(
            ["dispute 60", "decide lost", "refund 40.01 1!", "refund 40 4000"], "0", id="lost, the rest refunded"
        ),
        pytest.param(["dispute 60", "decide lost", "dispute 41!", "dispute 40"], "0", id="lost, the rest disputed"),
        pytest.param(
            ["dispute 30", "decide lost", "dispute 30", "decide lost", "refund 40.01 1!", "refund 40 4000"],
            "0",
            id="lost twice, the rest refunded",
        ),
        pytest.param(["dispute 60", "decide won", "decide lost!"], "100", id="decided once"),
        pytest.param(["decide won!"], "100", id="nothing to decide"),
        pytest.param(["refund 100 10000", "dispute 1!"], "0", id="nothing left to dispute"),
    ],
)
def test_only_what_is_left_of_a_purchase_goes_back(lines: list[str], balance: str) -> None:
    """A line that ends with "!" is refused, and nothing has happened."""
    story = _bought()
    for line in lines:
        word, *arguments = line.removesuffix("!").split()
        if line.endswith("!"):
            before = story.account
            with pytest.raises(Refused):
                _do(story, word, arguments)
            assert story.account == before
        else:
            _do(story, word, arguments)
    assert story.balance == balance


def _do(story: Story, word: str, arguments: list[str]) -> None:
    match word:
        case "refund":
            story.refund(arguments[0], int(arguments[1]))
        case "dispute":
            story.dispute(arguments[0])
        case "decide":
            story.decide(arguments[0])
        case _:
            raise AssertionError(word)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        pytest.param(lambda s: s.refund("1", 100, "p9"), "unknown_purchase", id="refund of an unknown purchase"),
        pytest.param(lambda s: s.dispute("1", "p9"), "unknown_purchase", id="dispute of an unknown purchase"),
        pytest.param(lambda s: s.decide("won", "p9"), "unknown_purchase", id="decision on an unknown purchase"),
        pytest.param(lambda s: s.decide("won"), "no_open_dispute", id="decision without a dispute"),
        pytest.param(lambda s: s.refund("101", 100), "exceeds_purchase", id="refund of too much"),
        pytest.param(lambda s: s.refund("1", 100, currency="EUR"), "wrong_purchase_currency", id="another currency"),
        pytest.param(lambda s: s.refund("0.000000000", 1), "amount_is_zero", id="refund of nothing"),
        pytest.param(lambda s: s.buy("5"), "purchase_already_credited", id="the purchase again"),
        pytest.param(lambda s: s.buy("0", "p2"), "amount_is_zero", id="a purchase of nothing"),
        pytest.param(lambda s: s.adjust("-0.0"), "amount_is_zero", id="an adjustment by nothing"),
        pytest.param(
            lambda s: s.apply("invoice.issued", number="INV-1", purchase_id="p9"),
            "unknown_purchase",
            id="an invoice of none",
        ),
    ],
)
def test_a_refusal_says_why(ask: Any, code: str) -> None:
    story = _bought()
    with pytest.raises(Refused) as refusal:
        ask(story)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("credits", "paid", "disputed", "share"),
    [
        pytest.param("100", 10_000, "60", 6_000, id="in proportion"),
        pytest.param("3", 100, "1", 33, id="rounded down"),
        pytest.param("3", 200, "1", 67, id="rounded up"),
        pytest.param("8", 100, "1", 12, id="a tie to the even 12"),
        pytest.param("8", 300, "1", 38, id="a tie to the even 38"),
        pytest.param("100", 0, "60", 0, id="credits that were free"),
    ],
)
def test_the_bank_takes_the_disputed_share_of_what_was_paid(credits: str, paid: int, disputed: str, share: int) -> None:
    story = _bought(credits, charged={"currency": "USD", "amount_minor": paid})
    money = story.dispute(disputed).entry.money
    assert money is not None
    assert money.clearing_minor == -share
    back = story.decide("won").entry.money
    assert back is not None
    assert back.clearing_minor == share


def test_the_bank_never_takes_more_money_than_is_left() -> None:
    story = _bought()
    story.refund("1", 9_999)
    money = story.dispute("99").entry.money
    assert money is not None
    assert money.clearing_minor == -1


def test_a_lost_dispute_moves_nothing_more() -> None:
    story = _bought()
    story.dispute("60")
    lost = story.decide("lost").entry
    assert (lost.amount, lost.money) == (0, None)


def test_balances_may_become_negative_by_a_refund() -> None:
    story = _bought()
    story.spend("90")
    story.refund("100", 10_000)
    assert story.balance == "-99"


def test_purchases_are_those_of_the_account() -> None:
    _bought()
    with pytest.raises(Refused, match="no such purchase"):
        Story(account="acct_1").refund("1", 100)
