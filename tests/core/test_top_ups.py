"""The auto-top-up machine, transition by transition: one trigger per crossing, within caps, suspended not storming."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.entry import Applied
from ledger.core.errors import Refused
from schemas.identity import LEDGER_NAMESPACE

from .records import UNKNOWN_TRIGGER, Published, book_of, plain_book, uuid_of, wire_of
from .story import Story, kinds

Ask = Callable[[Story], Applied]


def _armed(**policy: Any) -> Story:
    """100 credits; below 50 it buys 60."""
    story = Story()
    story.buy("100")
    story.configure(policy.pop("threshold", "50"), policy.pop("amount", "60"), **policy)
    assert story.machine == "armed"
    return story


def _in_flight() -> Story:
    story = _armed()
    story.spend("60")
    assert story.machine == "in_flight"
    return story


def _capped() -> Story:
    """34 credits, and the day's cap is used up."""
    story = _armed(cap_day="60")
    story.spend("60")
    story.pay("60")
    story.spend("60")
    assert (story.machine, story.balance) == ("capped", "28")
    return story


def _suspended() -> Story:
    story = _in_flight()
    story.fail(suspended=True)
    assert story.machine == "suspended"
    return story


def _disputed() -> Story:
    story = _armed()
    story.dispute("60")
    assert (story.machine, story.balance) == ("armed", "40")
    return story


def _below() -> Story:
    """Armed, and below the threshold by an adjustment, which may not trigger."""
    story = _armed()
    story.adjust("-60")
    assert (story.machine, story.balance) == ("armed", "40")
    return story


STATES = {
    "armed": _armed,
    "in_flight": _in_flight,
    "capped": _capped,
    "suspended": _suspended,
    "below": _below,
    "disputed": _disputed,
}


def _reconfigure(story: Story) -> Applied:
    return story.configure("50", "70")


def _disable(story: Story) -> Applied:
    return story.configure("50", "70", enabled=False)


def _recheck_tomorrow(story: Story) -> Applied:
    return story.recheck("2026-11-22T00:00:00Z")


