"""Balance levels: who follows the effects knows at which level of the book a balance is."""

import pytest

from .records import Published, book_of, plain_book, wire_of
from .story import Story, kinds

LEVELS = [{"name": "low", "at_most": "5"}, {"name": "empty", "at_most": "0"}, {"name": "owing", "at_most": "-1"}]


def _changes(story: Story, amount: str) -> list[tuple[str, str, str]]:
    effects = story.adjust(amount).effects
    return [(effect.data.previous, effect.data.level, effect.data.balance) for effect in effects]


@pytest.mark.parametrize(
    ("amounts", "changes"),
    [
        pytest.param(["5.000000001"], [("empty", "ok", "5.000000001")], id="just above the highest"),
        pytest.param(["5"], [("empty", "low", "5")], id="at most includes the amount itself"),
        pytest.param(["10", "-6"], [("empty", "ok", "10"), ("ok", "low", "4")], id="sinking"),
        pytest.param(["3", "1"], [("empty", "low", "3")], id="a change within a level is none"),
        pytest.param(["10", "-11"], [("empty", "ok", "10"), ("ok", "owing", "-1")], id="through all levels at once"),
        pytest.param(["-2", "2"], [("empty", "owing", "-2"), ("owing", "empty", "0")], id="recovering"),
        pytest.param(["-0.999999999"], [], id="a new account is at the level of nothing"),
    ],
)
def test_each_change_of_level_is_said_once(amounts: list[str], changes: list[tuple[str, str, str]]) -> None:
    story = Story(plain_book(levels=LEVELS))
    assert [change for amount in amounts for change in _changes(story, amount)] == changes


def test_without_levels_nothing_is_said() -> None:
    assert _changes(Story(), "-5") == []


def test_new_levels_of_the_book_are_said_with_the_next_event() -> None:
    book = book_of(Published(wire_of(), 0), Published(wire_of(version=2, levels=LEVELS), 1_000))
    story = Story(book, at="1970-01-01T00:00:10Z")
    story.adjust("3")
    change = story.trace(1, "1970-01-02T00:00:00Z").effects[0].data
    assert (change.previous, change.level, change.balance) == ("ok", "low", "3")


def test_a_trigger_is_said_before_the_level() -> None:
    story = Story(plain_book(levels=LEVELS))
    story.buy("20")
    story.configure("10", "20")
    assert kinds(story.spend("20")) == ["triggered", "level_changed"]


def test_a_providers_account_has_no_level() -> None:
    """Its subject is no account id, so that the effect would be unsayable and stop the projector."""
    book = book_of(Published(wire_of(), 0), Published(wire_of(version=2, levels=LEVELS), 1_000))
    story = Story(book, account="provider:stripe", at="1970-01-01T00:00:10Z")
    payout = {"provider": "stripe", "payout_id": "po_1", "currency": "USD", "amount_minor": 97, "fee_minor": 3}
    story.apply("payout.received", **payout)
    assert story.apply("payout.received", "1970-01-02T00:00:00Z", **payout).effects == ()


def test_a_balance_is_refused_before_it_cannot_be_said() -> None:
    story = Story(plain_book(levels=LEVELS, bounds={"event_credits_max": "999999999.999999999"}))
    assert _changes(story, "999999999.999999999") == [("empty", "ok", "999999999.999999999")]
    with pytest.raises(Exception, match="balance would leave the range") as refusal:
        story.adjust("0.000000001")
    assert refusal.value.code == "balance_out_of_bounds"
