"""What the fold says on ledger.topups becomes notices: levels, caps, suspensions; each once, and only news."""

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from consumers.consumer import Received
from consumers.notifications import NotifyOfEffects
from ledger.core.top_up_attempts import SWITCHED_OFF
from ledger.log.book import BookFollower
from ledger.settings import Settings
from schemas.effects import (
    AutoTopUpSkipped,
    AutoTopUpSuspended,
    AutoTopUpTriggered,
    BalanceLevelChanged,
    Effect,
    LevelChange,
    Skip,
    Suspension,
    Trigger,
)
from schemas.topics import TOP_UPS
from tests.support.invoicing import rows

DAY_MS = 24 * 3600 * 1000
ID = "0b6e7c1a-9d53-4c9f-8b6a-1e7701d2e3f4"


@pytest.fixture(scope="module")
def notify(settings: Settings) -> Iterator[NotifyOfEffects]:
    with closing(BookFollower(settings)) as book:
        book.wait(20)
        yield NotifyOfEffects(settings, book)


def effect(kind: Any, data: Any) -> Effect:
    made: Effect = kind(source="test", id=str(uuid.uuid4()), subject=f"acct_{uuid.uuid4().hex[:8]}", data=data)
    return made


def notices_of(settings: Settings, notify: NotifyOfEffects, said: Effect, age_ms: int = 0) -> list[str]:
    """The types of the notices after it was read twice."""
    received = Received(TOP_UPS, 0, 0, int(time.time() * 1000) - age_ms, said)
    notify.handle(received)
    notify.handle(received)
    found = rows(settings, "SELECT type FROM records.notices WHERE account_id = %s", said.subject)
    return [row["type"] for row in found]


def level(previous: str, now: str) -> Effect:
    return effect(BalanceLevelChanged, LevelChange(previous=previous, level=now, balance="1"))


@pytest.mark.parametrize(
    ("previous", "now", "type_"),
    [
        ("ok", "low", "balance.level_reached"),
        ("low", "exhausted", "balance.level_reached"),
        ("exhausted", "low", "balance.level_recovered"),
        ("low", "ok", "balance.level_recovered"),
    ],
)
def test_levels_are_reached_and_recovered(
    settings: Settings, notify: NotifyOfEffects, previous: str, now: str, type_: str
) -> None:
    assert notices_of(settings, notify, level(previous, now)) == [type_]


def test_caps_and_suspensions(settings: Settings, notify: NotifyOfEffects) -> None:
    moment = "2026-12-01T00:00:00Z"
    skip = Skip.model_validate_json(f'{{"window":"month","cap":"5","spent":"5","credits":"1","opens_at":"{moment}"}}')
    assert notices_of(settings, notify, effect(AutoTopUpSkipped, skip)) == ["auto_top_up.capped"]
    suspension = Suspension(trigger_id=ID, reason_code="card_declined")
    assert notices_of(settings, notify, effect(AutoTopUpSuspended, suspension)) == ["auto_top_up.suspended"]
    switched_off = Suspension(trigger_id=ID, reason_code=SWITCHED_OFF)
    assert notices_of(settings, notify, effect(AutoTopUpSuspended, switched_off)) == []


def test_a_trigger_is_no_news_before_it_is_paid(settings: Settings, notify: NotifyOfEffects) -> None:
    trigger = Trigger(trigger_id=ID, credits="5", balance="1", threshold="2", caused_by=ID)
    assert notices_of(settings, notify, effect(AutoTopUpTriggered, trigger)) == []


def test_what_is_old_is_not_told(settings: Settings, notify: NotifyOfEffects) -> None:
    assert notices_of(settings, notify, level("ok", "low"), 2 * DAY_MS) == ["balance.level_reached"]
    assert notices_of(settings, notify, level("ok", "low"), 4 * DAY_MS) == []
