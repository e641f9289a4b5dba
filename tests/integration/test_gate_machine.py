"""The gate against a model that knows no threads: whatever happens, alone or all at once, no hold overdraws an account.

Holds are decided by several gates over connections of their own, beside a real projection; time is the log's, which the
test drives, a day ahead of the clock so that nothing ends by itself. Amounts are few nanos, so that they collide often.
"""

import asyncio
import contextlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ledger.core.errors import LedgerError
from ledger.core.spending import Ask
from ledger.gate import holds
from ledger.gate.expiry import expire_holds
from ledger.gate.gate import Gate
from ledger.gate.holds import Decision, Extended, Hold, HoldClosed, HoldConflict, NewHold
from ledger.postgres.pools import AsyncPool
from ledger.postgres.types import AsyncConnection
from ledger.settings import Settings
from schemas.money import format_nanos
from tests.support import events
from tests.support.past import Past
from tests.support.pools import api_pool

SLOW = os.environ.get("LEDGER_HYPOTHESIS") == "slow"
GATES = 3
DAY_MS = 86_400_000
UNCOVERED = "SELECT cause, nanos FROM records.uncovered"
FUNDS = """
SELECT h.account_id, coalesce(b.balance, 0), h.held
FROM records.held_accounts h LEFT JOIN views.balances b USING (account_id) WHERE h.account_id = ANY (%s)
"""
HOLDS = """
SELECT hold_id::text, amount, state, settled_by::text, charged FROM records.holds WHERE account_id = ANY (%s)
"""


@dataclass(frozen=True)
class Authorize:
    """`key`: of a request that may be repeated, by this account or another; `clamp`: less will do."""

    account: int
    amount: int
    clamp: bool
    key: int | None
    seconds: int


@dataclass(frozen=True)
class Extend:
    """`amount` 0: only for longer."""

    hold: int
    amount: int


@dataclass(frozen=True)
class Release:
    hold: int


@dataclass(frozen=True)
class Use:
    """`hold` None: it names none. Tens of nanos, which markup makes elevens."""

    account: int
    tens: int
    hold: int | None


@dataclass(frozen=True)
class Buy:
    account: int
    amount: int


@dataclass(frozen=True)
class Wait:
    seconds: int


@dataclass(frozen=True)
class Expire:
    pass


Step = Authorize | Extend | Release | Use | Buy | Wait | Expire
ACCOUNT, PICK = st.integers(0, 1), st.integers(0, 15)
STEPS = st.one_of(
    st.builds(
        Authorize, ACCOUNT, st.integers(1, 60), st.booleans(), st.none() | st.integers(0, 2), st.integers(1, 100)
    ),
    st.builds(Extend, PICK, st.integers(0, 40)),
    st.builds(Release, PICK),
    st.builds(Use, ACCOUNT, st.integers(0, 6), st.none() | PICK),
    st.builds(Buy, ACCOUNT, st.integers(1, 150)),
    st.builds(Wait, st.integers(1, 60)),
    st.builds(Expire),
)


@dataclass
class Known:
    """A hold as the model knows it: from what was answered."""

    account: str
    amount: int
    expires_ms: int
    request_hash: str | None
    state: str = "open"


@dataclass(frozen=True)
class Usage:
    """Usage as it was published; the hold that it names may be anybody's."""

    account: str
    event_id: str
    charge: int
    hold_id: str | None


