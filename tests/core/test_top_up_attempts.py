"""The charger's decisions as tables: which call comes next, and what each answer means in each state."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.core.top_up_attempts import (
    FRESH,
    AnswerKind,
    FailedAttempt,
    ProviderAnswer,
    ProviderCall,
    TriggerProgress,
    decide,
    dropped,
    next_call,
)
from schemas.states import AttemptState

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
LATE = FRESH + timedelta(seconds=1)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "wanted", "age", "searched_ago", "call"),
    [
        ("due", True, SECOND, None, "charge"),
        # Rows may have been lost and keys forgotten since: it is looked for before it is charged.
        ("due", True, LATE, None, "find"),
        ("due", True, LATE, SECOND, "charge"),
        ("due", True, LATE, HOUR, "find"),
        ("due", False, SECOND, None, "drop"),
        ("due", False, LATE, SECOND, "drop"),
        ("sent", True, SECOND, None, "find"),
        ("sent", True, LATE, SECOND, "find"),
        # Money may be there, whatever the views say.
        ("sent", False, SECOND, None, "find"),
        ("pending", True, SECOND, None, "ask"),
        ("pending", False, LATE, None, "ask"),
        ("canceling", True, SECOND, None, "cancel"),
        ("canceling", False, LATE, None, "cancel"),
    ],
)
def test_the_next_call(
    state: AttemptState, wanted: bool, age: timedelta, searched_ago: timedelta | None, call: ProviderCall
) -> None:
    charge = TriggerProgress(state, searched_at=None if searched_ago is None else NOW - searched_ago)
    assert next_call(charge, wanted=wanted, search_from=NOW - age, now=NOW) == call


OVER = None
NOW_ON = timedelta(0)


@pytest.mark.parametrize(
    ("state", "attempt", "kind", "then", "pause", "said"),
    [
        ("due", 1, "paid", ("credited", 1), OVER, None),
        ("sent", 2, "paid", ("credited", 2), OVER, None),
        ("pending", 1, "paid", ("credited", 1), OVER, None),
        ("canceling", 1, "paid", ("credited", 1), OVER, None),
        ("due", 1, "mismatched", ("suspended", 1), OVER, ("payment_mismatch", True)),
        # A new number only after a definite decline, and no more of them than may be.
        ("due", 1, "soft", ("due", 2), HOUR, ("code", False)),
        ("sent", 2, "soft", ("due", 3), 6 * HOUR, ("code", False)),
        ("pending", 1, "soft", ("due", 2), HOUR, ("code", False)),
        ("due", 3, "soft", ("suspended", 3), OVER, ("code", True)),
        ("sent", 4, "soft", ("suspended", 4), OVER, ("code", True)),
        ("due", 1, "hard", ("suspended", 1), OVER, ("code", True)),
        ("due", 1, "refused", ("suspended", 1), OVER, ("code", True)),
        # Only the customer could confirm it: first it is taken back, then people are told.
        ("due", 1, "authentication_required", ("canceling", 1), NOW_ON, None),
        ("sent", 1, "authentication_required", ("canceling", 1), NOW_ON, None),
        ("canceling", 1, "authentication_required", ("suspended", 1), OVER, ("authentication_required", True)),
        ("canceling", 1, "hard", ("suspended", 1), OVER, ("authentication_required", True)),
        ("canceling", 1, "refused", ("suspended", 1), OVER, ("authentication_required", True)),
        ("canceling", 1, "pending", ("canceling", 1), SECOND, None),
        ("canceling", 1, "unknown", ("canceling", 1), SECOND, None),
        # What is not known stays the same attempt.
        ("due", 1, "unknown", ("sent", 1), SECOND, None),
        ("sent", 1, "unknown", ("sent", 1), SECOND, None),
        ("pending", 1, "unknown", ("pending", 1), SECOND, None),
        ("due", 2, "unavailable", ("due", 2), SECOND, None),
        ("sent", 2, "unavailable", ("sent", 2), SECOND, None),
        ("pending", 1, "unavailable", ("pending", 1), SECOND, None),
        ("sent", 1, "not_found", ("due", 1), NOW_ON, None),
        ("due", 2, "not_found", ("due", 2), NOW_ON, None),
        ("due", 1, "pending", ("pending", 1), SECOND, None),
        ("pending", 1, "pending", ("pending", 1), SECOND, None),
    ],
)
def test_an_answer_means(
    state: AttemptState,
    attempt: int,
    kind: AnswerKind,
    then: tuple[AttemptState, int],
    pause: timedelta | None,
    said: tuple[str, bool] | None,
) -> None:
    decision = decide(TriggerProgress(state, attempt), ProviderAnswer(kind, "code"), NOW, 3)
    assert (decision.progress.state, decision.progress.attempt) == then
    assert decision.due_at == (None if pause is None else NOW + pause)
    assert decision.failure == (said and FailedAttempt(attempt, *said))


def test_a_payment_of_a_later_attempt_than_the_row_knows_of_counts_as_that_attempt() -> None:
    found = decide(TriggerProgress("sent", 1), ProviderAnswer("soft", "code", attempt=2), NOW, 3)
    assert (found.progress, found.failure) == (TriggerProgress("due", 3), FailedAttempt(2, "code", suspended=False))
    assert (
        decide(TriggerProgress("sent", 1), ProviderAnswer("soft", "code", attempt=3), NOW, 3).progress.state
        == "suspended"
    )


def test_silence_is_met_later_each_time_and_at_least_every_ten_minutes() -> None:
    charge, pauses = TriggerProgress("sent"), []
    for _ in range(14):
        decision = decide(charge, ProviderAnswer("unknown"), NOW, 3)
        assert decision.due_at is not None
        pauses.append((decision.due_at - NOW).total_seconds())
        charge = decision.progress
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]


def test_after_a_search_in_vain_the_same_attempt_is_charged() -> None:
    found = decide(TriggerProgress("sent", 2, silent=5), ProviderAnswer("not_found"), NOW, 3)
    assert next_call(found.progress, wanted=True, search_from=NOW - 30 * HOUR, now=NOW) == "charge"


def test_a_trigger_that_is_not_in_flight_is_dropped_without_a_word() -> None:
    decision = dropped(TriggerProgress("due", 2))
    assert (decision.progress.state, decision.due_at, decision.failure) == ("dropped", None, None)


def test_a_card_that_always_declines_is_tried_three_times_in_a_day() -> None:
    charge, at, tried = TriggerProgress(), NOW, 0
    while charge.state == "due" and at < NOW + timedelta(days=1):
        tried += 1
        decision = decide(charge, ProviderAnswer("soft", "insufficient_funds"), at, 3)
        charge, at = decision.progress, decision.due_at or at
    assert (charge.state, tried, at - NOW) == ("suspended", 3, 7 * HOUR)