NEVER: list[str] = []
TRANSITIONS = [
    # armed leaves by a crossing
    ("armed", "usage that stays at the threshold", lambda s: s.spend("45.454545455"), "armed", NEVER),
    ("armed", "usage that falls a nano below it", lambda s: s.spend("45.454545456"), "in_flight", ["triggered"]),
    ("armed", "traces that fall below it", lambda s: s.trace(30_000), "in_flight", ["triggered"]),
    ("armed", "a policy with a higher threshold", lambda s: s.configure("150", "60"), "in_flight", ["triggered"]),
    ("armed", "a policy that is off", _disable, "armed", NEVER),
    ("armed", "a request below the threshold", lambda s: s.request("49.99"), "in_flight", ["triggered"]),
    ("armed", "a request that a purchase has overtaken", lambda s: s.request("49", "98"), "armed", NEVER),
    ("armed", "a request that usage has overtaken", lambda s: s.request("49", "102"), "in_flight", ["triggered"]),
    ("armed", "a request at the threshold", lambda s: s.request("50"), "armed", NEVER),
    ("armed", "a request far below zero", lambda s: s.request("-500"), "in_flight", ["triggered"]),
    ("armed", "a failure of nothing", lambda s: s.fail(True, UNKNOWN_TRIGGER), "armed", NEVER),
    ("armed", "a resumption of nothing", lambda s: s.resume(), "armed", NEVER),
    ("armed", "a recheck of nothing", lambda s: s.recheck(), "armed", NEVER),
    ("armed", "a refund below the threshold", lambda s: s.refund("60", 6_000), "armed", NEVER),
    ("armed", "a dispute below the threshold", lambda s: s.dispute("60"), "armed", NEVER),
    ("armed", "an adjustment below the threshold", lambda s: s.adjust("-60"), "armed", NEVER),
    ("below", "the next usage", lambda s: s.spend("1"), "in_flight", ["triggered"]),
    ("below", "a purchase that is too small", lambda s: s.buy("5", "p2"), "in_flight", ["triggered"]),
    ("below", "a purchase that is enough", lambda s: s.buy("10", "p2"), "armed", NEVER),
    ("below", "a top-up without a trigger", lambda s: s.pay("60", trigger=UNKNOWN_TRIGGER), "armed", NEVER),
    ("below", "another adjustment", lambda s: s.adjust("-1"), "armed", NEVER),
    ("disputed", "usage while a dispute is open", lambda s: s.spend("1"), "armed", NEVER),
    ("disputed", "a request while a dispute is open", lambda s: s.request("1"), "armed", NEVER),
    ("disputed", "the end of the dispute", lambda s: s.decide("lost"), "armed", NEVER),
    # in_flight leaves by its payment or its suspension
    ("in_flight", "more usage", lambda s: s.spend("1"), "in_flight", NEVER),
    ("in_flight", "a request", lambda s: s.request("0"), "in_flight", NEVER),
    ("in_flight", "its payment", lambda s: s.pay("60"), "armed", NEVER),
    ("in_flight", "a payment that is too small", lambda s: s.pay("10"), "in_flight", ["triggered"]),
    ("in_flight", "another trigger's payment", lambda s: s.pay("60", trigger=UNKNOWN_TRIGGER), "in_flight", NEVER),
    ("in_flight", "a purchase by hand", lambda s: s.buy("60", "p2"), "in_flight", NEVER),
    ("in_flight", "a failure that will be tried again", lambda s: s.fail(False), "in_flight", NEVER),
    ("in_flight", "a failure that won't", lambda s: s.fail(True), "suspended", ["suspended"]),
    ("in_flight", "another trigger's failure", lambda s: s.fail(True, UNKNOWN_TRIGGER), "in_flight", NEVER),
    ("in_flight", "a new policy, which waits", _reconfigure, "in_flight", NEVER),
    ("in_flight", "a policy that is off", _disable, "in_flight", NEVER),
    ("in_flight", "a resumption", lambda s: s.resume(), "in_flight", NEVER),
    ("in_flight", "a recheck", lambda s: s.recheck(), "in_flight", NEVER),
    # capped leaves by a recheck or a new policy
    ("capped", "more usage", lambda s: s.spend("1"), "capped", NEVER),
    ("capped", "a request", lambda s: s.request("0"), "capped", NEVER),
    ("capped", "a purchase that is too small", lambda s: s.buy("5", "p2"), "capped", NEVER),
    ("capped", "a resumption", lambda s: s.resume(), "capped", NEVER),
    ("capped", "a recheck too early", lambda s: s.recheck(), "capped", ["skipped"]),
    ("capped", "a recheck when the window is open", _recheck_tomorrow, "in_flight", ["triggered"]),
    ("capped", "a policy without a cap", _reconfigure, "in_flight", ["triggered"]),
    ("capped", "a late failure", lambda s: s.fail(True), "capped", NEVER),
    # suspended leaves by a resumption, a new policy or a paid purchase
    ("suspended", "more usage", lambda s: s.spend("1"), "suspended", NEVER),
    ("suspended", "a request", lambda s: s.request("0"), "suspended", NEVER),
    ("suspended", "a recheck", lambda s: s.recheck(), "suspended", NEVER),
    ("suspended", "the same failure again", lambda s: s.fail(True), "suspended", NEVER),
    ("suspended", "a resumption", lambda s: s.resume(), "in_flight", ["triggered"]),
    ("suspended", "a new policy", _reconfigure, "in_flight", ["triggered"]),
    ("suspended", "a policy that is off", _disable, "armed", NEVER),
    ("suspended", "a purchase that is too small", lambda s: s.buy("5", "p2"), "in_flight", ["triggered"]),
    ("suspended", "a purchase that is enough", lambda s: s.buy("60", "p2"), "armed", NEVER),
    ("suspended", "its own payment after all", lambda s: s.pay("60"), "suspended", NEVER),
]


@pytest.mark.parametrize(
    ("start", "ask", "end", "said"),
    [
        pytest.param(STATES[state], ask, end, said, id=f"{state}, {event} → {end}")
        for state, event, ask, end, said in TRANSITIONS
    ],
)
def test_the_machine_moves_as_the_table_says(start: Callable[[], Story], ask: Ask, end: str, said: list[str]) -> None:
    story = start()
    applied = ask(story)
    assert (story.machine, kinds(applied)) == (end, said)