class World:
    """A ledger without a broker: its log, several gates, and the connections of an API."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.model_copy(update={"gate_stale_seconds": 1e9})
        self.past = Past(settings)
        self.clock_ms = time.time_ns() // 1_000_000 + DAY_MS
        self.past.nothing_more_until(self.clock_ms)
        self.ids = events.Ids(1)
        self._runner = asyncio.Runner()
        self._parts = contextlib.AsyncExitStack()
        self.gates = [Gate(self.settings) for _ in range(GATES)]
        self.pool: AsyncPool = self.run(self._start())
        self.database = psycopg.connect(settings.database, autocommit=True)

    async def _start(self) -> AsyncPool:
        for gate in self.gates:
            await self._parts.enter_async_context(gate.running())
        return await self._parts.enter_async_context(api_pool(self.settings))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def expire(self) -> int:
        """Expires holds as a consumer does, on a connection of its own."""
        with psycopg.connect(self.settings.database, autocommit=True) as connection:
            return expire_holds(connection)

    def close(self) -> None:
        self.run(self._parts.aclose())
        self._runner.close()
        self.database.close()
        self.past.close()


@pytest.fixture(scope="module")
def world(settings: Settings) -> Iterator[World]:
    one = World(settings)
    yield one
    one.close()


class GateMachine(RuleBasedStateMachine):
    """Does steps one by one, whose outcome the model foretells, and many at once, which must leave what it allows."""

    world: World

    @initialize(credits=st.integers(0, 200))
    def begin(self, credits: int) -> None:
        self.accounts = [f"acct_{uuid.uuid4().hex[:10]}" for _ in range(2)]
        self.balances = dict.fromkeys(self.accounts, 0)
        self.holds: dict[str, Known] = {}
        self.uncovered = Counter(dict(self.world.database.execute(UNCOVERED).fetchall()))
        self.do([Authorize(0, 1, False, None, 1)])  # the first of an account without an event
        if credits:
            self.do([Buy(0, credits)])

    @rule(step=STEPS)
    def alone(self, step: Step) -> None:
        self.do([step])

    @rule(steps=st.lists(STEPS, min_size=2, max_size=14))
    def at_once(self, steps: list[Step]) -> None:
        self.do(steps)

    @rule(pick=PICK, tens=st.integers(0, 6))
    def three_ends_of_one_hold(self, pick: int, tens: int) -> None:
        """The usage of its own account, its release and its expiry."""
        if self.holds:
            account = self.accounts.index(self.picked(pick)[1].account)
            self.do([Wait(100), Expire(), Release(pick), Use(account, tens, pick), Expire()])

    @rule(pick=PICK, tens=st.integers(0, 6))
    def a_stranger_names_a_hold(self, pick: int, tens: int) -> None:
        """Before the account that it belongs to does, in the same batch."""
        if self.holds:
            account = self.accounts.index(self.picked(pick)[1].account)
            self.do([Use(1 - account, tens, pick), Use(account, tens, pick)])

    def do(self, steps: list[Step]) -> None:
        """Does the steps at once and checks what has become of them."""
        before = dict(self.holds)
        expected = self.foretold(steps[0]) if len(steps) == 1 else None
        available = {account: self.available(account) for account in self.accounts}
        usages = self.world.run(self.doing(steps, before))
        if expected is not None:
            assert self.answers == expected, steps
        self.check_holds(before, usages)
        self.check_funds(available)

    async def doing(self, steps: list[Step], before: dict[str, Known]) -> list[Usage]:
        """Does them, and notes what was answered."""
        logged = [self.logged(step) for step in steps if isinstance(step, Use | Buy | Wait)]
        work = [self.asked(n, step) for n, step in enumerate(steps) if isinstance(step, Authorize)]
        work += [self.changed(step, before) for step in steps if isinstance(step, Extend | Release | Expire)]
        self.released, self.expired = Counter[str](), 0
        self.answers: list[object] = []
        folding = asyncio.to_thread(self.fold, logged)
        done = await asyncio.gather(folding, *work, return_exceptions=True)  # whatever fails, none is left half done
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure
        return [usage for _, usage in logged if usage is not None]

    def logged(self, step: Use | Buy | Wait) -> tuple[events.Event | int, Usage | None]:
        """What a step appends to the log, or how many seconds nothing comes."""
        if isinstance(step, Wait):
            return step.seconds, None
        account, event_id = self.accounts[step.account], self.world.ids()
        if isinstance(step, Buy):
            self.balances[account] += step.amount
            return events.purchase(account, event_id, format_nanos(step.amount), f"pur_{event_id}"), None
        hold_id = self.picked(step.hold)[0] if step.hold is not None and self.holds else None
        usage = Usage(account, event_id, step.tens * 11, hold_id)
        self.balances[account] -= usage.charge
        named = {"authorization_id": hold_id} if hold_id else {}
        return events.usage(account, event_id, format_nanos(step.tens * 10), **named), usage

    def fold(self, logged: list[tuple[events.Event | int, Usage | None]]) -> None:
        """Folds what comes, in one batch between two times when nothing does."""
        world, batch = self.world, list[tuple[int, events.Event]]()
        for event, _ in [*logged, (0, None)]:
            if not isinstance(event, int):
                world.clock_ms += 1
                batch.append((world.clock_ms, event))
                continue
            if batch:
                world.past.happened(batch)
                batch = []
            world.clock_ms += event * 1000
            world.past.nothing_more_until(world.clock_ms)

    async def asked(self, number: int, step: Authorize) -> None:
        """Asks one of the gates."""
        account, expires_ms = self.accounts[step.account], self.world.clock_ms + step.seconds * 1000
        new = NewHold(
            self.key_id(step.key),
            account,
            Ask(step.amount, 1 if step.clamp else step.amount),
            datetime.fromtimestamp(expires_ms / 1000, UTC),
            request_hash=None if step.key is None else repr((account, step.amount, step.clamp)).encode().hex(),
        )
        try:
            decision = await self.world.gates[number % GATES].decide(new)
        except (HoldConflict, HoldClosed) as refused:
            assert step.key is not None
            self.answers.append(type(refused))
            return
        self.note_granted(new, decision, expires_ms)

    def note_granted(self, new: NewHold, decision: Decision, expires_ms: int) -> None:
        hold = decision.hold
        self.answers.append(hold and hold.amount)
        if hold is None:
            return
        assert hold.account_id == new.account_id
        if decision.repeated:
            assert new.request_hash is not None
        else:
            assert new.ask.least <= hold.amount <= new.ask.wanted
            assert new.hold_id not in self.holds, "a key has one hold"
            self.holds[new.hold_id] = Known(new.account_id, hold.amount, expires_ms, new.request_hash)

    async def changed(self, step: Step, before: dict[str, Known]) -> None:
        """Extends and releases as the API does, or expires as a consumer does."""
        async with self.world.pool.connection() as connection:
            if isinstance(step, Expire):
                ended = await asyncio.to_thread(self.world.expire)
                self.expired += ended
                self.answers.append(ended)
            elif before:
                hold_id, known = list(before.items())[step.hold % len(before)]  # type: ignore[union-attr]
                if isinstance(step, Release):
                    ids = await holds.close(connection, [(hold_id, known.account)], "released")
                    self.released.update(ids)
                    self.answers.append(len(ids))
                elif isinstance(step, Extend):
                    await self.extended(connection, (await holds.find(connection, [hold_id]))[hold_id], step.amount)

    async def extended(self, connection: AsyncConnection, hold: Hold, amount: int) -> None:
        try:
            found: Extended = await holds.extend(connection, hold, amount, None, hold.expires_at, 1e9)
        except LedgerError as refused:
            self.answers.append(type(refused))
            return
        self.answers.append(found.hold is not None)
        if found.hold is not None:
            self.holds[hold.hold_id].amount += amount

    def foretold(self, step: Step) -> list[object]:
        """What one step by itself must be answered; nothing for what goes through the log."""
        if isinstance(step, Authorize):
            return [self.foretold_grant(step)]
        if isinstance(step, Expire):
            now = self.world.clock_ms
            return [sum(hold.state == "open" and hold.expires_ms < now for hold in self.holds.values())]
        if not isinstance(step, Extend | Release) or not self.holds:
            return []
        hold = self.picked(step.hold)[1]
        if isinstance(step, Release):
            return [int(hold.state == "open")]
        if hold.state != "open":
            return [HoldClosed]
        return [step.amount == 0 or self.available(hold.account) >= step.amount]

    def foretold_grant(self, step: Authorize) -> object:
        account = self.accounts[step.account]
        known = self.holds.get(self.key_id(step.key)) if step.key is not None else None
        if known is not None:
            if known.request_hash != repr((account, step.amount, step.clamp)).encode().hex():
                return HoldConflict
            return known.amount if known.state == "open" else HoldClosed
        available = self.available(account)
        if step.clamp:
            return min(step.amount, available) if available > 0 else None
        return step.amount if available >= step.amount else None

    def check_holds(self, before: dict[str, Known], usages: list[Usage]) -> None:
        """Each hold is what was answered, and ended at most once, by who may end it; the rest was counted."""
        found = self.world.database.execute(HOLDS, [self.accounts]).fetchall()
        assert {row[0] for row in found} == self.holds.keys()
        covered, expired = {}, 0
        for hold_id, amount, state, settled_by, charged in found:
            known = self.holds[hold_id]
            assert amount == known.amount
            mine = [use for use in usages if (use.hold_id, use.account) == (hold_id, known.account)]
            if known.state != "open":
                assert state == known.state, "an end is final"
                continue
            assert self.released[hold_id] == (state == "released")
            assert state != "open" or not mine, "usage ends its hold"
            if state == "expired":
                expired += 1
                assert known.expires_ms < self.world.clock_ms
            elif state == "settled":
                assert (settled_by, charged) == (mine[0].event_id, mine[0].charge), "the first usage settles"
                covered[settled_by] = amount
            known.state = state
        assert expired == self.expired
        for use in usages:
            self.count_uncovered(use, covered.get(use.event_id))
        counted = dict(self.world.database.execute(UNCOVERED).fetchall())
        assert counted == {cause: nanos for cause, nanos in self.uncovered.items() if nanos}

    def count_uncovered(self, use: Usage, hold_amount: int | None) -> None:
        cause = "no_hold" if use.hold_id is None else "hold_ended" if hold_amount is None else "above_hold"
        nanos = max(use.charge - (hold_amount or 0), 0)
        self.uncovered[cause] += nanos
        self.balances_uncovered[use.account] += nanos

    def check_funds(self, available_before: dict[str, int]) -> None:
        """Balances and what is held are exact; beyond what no hold covers, nothing takes more than there is."""
        for account_id, balance, held in self.world.database.execute(FUNDS, [self.accounts]).fetchall():
            assert balance == self.balances[account_id]
            assert held == self.held(account_id)
            floor = min(available_before[account_id], 0) - self.balances_uncovered[account_id]
            assert balance - held >= floor, "a hold took more than there was"
        self.balances_uncovered.clear()

    def held(self, account: str) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.account == account and hold.state == "open")

    def available(self, account: str) -> int:
        return self.balances[account] - self.held(account)

    def picked(self, number: int) -> tuple[str, Known]:
        return list(self.holds.items())[number % len(self.holds)]

    def key_id(self, key: int | None) -> str:
        return str(uuid.uuid4() if key is None else uuid.uuid5(uuid.NAMESPACE_OID, f"{self.accounts[0]} {key}"))

    def __init__(self) -> None:
        super().__init__()
        self.balances_uncovered = Counter[str]()

    def teardown(self) -> None:
        """Leaves no hold for the next run to expire."""
        self.world.database.execute(
            "UPDATE records.holds SET state = 'released', closed_at = now() WHERE state = 'open'"
        )


def test_no_hold_overdraws_whatever_happens_at_once(world: World) -> None:
    class Machine(GateMachine):
        pass

    Machine.world = world
    profile = hypothesis_settings(
        max_examples=400 if SLOW else 25,
        stateful_step_count=40,
        deadline=None,
        print_blob=True,
        suppress_health_check=[],
    )
    run_state_machine_as_test(Machine, settings=profile)
    print({cause: nanos for cause, nanos in world.database.execute(UNCOVERED).fetchall()})


def test_a_wait_that_is_cancelled_leaves_no_hold(world: World) -> None:
    account, hold_id = "acct_cancelled", str(uuid.uuid4())
    world.past.happened([(world.clock_ms, events.purchase(account, world.ids(), "1"))])
    new = NewHold(hold_id, account, Ask(1, 1), datetime.fromtimestamp(world.clock_ms / 1000, UTC))

    async def states() -> list[str]:
        async with world.pool.connection() as connection:
            query = "SELECT state FROM records.holds WHERE hold_id = %s"
            return [state for (state,) in await (await connection.execute(query, [hold_id])).fetchall()]

    async def cancelled() -> None:
        async with world.pool.connection() as busy, busy.transaction():
            await busy.execute("INSERT INTO records.held_accounts (account_id) VALUES (%s)", [account])
            asking = asyncio.create_task(world.gates[0].decide(new))
            await asyncio.sleep(0.3)
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            assert await states() == []
        async with asyncio.timeout(10):
            while await states() != ["released"]:
                await asyncio.sleep(0.02)

    world.run(cancelled())
