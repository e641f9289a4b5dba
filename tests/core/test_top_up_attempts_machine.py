"""Fold, charger and provider against each other: random usage, answers, crashes, repeated messages, lost rows, time.

Whatever happens, a trigger is paid at most once, what was paid is credited, and caps hold per UTC day and month.
"""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger.core.top_up_attempts import (
    FINAL,
    AnswerKind,
    AttemptDecision,
    FailedAttempt,
    ProviderAnswer,
    ProviderCall,
    TriggerProgress,
    decide,
    dropped,
    next_call,
)

from .story import Story

SLOW = os.environ.get("LEDGER_HYPOTHESIS") == "slow"
ATTEMPTS_MAX = 3
FIRST = datetime.fromisoformat("2026-11-01T00:00:00")
KEYS_LAST = timedelta(hours=24)
CAP_DAY, CAP_MONTH, AMOUNT = 150, 240, 60

banks = st.sampled_from(["pays", "pays", "pays", "soft", "soft", "hard", "authentication_required"])
deliveries = st.sampled_from(["answered", "lost", "lost", "never_sent", "broken"])
crashes = st.sampled_from([None, None, "before_append", "after_append"])


class Crash(Exception):
    """The charger ends here."""


class Row(NamedTuple):
    """What the charger wrote of a trigger."""

    charge: TriggerProgress
    triggered_at: datetime
    due_at: datetime


class Payment(NamedTuple):
    """What the provider has."""

    trigger: str
    attempt: int
    status: AnswerKind


class Provider:
    """Keeps payments for ever, and what it answered to a key for a day."""

    def __init__(self) -> None:
        self.payments: list[Payment] = []
        self._keys: dict[str, tuple[int, datetime]] = {}

    def charge(self, trigger: str, attempt: int, bank: str, now: datetime) -> ProviderAnswer:
        key = f"topup:{trigger}:{attempt}"
        number, since = self._keys.get(key, (-1, now))
        if number < 0 or now - since >= KEYS_LAST:
            number = len(self.payments)
            self._keys[key] = (number, now)
            status: AnswerKind = "paid" if bank == "pays" else bank  # type: ignore[assignment]
            self.payments.append(Payment(trigger, attempt, status))
        return ProviderAnswer(self.payments[number].status, "code", attempt)

    def find(self, trigger: str, attempt: int) -> ProviderAnswer:
        found = [one for one in self.payments if one.trigger == trigger]
        telling = max(found, key=lambda one: (one.status == "paid", one.attempt), default=None)
        if telling is None or (telling.status != "paid" and telling.attempt < attempt):
            return ProviderAnswer("not_found")
        return ProviderAnswer(telling.status, "code", telling.attempt)

    def cancel(self, trigger: str, attempt: int) -> ProviderAnswer:
        return self.find(trigger, attempt)

    def paid(self) -> Counter[str]:
        return Counter(one.trigger for one in self.payments if one.status == "paid")