def test_a_trigger_says_what_to_buy_and_why() -> None:
    story = _armed(provider="stripe", payment_method_id="pm_1")
    effect = story.spend("60").effects[0]
    assert effect.data.model_dump(exclude={"trigger_id"}) == {
        "credits": "60",
        "balance": "34",
        "threshold": "50",
        "caused_by": uuid_of(3),
        "provider": "stripe",
        "payment_method_id": "pm_1",
    }
    assert effect.id == effect.data.trigger_id == story.account.top_ups.trigger_id


def test_a_triggers_id_is_uuid5_of_the_account_and_the_crossing_event() -> None:
    """Never another one: it is the idempotency key at the provider."""
    account = uuid.uuid5(LEDGER_NAMESPACE, "acct_0")
    story = _in_flight()
    assert story.trigger == str(uuid.uuid5(account, uuid_of(3)))
    story.pay("10")
    assert story.trigger == str(uuid.uuid5(account, f"signed/{uuid_of(4)}"))


def test_a_policy_that_waited_is_in_force_after_the_payment() -> None:
    story = _in_flight()
    story.configure("100", "70")
    effects = story.pay("60").effects
    assert [effect.data.credits for effect in effects] == ["70"]


@pytest.mark.parametrize(
    ("spent", "credits"),
    [
        pytest.param("50", "75", id="whole credits"),
        pytest.param("46.000001", "70.61", id="up to the next cent"),
        pytest.param("200", "240", id="from below zero"),
    ],
)
def test_a_target_buys_what_is_missing_in_whole_cents(spent: str, credits: str) -> None:
    story = _armed(amount="120", sizing="target")
    assert story.spend(spent).effects[0].data.credits == credits


def test_a_target_buys_at_least_the_smallest_top_up() -> None:
    story = _armed(threshold="50", amount="50", sizing="target")
    assert story.spend("45.5").effects[0].data.credits == "5"


def test_a_top_up_is_never_larger_than_the_purchase_that_the_ledger_accepts() -> None:
    """A larger one would be charged and then refused."""
    story = Story(plain_book(bounds={"event_credits_max": "1000"}))
    story.configure("0", "1000", sizing="target")
    effect = story.spend("100").effects[0]
    assert effect.data.credits == "1000"
    story.pay("1000")
    assert story.balance == "890"


def test_a_bound_that_was_lowered_since_the_policy_bounds_the_top_up() -> None:
    lower = wire_of(version=2, bounds={"event_credits_max": "40", "top_up_credits_min": "5"})
    story = Story(book_of(Published(wire_of(), 0), Published(lower, 1_000)), at="1970-01-01T00:00:10Z")
    story.configure("0", "60")
    assert story.spend("1", "1970-01-02T00:00:00Z").effects[0].data.credits == "40"


@pytest.mark.parametrize(
    ("policy", "code", "field"),
    [
        pytest.param({"threshold": "5", "amount": "4.999999999"}, "top_up_too_small", "data.amount", id="too small"),
        pytest.param(
            {"threshold": "5", "amount": "160.005"}, "purchase_not_in_whole_cents", "data.amount", id="half a cent"
        ),
        pytest.param(
            {"threshold": "50", "amount": "1000000.01"}, "amount_out_of_bounds", "data.amount", id="too large"
        ),
        pytest.param(
            {"threshold": "50", "amount": "149"}, "top_up_cannot_reach_threshold", "data.amount", id="too short"
        ),
        pytest.param(
            {"threshold": "50", "amount": "49", "sizing": "target"},
            "top_up_cannot_reach_threshold",
            "data.amount",
            id="a target below the threshold",
        ),
        pytest.param(
            {"threshold": "50", "amount": "200", "cap_day": "199"},
            "top_up_exceeds_cap",
            "data.cap_day",
            id="above a day",
        ),
        pytest.param(
            {"threshold": "50", "amount": "200", "cap_month": "199"},
            "top_up_exceeds_cap",
            "data.cap_month",
            id="above a month",
        ),
    ],
)
def test_a_policy_that_cannot_work_is_refused(policy: dict[str, str], code: str, field: str) -> None:
    story = Story()
    story.adjust("-100")
    with pytest.raises(Refused) as refusal:
        story.configure(**policy)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    story.configure(**policy, enabled=False)


