"""A stream, whatever ends it: what was produced is charged once, what was not is not, and no hold is left."""

import asyncio
import os
import random
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.client import (
    AsyncLedger,
    AuthorizationEnded,
    GateClosed,
    InsufficientCredits,
    InvalidEvent,
    Ledger,
    SpoolFull,
    UnreadableAnswer,
    UnsuitableOption,
    usage_of,
)
from ledger.core.errors import LedgerError
from tests.client.answers import OPENAI_CHAT
from tests.client.conftest import Served
from tests.client.gate import CALL, INPUT, KINDS, OUTPUT, Losing, balance, funded, nanos, opened
from tests.support.waiting import eventually

STREAM: dict[str, Any] = CALL | {"request_id": "req_1", "max_output_tokens": 1_000, "extend_by": 200}
CREDIT = 10**9


@pytest.fixture(params=KINDS)
def ledger(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Iterator[Any]:
    with opened(request.param, served.url, served.token, tmp_path / "spool") as ledger:
        yield ledger


def nanos_of(credits: str) -> int:
    return int(Decimal(credits) * CREDIT)


def settled(served: Served, account: str, charged: int, credits: int = CREDIT) -> None:
    """Waits until this many nanos were charged and nothing is held."""
    eventually(lambda: nanos(served.http, account) == (credits - charged, 0))


class Vanished(Exception):
    """The customer has gone."""


ENDS = (None, Vanished, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__ if end else "no exception")
@pytest.mark.parametrize("tokens", [0, 150, 450])
def test_what_was_produced_is_charged_and_no_hold_is_left(
    served: Served, ledger: Any, end: type[BaseException] | None, tokens: int
) -> None:
    account = funded(served.http, "1")
    try:
        with ledger.stream(account, **STREAM) as stream:
            assert balance(served.http, account) == ("1", "0.00495")
            for _ in range(tokens // 50):
                stream.output(50)
            if end:
                raise end
    except BaseException as error:
        if not end or not isinstance(error, end):
            raise
    else:
        assert end is None
    settled(served, account, INPUT + tokens * OUTPUT if tokens or end is None else 0)


def test_what_the_provider_counted_goes_before_what_was_announced(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with pytest.raises(Vanished), ledger.stream(account, **STREAM) as stream:  # noqa: PT012  # the block is the subject
        stream.usage(input_tokens=2_000)
        stream.usage(output_tokens=7)
        raise Vanished
    settled(served, account, 2 * INPUT + 7 * OUTPUT)


CACHED: dict[str, Any] = STREAM | {"units": {"cache_read_tokens": 1_000}, "attributes": {"speed": "fast"}}
READ = INPUT // 2  # gpt-4o's price of cached input is half of the plain one


def test_what_is_said_before_the_call_is_held_and_charged_until_the_provider_counts(
    served: Served, ledger: Any
) -> None:
    account = funded(served.http, "1")
    with ledger.stream(account, **CACHED) as stream:
        assert nanos(served.http, account)[1] == READ + 200 * OUTPUT
        stream.output(150)
    settled(served, account, READ + 150 * OUTPUT)
    with ledger.stream(account, **CACHED) as stream:
        stream.usage(input_tokens=1_000, output_tokens=150)  # the provider had not kept it
    settled(served, account, READ + INPUT + 300 * OUTPUT)
    (line, _) = served.http.get(f"/v1/accounts/{account}/transactions?type=deduction").json()["data"]
    assert (line["units"], line["attributes"]) == (None, {"speed": "fast"})


def test_units_of_the_output_are_held_and_not_charged_before_they_are_counted(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with ledger.stream(account, **STREAM | {"units": {"output_reasoning_tokens": 500}}) as stream:
        assert nanos(served.http, account)[1] == INPUT + 500 * OUTPUT
        stream.output(50)
    settled(served, account, INPUT + 50 * OUTPUT)


def test_a_stream_with_the_customers_own_key_needs_no_credits(served: Served, ledger: Any) -> None:
    account = funded(served.http, "0.000000001")
    with ledger.stream(account, **STREAM, own_key=True) as stream:
        stream.output(900)
    listed = f"/v1/accounts/{account}/transactions?type=deduction"
    eventually(lambda: served.http.get(listed).json()["data"])
    settled(served, account, 0, credits=1)
    (line,) = served.http.get(listed).json()["data"]
    assert (line["own_key"], line["amount"]) == (True, "0")


# https://platform.claude.com/docs/en/build-with-claude/streaming: the count of output is preliminary.
STARTED = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 25, "output_tokens": 1}}}
ENDED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 480}}
REPORTS: dict[str, Callable[[Any], None]] = {
    "as chunks": lambda stream: stream.read(STARTED),
    "as usage": lambda stream: stream.usage(usage_of("anthropic", [STARTED])),
    "in fields": lambda stream: stream.usage(input_tokens=25, output_tokens=1),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_preliminary_count_does_not_replace_what_was_counted(
    served: Served, ledger: Any, report: Callable[[Any], None]
) -> None:
    account = funded(served.http, "1")
    with pytest.raises(Vanished), ledger.stream(account, **STREAM, like="anthropic") as stream:  # noqa: PT012
        report(stream)
        for _ in range(10):
            stream.output(50)
        raise Vanished
    assert nanos_of("0.00556875") == 25 * INPUT // 1_000 + 500 * OUTPUT  # not 0.00007975, which is for 1 output token
    settled(served, account, nanos_of("0.00556875"))


def test_the_provider_s_final_count_replaces_what_was_counted(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with ledger.stream(account, **STREAM, like="anthropic") as stream:
        stream.read(STARTED)
        stream.output(500)
        stream.read(ENDED)
        stream.output(1)
    settled(served, account, 25 * INPUT // 1_000 + 480 * OUTPUT)


def test_an_answer_that_began_is_charged_though_nothing_was_passed_on(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with pytest.raises(Vanished), ledger.stream(account, **STREAM, like="anthropic") as stream:  # noqa: PT012
        stream.read(STARTED)
        raise Vanished
    settled(served, account, 25 * INPUT // 1_000 + OUTPUT)


def test_chunks_without_counts_leave_what_was_counted(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with ledger.stream(account, **STREAM) as stream:
        for chunk in OPENAI_CHAT.chunks[:2]:
            stream.read(chunk)
            stream.output(1)
    settled(served, account, INPUT + 2 * OUTPUT)


def test_a_stream_whose_output_nothing_counted_is_an_error_and_its_input_is_charged(
    served: Served, ledger: Any
) -> None:
    account = funded(served.http, "1")
    with pytest.raises(UnreadableAnswer, match="openai"), ledger.stream(account, **STREAM) as stream:
        stream.read(OPENAI_CHAT.chunks[0])
    settled(served, account, INPUT)


def test_an_answer_of_a_provider_without_a_known_form_is_an_error_at_its_first_chunk(
    served: Served, ledger: Any
) -> None:
    account = funded(served.http, "1")
    with (
        pytest.raises(UnreadableAnswer, match=r"^provider: .*my-vllm"),
        ledger.stream(account, **STREAM, like="my-vllm") as stream,
    ):
        stream.read(OPENAI_CHAT.chunks[0])
    settled(served, account, 0)


def test_a_hold_grows_with_the_output_and_never_beyond_the_most_that_there_can_be(served: Served, ledger: Any) -> None:
    account, holds = funded(served.http, "1"), list[int]()
    with ledger.stream(account, **STREAM) as stream:
        for produced in range(50, 1_001, 50):
            stream.output(50)
            holds.append(nanos(served.http, account)[1])
            assert holds[-1] >= INPUT + produced * OUTPUT
    assert sorted(set(holds)) == [INPUT + tokens * OUTPUT for tokens in range(200, 1_001, 200)]
    settled(served, account, INPUT + 1_000 * OUTPUT)


def test_without_portions_all_is_held_at_once(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with ledger.stream(account, **STREAM | {"extend_by": None}) as stream:
        stream.output(1_200)  # more than the provider was told: charged, though nothing was held for it
        assert balance(served.http, account) == ("1", "0.01375")
    settled(served, account, INPUT + 1_200 * OUTPUT)


def test_a_stream_is_stopped_where_the_funds_end(served: Served, ledger: Any) -> None:
    account, produced = funded(served.http, "0.0075"), 0  # 431 output tokens
    with pytest.raises(InsufficientCredits), ledger.stream(account, **STREAM) as stream:  # noqa: PT012  # the same
        while True:
            produced += 50
            stream.output(50)
    assert produced == 400
    settled(served, account, INPUT + produced * OUTPUT, 7_500_000)


def test_it_ends_before_its_block_when_the_router_says_so(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with ledger.stream(account, **STREAM) as stream:
        stream.output(10)
        stream.settle()
        with pytest.raises(AuthorizationEnded):
            stream.settle()
    with ledger.stream(account, **STREAM) as stream:
        stream.output(10)
        stream.release()
    settled(served, account, INPUT + 10 * OUTPUT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_lasts_as_long_as_its_stream(served: Served, kind: str, tmp_path: Path) -> None:
    """Also when no more can be held, and when it can't be renewed at once."""
    account = funded(served.http, "0.0066")  # 350 output tokens
    with Losing(served.url).running() as losing, opened(kind, losing.url, served.token, tmp_path) as ledger:
        with ledger.stream(account, **STREAM, ttl=2) as stream:
            first = stream.authorization.id
            stream.output(100)  # there is not enough for 200 more, but it isn't used up
            losing.refuse["extend"] = 1
            for _ in range(36):
                time.sleep(0.1)
                stream.output(1)
            assert (stream.authorization.id, losing.refuse["extend"]) == (first, 0)
            assert nanos(served.http, account)[1] == INPUT + 200 * OUTPUT
            time.sleep(2.5)  # nothing is produced, and the hold expires
            eventually(lambda: balance(served.http, account)[1] == "0")
            stream.output(1)
            assert stream.authorization.id != first
            assert nanos(served.http, account)[1] == INPUT + 337 * OUTPUT
        settled(served, account, INPUT + 137 * OUTPUT, 6_600_000)


BAD: list[tuple[str, dict[str, Any], type[LedgerError]]] = [
    ("mode", {"mode": "x"}, InvalidEvent),
    ("request_id", {"request_id": ""}, InvalidEvent),
    ("input_tokens", {"input_tokens": -1}, InvalidEvent),
    ("max_output_tokens", {"max_output_tokens": 0}, InvalidEvent),
    ("extend_by", {"extend_by": 1.5}, InvalidEvent),
    ("metadata.team", {"metadata": {"team": "\0"}}, InvalidEvent),
    ("grace", {"fail": "open"}, UnsuitableOption),
]


@pytest.mark.parametrize(("field", "changes", "kind"), BAD)
def test_bad_input_is_told_before_anything_is_held(
    ledger: Any, field: str, changes: dict[str, Any], kind: type[LedgerError]
) -> None:
    with pytest.raises(kind) as caught:
        ledger.stream("acct_1", **STREAM | changes)
    assert caught.value.field == field


def test_wrong_numbers_are_refused_and_change_nothing(served: Served, ledger: Any) -> None:
    account = funded(served.http, "1")
    with ledger.stream(account, **STREAM) as stream:
        stream.output(3)
        for tokens in (-1, 1.5, "7", True):
            with pytest.raises(InvalidEvent, match=r"^tokens: "):
                stream.output(tokens)
        with pytest.raises(InvalidEvent, match=r"^units"):
            stream.usage(units={"cache_read_tokens": -1})
        with pytest.raises(InvalidEvent, match=r"^colour: "):
            stream.usage(colour="red")
    settled(served, account, INPUT + 3 * OUTPUT)


def test_a_cancellation_while_usage_is_written_waits_for_it(served: Served, tmp_path: Path) -> None:
    account, count = funded(served.http, "1"), 40

    async def customer(ledger: AsyncLedger, go: asyncio.Event) -> None:
        async with ledger.stream(account, **STREAM) as stream:
            await stream.output(5)
            await go.wait()

    async def run() -> None:
        async with AsyncLedger.over_http(served.url, key=served.token, source="r", spool=tmp_path) as ledger:
            lock, go = ledger._delivery.spools[-1]._lock, asyncio.Event()
            tasks = [asyncio.create_task(customer(ledger, go)) for _ in range(count)]
            while nanos(served.http, account)[1] < count * (INPUT + 200 * OUTPUT):
                await asyncio.sleep(0.05)
            lock.acquire()  # the disk stands still, and more wait for it than there are threads
            go.set()
            for _ in range(2):
                await asyncio.sleep(0.1)
                for task in tasks:
                    task.cancel()
            threading.Timer(0.1, lock.release).start()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(end) for end in ended} == {asyncio.CancelledError}
            await ledger.flush(20)

    asyncio.run(run())
    settled(served, account, count * (INPUT + 5 * OUTPUT))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where a shell started pytest in the background and had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_usage_is_written_loses_nothing(served: Served, tmp_path: Path) -> None:
    account = funded(served.http, "1")
    with Ledger.over_http(served.url, key=served.token, source="r", spool=tmp_path) as ledger:
        lock = ledger._delivery.spools[-1]._lock
        with pytest.raises(KeyboardInterrupt), ledger.stream(account, **STREAM) as stream:  # noqa: PT012  # the same
            stream.output(5)
            lock.acquire()  # the disk stands still
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            threading.Timer(0.6, lock.release).start()
        ledger.flush(20)
        settled(served, account, INPUT + 5 * OUTPUT)


def test_a_full_spool_is_told_and_the_stream_can_be_settled_later(served: Served, tmp_path: Path) -> None:
    account = funded(served.http, "1")
    with Ledger.over_http(served.url, key=served.token, source="r", spool=tmp_path, spool_bytes_max=40_000) as ledger:
        broken = ledger._delivery._transport
        ledger._delivery._transport = type(broken)("http://127.0.0.1:1", "")  # nothing leaves the spool
        stream = ledger.stream(account, **STREAM)
        with pytest.raises(SpoolFull), stream:  # noqa: PT012  # the same
            stream.output(5)
            for number in range(10_000):
                ledger.record_trace("acct_filler", trace_id=f"t{number}", count=1)
        ledger._delivery._transport = broken
        ledger.flush(20)
        stream.settle()
        settled(served, account, INPUT + 5 * OUTPUT)


def test_a_cancelled_task_loses_nothing_wherever_it_is_cancelled(served: Served, tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    account, passed_on = funded(served.http, "5"), list[int]()

    async def customer(ledger: AsyncLedger) -> None:
        async with ledger.stream(account, **STREAM) as stream:
            number = len(passed_on)
            passed_on.append(-1)
            for _ in range(20):
                await asyncio.sleep(0.002)
                # Counted before its first await: from here on it is charged.
                passed_on[number] = max(passed_on[number], 0) + 50
                await stream.output(50)

    async def run() -> None:
        async with AsyncLedger.over_http(served.url, key=served.token, source="r", spool=tmp_path) as ledger:
            tasks = [asyncio.create_task(customer(ledger)) for _ in range(60)]
            delays = sorted(rng.uniform(0, 0.6) for _ in tasks)
            for task, delay, before in zip(tasks, delays, [0, *delays], strict=False):
                await asyncio.sleep(delay - before)
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(end) for end in ended} <= {asyncio.CancelledError, type(None)}
            await ledger.flush(20)

    asyncio.run(run())
    charged = sum(INPUT + tokens * OUTPUT for tokens in passed_on if tokens > 0)
    print(f"{len(passed_on)} began, {sum(tokens > 0 for tokens in passed_on)} produced")
    settled(served, account, charged, 5 * CREDIT)


def test_a_generator_that_its_customer_leaves_is_charged_for_what_it_gave(served: Served, tmp_path: Path) -> None:
    account = funded(served.http, "1")

    async def words(ledger: AsyncLedger) -> AsyncIterator[str]:
        async with ledger.stream(account, **STREAM) as stream:
            while True:
                await stream.output(10)
                yield "word"

    async def run() -> None:
        async with AsyncLedger.over_http(served.url, key=served.token, source="r", spool=tmp_path) as ledger:
            generator = words(ledger)
            for _ in range(3):
                await anext(generator)
            await generator.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
    settled(served, account, INPUT + 30 * OUTPUT)


def test_many_streams_of_one_account_end_exactly(served: Served, tmp_path: Path) -> None:
    """Threads, random outputs and endings, and answers that are lost now and then."""
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    account, lock, charged = funded(served.http, "3"), threading.Lock(), list[int]()

    def customer(number: int) -> None:
        rng, produced, done = random.Random(seed + number), 0, False
        try:
            with ledger.stream(account, **STREAM) as stream:
                for _ in range(rng.randint(0, 8)):
                    produced += (tokens := rng.randint(0, 120))
                    stream.output(tokens)
                    if rng.random() < 0.1:
                        losing.lose[rng.choice(["extend", "authorizations"])] = 1
                if rng.random() < 0.3:
                    raise Vanished
                done = True
        except (Vanished, GateClosed):  # closed: one question lost both of its answers
            pass
        if produced or done:
            with lock:
                charged.append(INPUT + produced * OUTPUT)

    with (
        Losing(served.url).running() as losing,
        Ledger.over_http(losing.url, key=served.token, source="r", spool=tmp_path) as ledger,
    ):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(customer, range(80)))
        ledger.flush(20)
    settled(served, account, sum(charged), 3 * CREDIT)
