"""The sequence of the book's versions: which one is in force when, what a withdrawal changes, and whose keys count."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.book import FOREVER_MS
from ledger.core.book_versions import NOTICE_MS, Book
from ledger.core.errors import Refused

from .oracle import start_of, utc
from .records import Published, Stated, Withdrawn, book_of, book_with, ms, plain_book, version_of, wire_of

NOON = ms("2026-11-21T12:00:00Z")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
FIRST = Published(wire_of(), 0)


def published(number: int, after_ms: int = 0, at_ms: int | None = None, **changes: Any) -> Published:
    """A version that is appended `after_ms` after noon, to take effect `at_ms` after noon."""
    if at_ms is not None:
        changes["effective_from"] = utc(NOON + at_ms).isoformat()
    return Published(wire_of(version=number, **changes), NOON + after_ms)


def withdrawn(number: int, after_ms: int = 0) -> Withdrawn:
    return Withdrawn(number, NOON + after_ms)


@pytest.mark.parametrize(
    ("second", "starts_ms"),
    [
        pytest.param(published(2), NOON + 60_000, id="its notice after its append"),
        pytest.param(published(2, effective_from="2026-11-21T12:01:00Z"), NOON + 60_000, id="the shortest notice"),
        pytest.param(
            published(2, effective_from="2026-11-21T15:00:00+02:00"), NOON + 3_600_000, id="another time zone"
        ),
    ],
)
def test_a_version_is_in_force_from_its_moment(second: Published, starts_ms: int) -> None:
    book = book_of(FIRST, second)
    assert [book.at(at_ms).number for at_ms in (0, starts_ms - 1, starts_ms, 10 * NOON)] == [1, 1, 2, 2]


def test_the_first_version_applies_from_the_beginning() -> None:
    book = book_of(Published(wire_of(effective_from="2030-01-01T00:00:00Z"), NOON))
    assert book.at(0).number == 1


IN_FORCE: list[Any] = [
    pytest.param(
        [published(2, 0, DAY), published(3, HOUR)],
        {HOUR + MINUTE - 1: 1, HOUR + MINUTE: 3, DAY - 1: 3, DAY: 2, 9 * DAY: 2},
        id="one without a date does not wait for an announced one",
    ),
    pytest.param(
        [published(2, 0, 3 * DAY), published(3, HOUR, DAY), published(4, 2 * HOUR, 2 * DAY)],
        {DAY - 1: 1, DAY: 3, 2 * DAY: 4, 3 * DAY: 2},
        id="each at its own moment, whatever their order",
    ),
    pytest.param(
        [published(2, 0, DAY), published(3, HOUR, DAY)], {DAY - 1: 1, DAY: 3}, id="the later one of the same moment"
    ),
    pytest.param([published(2), published(3)], {MINUTE - 1: 1, MINUTE: 3}, id="appended together"),
    pytest.param([published(2, 0, DAY), withdrawn(2, HOUR)], {DAY: 1, 9 * DAY: 1}, id="withdrawn"),
    pytest.param([published(2, 0, DAY), withdrawn(2, DAY - MINUTE)], {DAY: 1}, id="withdrawn at the last moment"),
    pytest.param(
        [published(2, 0, DAY), published(3, 0, 2 * DAY), withdrawn(2), published(4, HOUR, DAY)],
        {DAY - 1: 1, DAY: 4, 2 * DAY: 3},
        id="withdrawn and announced again",
    ),
    pytest.param(
        [published(2, 0, DAY), published(3, 0, DAY), withdrawn(3)], {DAY: 1}, id="one that was replaced stays so"
    ),
]


@pytest.mark.parametrize(("events", "expected"), IN_FORCE)
def test_in_force_is_the_version_that_took_effect_last(events: list[Stated], expected: dict[int, int]) -> None:
    book = book_of(FIRST, *events)
    assert {after_ms: book.at(NOON + after_ms).number for after_ms in expected} == expected


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param(published(3, 0, MINUTE - 1), "book_notice_too_short", id="too short a notice"),
        pytest.param(published(2), "book_version_out_of_order", id="the same number again"),
        pytest.param(published(4), "book_version_out_of_order", id="a number left out"),
        pytest.param(withdrawn(2, DAY - MINUTE + 1), "book_withdrawal_too_late", id="withdrawn too late"),
        pytest.param(withdrawn(2, 9 * DAY), "book_withdrawal_too_late", id="withdrawn after its effect"),
        pytest.param(withdrawn(1), "book_withdrawal_too_late", id="the first one withdrawn"),
        pytest.param(withdrawn(3), "unknown_book_version", id="one withdrawn that is not there"),
    ],
)
def test_what_would_change_the_past_is_refused(event: Stated, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        book_with(book_of(FIRST, published(2, 0, DAY)), event)
    assert refusal.value.code == code


def test_a_version_is_withdrawn_once_and_its_number_is_gone() -> None:
    book = book_of(FIRST, published(2, 0, DAY), withdrawn(2))
    with pytest.raises(Refused) as refusal:
        book_with(book, withdrawn(2))
    assert refusal.value.code == "book_version_withdrawn"
    assert book_with(book, published(3)).at(NOON + MINUTE).number == 3


def test_a_book_is_never_changed_by_another_event() -> None:
    book = book_of(FIRST, published(2, 0, DAY))
    book.with_version(version_of(published(3).wire), NOON)
    book.without_version(2, NOON)
    assert (len(book.versions), book.at(NOON + DAY).number, plain_book().at(0).number) == (2, 2, 1)


# Keys.

OLD, NEW = {"key_id": "k1"}, {"key_id": "k2"}


def test_a_retired_key_stays_retired_when_a_version_takes_effect_that_was_announced_before() -> None:
    retired = published(3, HOUR, signing_keys=[NEW])
    book = book_of(FIRST, published(2, 0, DAY, markups={"auto": "1", "tier": "1"}), retired)
    for after_ms, number in ((HOUR + MINUTE, 3), (DAY, 2), (9 * DAY, 2)):
        version = book.at(NOON + after_ms)
        assert version.number == number
        assert not version.accepts_key("k1", NOON + after_ms)
        assert version.accepts_key("k2", NOON + after_ms)
    assert book.at(NOON + HOUR + MINUTE - 1).accepts_key("k1", NOON + HOUR)


def test_an_announced_change_of_keys_waits_for_its_moment() -> None:
    book = book_of(FIRST, published(2, 0, DAY, signing_keys=[NEW]))
    assert [book.at(NOON + at_ms).accepts_key("k2", NOON + at_ms) for at_ms in (DAY - 1, DAY)] == [False, True]


def test_keys_of_a_withdrawn_version_never_count() -> None:
    book = book_of(FIRST, published(2, 0, DAY, signing_keys=[NEW]), withdrawn(2), published(3, HOUR))
    assert not book.at(NOON + 2 * DAY).accepts_key("k2", NOON + 2 * DAY)


# What people are shown.


def test_each_version_has_a_state_and_an_end() -> None:
    book = book_of(
        FIRST, published(2, 0, DAY), published(3, 0, 2 * DAY), published(4), published(5, 0, DAY), withdrawn(3)
    )
    shown = {number: book.state_of(number, NOON + HOUR) for number in range(1, 6)}
    assert shown == {1: "past", 2: "replaced", 3: "withdrawn", 4: "in force", 5: "announced"}
    assert [book.until_ms(number) for number in (1, 4, 5)] == [NOON + MINUTE, NOON + DAY, FOREVER_MS]
    assert [each.number for each in book.following(book.versions[0])] == [4, 5]


# Any sequence.


class Step(NamedTuple):
    """Something that is appended so long after the last: a version with that notice, or the withdrawal of one."""

    wait_ms: int
    notice_ms: int | None
    withdraws: int | None
    keys: tuple[str, ...]


WAITS = st.sampled_from([0, 1, MINUTE - 1, MINUTE, HOUR, DAY])
STEPS = st.lists(
    st.builds(
        Step,
        wait_ms=WAITS,
        notice_ms=st.one_of(st.none(), st.sampled_from([0, MINUTE - 1, MINUTE, MINUTE + 1, HOUR, DAY, 3 * DAY])),
        withdraws=st.one_of(st.none(), st.none(), st.integers(1, 6)),
        keys=st.sampled_from([("k1",), ("k2",), ("k1", "k2")]),
    ),
    max_size=8,
)


def accepted_of(steps: list[Step]) -> list[Stated]:
    """What the book accepts of the steps. It refuses exactly what would change an answer before its notice is over."""
    book, accepted, now_ms = book_of(FIRST), list[Stated]([FIRST]), NOON
    for step in steps:
        now_ms += step.wait_ms
        event: Stated
        if step.withdraws is None:
            keys = [{"key_id": key_id} for key_id in step.keys]
            event = Published(wire_of(version=len(book.versions) + 1, signing_keys=keys), now_ms)
            if step.notice_ms is not None:
                event.wire["effective_from"] = utc(now_ms + step.notice_ms).isoformat()
        else:
            event = Withdrawn(step.withdraws, now_ms)
        try:
            book = book_with(book, event)
        except Refused:
            assert not may_be_accepted(event, accepted)
        else:
            assert may_be_accepted(event, accepted)
            accepted.append(event)
    return accepted


def starts(events: list[Stated]) -> dict[int, int]:
    """By number, when each version takes effect that is neither replaced nor withdrawn; said without the book."""
    of_moment = {moment: number for number, moment in announced(events).items()}
    gone = {each.number for each in events if isinstance(each, Withdrawn)}
    return {number: moment for moment, number in of_moment.items() if number not in gone}


def announced(events: list[Stated]) -> dict[int, int]:
    """By number, the moment of each version."""
    versions = [each for each in events if isinstance(each, Published)]
    return {each.wire["version"]: start_of(*each) if each.wire["version"] > 1 else 0 for each in versions}


def may_be_accepted(event: Stated, earlier: list[Stated]) -> bool:
    if isinstance(event, Published):
        return start_of(*event) >= event.append_ms + MINUTE
    again = event.number in {each.number for each in earlier if isinstance(each, Withdrawn)}
    return not again and announced(earlier).get(event.number, 0) >= event.append_ms + MINUTE


def expected_at(at_ms: int, events: list[Stated]) -> tuple[int, set[str]]:
    """The number in force and the keys that are accepted, by searching everything."""
    begun = {number: start_ms for number, start_ms in starts(events).items() if start_ms <= at_ms}
    wires = {each.wire["version"]: each.wire for each in events if isinstance(each, Published)}
    last = max(begun.values())
    keys = wires[max(begun)]["signing_keys"]
    return next(number for number, start in begun.items() if start == last), {key["key_id"] for key in keys}


def moments(events: list[Stated]) -> list[int]:
    """Everything that happens, and the milliseconds around it."""
    marks = [*starts(events).values(), *(each.append_ms for each in events), NOON + 9 * DAY]
    return sorted({mark + around for mark in marks for around in (-1, 0, 1, MINUTE) if mark + around >= 0})


@given(STEPS)
def test_any_sequence_answers_as_a_search_through_all_of_it(steps: list[Step]) -> None:
    events = accepted_of(steps)
    book = book_of(*events)
    for at_ms in moments(events):
        version = book.at(at_ms)
        keys = {key_id for key_id in ("k1", "k2") if version.accepts_key(key_id, at_ms)}
        assert (version.number, keys) == expected_at(at_ms, events)
        assert [number for number in starts(events) if book.state_of(number, at_ms) == "in force"] == [version.number]


@given(STEPS)
def test_an_answer_never_depends_on_what_is_appended_less_than_the_notice_before(steps: list[Step]) -> None:
    """So a process that has read the book to a moment answers for the next sixty seconds as every other one does."""
    events = accepted_of(steps)
    whole, book = book_of(*events), Book()
    for read, event in enumerate(events):
        book = book_with(book, event)
        following = events[read + 1 :]
        known_until = following[0].append_ms + NOTICE_MS if following else FOREVER_MS
        for at_ms in moments(events):
            if at_ms < known_until:
                seen, right = book.at(at_ms), whole.at(at_ms)
                assert (seen.number, seen.keys) == (right.number, right.keys)