class TopUps(RuleBasedStateMachine):
    """One account; its charger may crash at every step, and its rows may be those of another time."""

    @initialize(at=st.datetimes(FIRST, FIRST + timedelta(days=30)))
    def begin(self, at: datetime) -> None:
        self.now = at.replace(tzinfo=UTC)
        self.story, self.provider = Story(), Provider()
        self.appended: set[tuple[str, object]] = set()
        self.triggers: dict[str, datetime] = {}
        self.credited: Counter[str] = Counter()
        self.windows: Counter[str] = Counter()
        self.rows: dict[str, Row] = {}
        self.backup: dict[str, Row] = {}
        self._tell("credits.purchased", purchase_id="first", credits="100", kind="purchase")
        policy = {"enabled": True, "threshold": "50", "amount": str(AMOUNT)}
        self._tell("auto_top_up.configured", **policy, cap_day=str(CAP_DAY), cap_month=str(CAP_MONTH))
        self.spend(60)

    # What happens.

    @rule(credits=st.sampled_from([1, 60, 80]))
    def spend(self, credits: int) -> None:
        call = {"request_id": "r", "provider": "openai", "model": "any", "mode": "auto", "provider_cost": str(credits)}
        self._tell("usage.recorded", **call, input_tokens=1, output_tokens=1)

    @rule(minutes=st.sampled_from([0, 5, 2 * 60, 30 * 60]), restored=st.sampled_from([None, "nothing", "backup"]))
    def pass_time(self, minutes: int, restored: str | None) -> None:
        """Perhaps Postgres is restored meanwhile, from nothing or as it was when that was done last."""
        self.now += timedelta(minutes=minutes)
        if restored:
            before, self.rows = self.rows, dict(self.backup) if restored == "backup" else {}
            self.backup = before

    @rule()
    def unblock(self) -> None:
        """The card changes, and the windows of caps open."""
        self._tell("auto_top_up.resumed", reason_code="card_changed")
        self._tell("auto_top_up.rechecked", window="day")

    @precondition(lambda self: self.triggers)
    @rule(data=st.data(), bank=banks, delivery=deliveries, crash=crashes)
    def read(self, data: st.DataObject, bank: str, delivery: str, crash: str | None) -> None:
        """A charger reads a trigger, the last one or any."""
        newest_first = sorted(self.triggers, key=lambda trigger: self.triggers[trigger], reverse=True)
        self._take(data.draw(st.sampled_from(newest_first)), bank, delivery, crash)

    @precondition(lambda self: self.rows)
    @rule(bank=banks, delivery=deliveries, crash=crashes)
    def go_on(self, bank: str, delivery: str, crash: str | None) -> None:
        """A charger does what is due."""
        for trigger in [name for name, row in self.rows.items() if row.due_at <= self.now]:
            self._work(trigger, bank, delivery, crash)

    # What the charger does; as ledger.payments.top_up_charges.

    def _take(self, trigger: str, bank: str, delivery: str, crash: str | None) -> None:
        row = self.rows.get(trigger)
        if row is None or row.charge.state == "dropped":
            if not self._wanted(trigger):
                return
            self.rows[trigger] = Row(TriggerProgress(), self.triggers[trigger], self.now)
        self._work(trigger, bank, delivery, crash)

    def _work(self, trigger: str, bank: str, delivery: str, crash: str | None) -> None:
        try:
            while (row := self.rows[trigger]).charge.state not in FINAL and row.due_at <= self.now:
                self.rows[trigger] = self._step(trigger, row, bank, delivery, crash)
                delivery = "answered" if delivery != "broken" else delivery
        except Crash:
            pass

    def _step(self, trigger: str, row: Row, bank: str, delivery: str, crash: str | None) -> Row:
        call = next_call(row.charge, wanted=self._wanted(trigger), search_from=row.triggered_at, now=self.now)
        if call == "drop":
            return self._after(row, dropped(row.charge))
        if call == "charge":
            self.rows[trigger] = row._replace(charge=row.charge._replace(state="sent"))
        answer = self._asked(trigger, row.charge.attempt, call, bank, delivery)
        if crash == "before_append":
            raise Crash
        if answer.kind == "paid":
            self._credit(trigger)
        decision = decide(row.charge, answer, self.now, ATTEMPTS_MAX)
        if decision.failure is not None:
            self._fail(trigger, decision.failure)
        if crash == "after_append":
            raise Crash
        return self._after(row, decision)

    def _asked(self, trigger: str, attempt: int, call: ProviderCall, bank: str, delivery: str) -> ProviderAnswer:
        if delivery in ("never_sent", "broken"):
            return ProviderAnswer("unavailable" if delivery == "never_sent" else "unknown")
        if call == "charge":
            assert self._wanted(trigger)
            answer = self.provider.charge(trigger, attempt, bank, self.now)
        else:
            answer = self.provider.find(trigger, attempt)
        return ProviderAnswer("unknown") if delivery == "lost" else answer

    @staticmethod
    def _after(row: Row, decision: AttemptDecision) -> Row:
        return row._replace(charge=decision.progress, due_at=decision.due_at or row.due_at)

    def _wanted(self, trigger: str) -> bool:
        machine = self.story.account.top_ups
        return machine.state == "in_flight" and machine.trigger_id == trigger

    # The log: each fact counts once.

    def _credit(self, trigger: str) -> None:
        if ("paid", trigger) in self.appended:
            return
        self.appended.add(("paid", trigger))
        self.credited[trigger] += 1
        self.windows[f"{self.now:%Y-%m-%d}"] += AMOUNT
        self.windows[f"{self.now:%Y-%m}"] += AMOUNT
        more = {"kind": "auto_top_up", "trigger_id": trigger}
        self._tell("credits.purchased", purchase_id=trigger, credits=str(AMOUNT), **more)

    def _fail(self, trigger: str, failure: FailedAttempt) -> None:
        if (trigger, failure) not in self.appended:
            self.appended.add((trigger, failure))
            data = {"trigger_id": trigger, "reason_code": failure.reason_code, "suspended": failure.suspended}
            self._tell("auto_top_up.failed", **data)

    def _tell(self, type_: str, **data: object) -> None:
        if type_ == "credits.purchased":
            charged = {"currency": "USD", "amount_minor": 1, "tax_minor": 0}
            data = {"provider": "stripe", "provider_payment_id": "pi", "charged": charged, **data}
        applied = self.story.apply(type_, self.now.isoformat(), **data)
        for effect in applied.effects:
            if effect.type == "auto_top_up.triggered":
                self.triggers[effect.data.trigger_id] = self.now

    # What must hold.

    @invariant()
    def no_trigger_is_paid_twice(self) -> None:
        assert not [trigger for trigger, times in self.provider.paid().items() if times > 1]

    @invariant()
    def nothing_is_credited_that_was_not_paid(self) -> None:
        assert set(self.credited) <= set(self.provider.paid())

    @invariant()
    def caps_hold(self) -> None:
        over = [
            window for window, credits in self.windows.items() if credits > (CAP_MONTH if len(window) == 7 else CAP_DAY)
        ]
        assert over == []

    @invariant()
    def declines_are_bounded(self) -> None:
        declines = Counter(one.trigger for one in self.provider.payments if one.status != "paid")
        assert all(times <= ATTEMPTS_MAX for times in declines.values())

    def teardown(self) -> None:
        """In peace, everything that was paid becomes credits, and nothing stays in between."""
        self._tell("auto_top_up.configured", enabled=False, threshold="50", amount=str(AMOUNT))
        for _ in range(2 * ATTEMPTS_MAX):
            for trigger in self.triggers:
                self._take(trigger, "pays", "answered", None)
            self.now += timedelta(hours=25)
        assert self.credited == self.provider.paid()
        self.no_trigger_is_paid_twice()
        self.caps_hold()
        assert all(row.charge.state in FINAL for row in self.rows.values())
        assert self.story.account.top_ups.state != "in_flight"


TestTopUps = TopUps.TestCase
TestTopUps.settings = settings(stateful_step_count=30, max_examples=50_000 if SLOW else 500)