@pytest.mark.parametrize(
    ("policy", "triggers"),
    [
        pytest.param({"cap_day": "119.999999999"}, 1, id="a nano short of two a day"),
        pytest.param({"cap_day": "120"}, 2, id="two a day"),
        pytest.param({"cap_month": "120"}, 2, id="two a month"),
        pytest.param({"cap_day": "180", "cap_month": "120"}, 2, id="the smaller one counts"),
        pytest.param({}, 5, id="no cap"),
    ],
)
def test_caps_bound_the_credits_of_a_window(policy: dict[str, str], triggers: int) -> None:
    story = _armed(**policy)
    said: list[str] = []
    for number in range(5):
        said += kinds(story.spend("60"))
        if story.machine == "in_flight":
            story.pay("60", f"t{number}")
    assert said == ["triggered"] * triggers + ["skipped"] * (triggers < 5)


@pytest.mark.parametrize(
    ("policy", "window", "opens_at"),
    [
        pytest.param({"cap_day": "60"}, "day", "2026-11-22T00:00:00+00:00", id="day"),
        pytest.param({"cap_month": "60"}, "month", "2026-12-01T00:00:00+00:00", id="month"),
        pytest.param({"cap_day": "60", "cap_month": "60"}, "month", "2026-12-01T00:00:00+00:00", id="the later one"),
    ],
)
def test_a_skip_says_which_cap_and_when_its_window_opens(policy: dict[str, str], window: str, opens_at: str) -> None:
    story = _armed(**policy)
    story.spend("60")
    story.pay("60")
    skip = story.spend("60").effects[0].data
    assert (skip.window, skip.cap, skip.spent, skip.credits) == (window, "60", "60", "60")
    assert skip.opens_at.isoformat() == opens_at


def test_a_top_up_counts_in_the_window_in_which_it_was_paid() -> None:
    story = _armed(cap_day="60")
    story.spend("60", "2026-11-21T23:59:59.999Z")
    story.pay("60", at="2026-11-22T00:00:00Z")
    assert kinds(story.spend("60", "2026-11-22T23:59:59.999Z")) == ["skipped"]
    assert kinds(story.recheck("2026-11-23T00:00:00Z")) == ["triggered"]


def test_what_was_bought_last_month_does_not_count_in_this_one() -> None:
    story = _armed(cap_month="120")
    for number, at in enumerate(("2026-11-30T23:59:00Z", "2026-12-01T00:00:00Z")):
        story.spend("60", at)
        story.pay("60", f"t{number}")
    assert kinds(story.spend("60")) == ["triggered"]


def test_nothing_triggers_before_the_last_dispute_is_decided() -> None:
    story = _armed()
    story.buy("10", "p2")
    story.dispute("90", "p1")
    story.dispute("10", "p2")
    story.decide("lost", "p2")
    assert kinds(story.spend("1")) == []
    story.decide("lost", "p1")
    assert kinds(story.spend("1")) == ["triggered"]


def test_a_month_of_days_that_were_not_exhausted_can_be() -> None:
    story = _armed(cap_day="60", cap_month="120")
    said = []
    for day in (22, 23, 24):
        said += kinds(story.spend("60", f"2026-11-{day}T00:00:00Z"))
        if story.machine == "in_flight":
            story.pay("60", f"t{day}")
    assert said == ["triggered", "triggered", "skipped"]
    assert kinds(story.recheck("2026-11-30T23:59:59Z")) == ["skipped"]
    assert kinds(story.recheck("2026-12-01T00:00:00Z")) == ["triggered"]


def test_a_late_payment_counts_against_the_caps() -> None:
    story = _suspended()
    story.configure("50", "60", cap_day="60")
    assert story.machine == "in_flight"
    first = story.trigger
    story.fail(suspended=True)
    story.pay("60", trigger=first)
    story.spend("60")
    assert kinds(story.resume()) == ["skipped"]


def test_a_suspension_names_its_trigger_and_reason() -> None:
    story = _in_flight()
    suspension = story.fail(suspended=True).effects[0].data
    assert (suspension.trigger_id, suspension.reason_code) == (story.trigger, "card_declined")
    assert story.account.top_ups.reason == "card_declined"
