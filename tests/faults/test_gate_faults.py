"""The gate while Postgres, Kafka or a process fails: no account overspends, and no credit stays held by mistake."""

import asyncio
import os
import random
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.records import rebuilds
from ledger.settings import Settings
from projectors.rebuild import rebuild
from tests.support.events import Ids, purchase, sender, usage
from tests.support.housekeeping import housekeeping
from tests.support.ledgers import new_ledger, temporary_stack
from tests.support.load import load
from tests.support.servers import api, client, key
from tests.support.waiting import eventually
from tests.support.workers import Crew, crew, wait_until_projected

SLOW = bool(os.environ.get("LEDGER_SLOW"))
ASK = "/v1/authorizations"
ASKERS = 32
STALE_SECONDS = 3
IDS = Ids(random.randrange(10**6))


@pytest.fixture(scope="module")
def mortal() -> Iterator[Stack]:
    """Servers of this module's own."""
    with temporary_stack() as running:
        yield running


@pytest.fixture(scope="module")
def own(mortal: Stack) -> Settings:
    """A ledger on them whose gate is soon closed."""
    settings = new_ledger(mortal, gate_stale_seconds=STALE_SECONDS, event_partitions=2)
    bootstrap(settings)
    return settings


@dataclass
class Running:
    """Two API processes, a projector and the housekeeping of one ledger."""

    settings: Settings
    urls: list[str]
    members: Crew
    token: str
    http: httpx.Client

    def fund(self, count: int, credits: str) -> list[str]:
        """New accounts with these credits; earlier holds are released."""
        accounts = [f"acct_{uuid.uuid4().hex[:10]}" for _ in range(count)]
        with sender(self.settings) as log:
            log.send(*(purchase(account, IDS(), credits) for account in accounts))
        wait_until_projected(self.settings)
        eventually(lambda: self.ask(accounts[0], amount=credits).status_code == 201)
        with psycopg.connect(self.settings.database) as connection:
            connection.execute("UPDATE records.held_accounts SET held = 0")
            connection.execute("UPDATE records.holds SET state = 'released', closed_at = now() WHERE state = 'open'")
        return accounts

    def ask(self, account: str, **body: Any) -> httpx.Response:
        return self.http.post(ASK, json={"account_id": account, **body})

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self.settings.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def count(self, query: str) -> int:
        return int(self.rows(query)[0][0])

    def state(self, hold_id: str) -> str:
        return str(self.http.get(f"{ASK}/{hold_id}").json()["state"])

    def handled(self) -> int:
        """Requests that both processes are done with, whether anybody was told or not."""
        counted = 'ledger_http_request_seconds_count{method="POST",route="/v1/authorizations"'
        lines = [line for url in self.urls for line in self.http.get(f"{url}/metrics").text.splitlines()]
        return sum(round(float(line.rpartition(" ")[2])) for line in lines if line.startswith(counted))

    def held_is_what_is_open(self) -> bool:
        """Whether what is noted as held is the sum of the open holds, for every account."""
        return not self.rows(
            "SELECT FROM records.held_accounts a WHERE held <> (SELECT coalesce(sum(amount), 0) FROM records.holds h "
            "WHERE h.account_id = a.account_id AND state = 'open')"
        )


@pytest.fixture(scope="module")
def running(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folders = [tmp_path_factory.mktemp("api") for _ in range(2)]
    token = key(own)
    with crew(own, folders[0]) as members, api(own, folders[0]) as one, api(own, folders[1]) as two, housekeeping(own):
        members.start()
        with client(one, token) as http:
            eventually(lambda: http.get("/readyz").status_code == 200)
            yield Running(own, [one, two], members, token, http)


@dataclass
class Asked:
    """What askers were told: the statuses, each hold by its id, and under each key the holds of every answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    holds: dict[str, str] = field(default_factory=dict)
    by_key: dict[str, set[str]] = field(default_factory=dict)
    enough: bool = False


async def _ask_on(asked: Asked, http: httpx.AsyncClient, url: str, accounts: list[str], seed: int) -> None:
    """Asks until it is enough; under a key until there is an answer, and then once more."""
    chance = random.Random(seed)
    while not asked.enough:
        account = chance.choice(accounts)
        body = {"account_id": account, "amount": "0.01"}
        if chance.random() < 0.5:
            asked.holds |= await _answer(asked, http, url, body, {})
            continue
        idempotency_key = str(uuid.uuid4())
        held = asked.by_key[idempotency_key] = set()
        while not held:
            held.update(await _answer(asked, http, url, body, {"Idempotency-Key": idempotency_key}))
        held.update(await _answer(asked, http, url, body, {"Idempotency-Key": idempotency_key}))
        asked.holds |= dict.fromkeys(held, account)


async def _answer(
    asked: Asked, http: httpx.AsyncClient, url: str, body: dict[str, str], headers: dict[str, str]
) -> dict[str, str]:
    answer = await http.post(url + ASK, json=body, headers=headers)
    asked.statuses[answer.status_code] += 1
    if answer.status_code == 503:
        await asyncio.sleep(0.05)
    return {answer.json()["id"]: body["account_id"]} if answer.status_code == 201 else {}


@contextmanager
def asking(running: Running, accounts: list[str]) -> Iterator[Asked]:
    """Asks from all sides while the block runs; a connection that breaks fails the test."""
    asked, failures = Asked(), list[BaseException]()

    async def ask_all() -> None:
        headers = {"Authorization": f"Bearer {running.token}"}
        async with httpx.AsyncClient(headers=headers, timeout=30, limits=httpx.Limits(max_connections=ASKERS)) as http:
            await asyncio.gather(
                *(_ask_on(asked, http, running.urls[n % 2], accounts, n) for n in range(ASKERS)),
            )

    def run() -> None:
        try:
            asyncio.run(ask_all())
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        asked.enough = True
        thread.join(60)
    assert not failures, failures
    assert not thread.is_alive()


def test_postgres_dies_under_load_and_every_grant_has_its_hold_and_no_other_stays(
    mortal: Stack, running: Running
) -> None:
    accounts = running.fund(8, "5")
    with asking(running, accounts) as asked:
        for _ in range(20 if SLOW else 2):
            before = asked.statuses[201]
            eventually(lambda: asked.statuses[201] > before + 100)  # noqa: B023
            mortal.postgres.kill()
            time.sleep(1)
            mortal.postgres.start()
        before = asked.statuses[201]
        eventually(lambda: asked.statuses[201] + asked.statuses[402] > before + 100)
    print(asked.statuses)
    assert asked.statuses.keys() <= {201, 402, 503}
    assert asked.statuses[503]
    assert all(len(held) == 1 for held in asked.by_key.values())
    stored = dict(running.rows("SELECT hold_id::text, account_id FROM records.holds"))
    assert asked.holds.items() <= stored.items()
    eventually(lambda: running.count("SELECT count(*) FROM records.holds WHERE state = 'open'") == len(asked.holds), 10)
    assert running.held_is_what_is_open()


def raw_request(token: str, account: str, idempotency_key: str | None = None, ttl: int = 300) -> bytes:
    body = f'{{"account_id":"{account}","amount":"0.01","ttl":{ttl}}}'
    lines = [
        f"POST {ASK} HTTP/1.1",
        "Host: ledger",
        f"Authorization: Bearer {token}",
        f"Content-Length: {len(body)}",
        *([f"Idempotency-Key: {idempotency_key}"] if idempotency_key else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)


def reset(connection: socket.socket) -> None:
    """Closes it with a reset, as a process that is killed with data unread."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_clients_that_leave_before_the_decision_leave_no_hold(running: Running) -> None:
    [account] = running.fund(1, "100")
    before, handled = running.count("SELECT count(*) FROM records.holds"), running.handled()
    with psycopg.connect(running.settings.database) as busy:
        busy.execute("SELECT FROM records.held_accounts WHERE account_id = %s FOR UPDATE", [account])
        connections = [connected(running.urls[n % 2]) for n in range(200)]
        for number, connection in enumerate(connections):
            connection.sendall(raw_request(running.token, account, "a-key" if number == 0 else None))
        time.sleep(0.3)
        for number, connection in enumerate(connections):
            (reset if number % 2 else socket.socket.close)(connection)
        time.sleep(0.3)
    eventually(lambda: running.handled() == handled + len(connections), 20)
    assert running.count("SELECT count(*) FROM records.holds") > before  # of those that were heard in time
    eventually(lambda: running.count("SELECT count(*) FROM records.holds WHERE state = 'open'") <= 1, 10)
    assert running.held_is_what_is_open()
    # The router asks again under its key and gets the hold that was kept for it.
    with connected(running.urls[1]) as again:
        again.sendall(raw_request(running.token, account, "a-key"))
        assert again.recv(4096).startswith(b"HTTP/1.1 201")
    assert running.count("SELECT count(*) FROM records.holds WHERE state = 'open'") == 1


def test_clients_that_leave_at_any_moment_leave_nothing_that_does_not_expire(running: Running) -> None:
    [account] = running.fund(1, "100")
    chance = random.Random(5)
    for number in range(400):
        connection = connected(running.urls[number % 2])
        connection.sendall(raw_request(running.token, account, ttl=5))
        time.sleep(chance.random() * 0.004)
        reset(connection)
    states = f"SELECT state, count(*) FROM records.holds WHERE account_id = '{account}' GROUP BY state"
    eventually(lambda: "open" not in dict(running.rows(states)), 20)
    print(dict(running.rows(states)))
    assert running.held_is_what_is_open()


def test_a_projector_that_stands_still_closes_the_gate_and_lets_no_hold_expire(running: Running) -> None:
    account, other = running.fund(2, "10")
    used, unused = (running.ask(account, amount="4", ttl=1).json()["id"] for _ in range(2))
    [worker] = running.members.alive
    worker.pause()
    with sender(running.settings) as log:
        log.send(usage(account, IDS(), "8", authorization_id=used))
    time.sleep(STALE_SECONDS + 2)
    for asked in (account, other, "nobody"):
        answer = running.ask(asked, amount="1")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "projection_behind")
    assert [running.state(used), running.state(unused)] == ["open", "open"]
    worker.resume()
    eventually(lambda: [running.state(used), running.state(unused)] == ["settled", "expired"])
    assert running.ask(account, amount="1.200000001").status_code == 402  # 10 less 8.8
    assert running.ask(account, amount="1.2").status_code == 201
    assert running.held_is_what_is_open()


def test_a_log_without_events_leaves_the_gate_open_even_after_postgres_was_away(
    mortal: Stack, running: Running
) -> None:
    [account] = running.fund(1, "10")
    time.sleep(STALE_SECONDS + 2)
    assert running.ask(account, amount="1").status_code == 201
    mortal.postgres.kill()
    time.sleep(STALE_SECONDS)
    mortal.postgres.start()
    eventually(lambda: running.ask(account, amount="1").status_code == 201, 30)
    time.sleep(STALE_SECONDS + 2)
    assert running.ask(account, amount="1").status_code == 201


@contextmanager
def asking_in_turn(url: str, token: str, accounts: list[str], amount: str) -> Iterator[list[tuple[int, ...]]]:
    """Asks for each account again and again while the block runs; the statuses, round by round."""
    answers, done = list[tuple[int, ...]](), threading.Event()

    def ask() -> None:
        with client(url, token) as http:
            while not done.is_set():
                bodies = ({"account_id": account, "amount": amount} for account in accounts)
                answers.append(tuple(http.post(ASK, json=body).status_code for body in bodies))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join(20)


class Silent:
    """Progress that is not shown."""

    def begin(self, stage: str, total: int | None) -> None: ...
    def reach(self, done: int) -> None: ...


def test_a_rebuild_keeps_holds_and_never_grants_from_half_a_balance(running: Running, tmp_path: Path) -> None:
    poor, rich = running.fund(2, "100")
    hold = running.ask(poor, amount="50").json()["id"]
    kept = running.ask(rich, amount="60").json()["id"]
    with sender(running.settings) as log:
        log.send(*islice(load(7), 40_000), usage(poor, IDS(), "90", authorization_id=hold))  # several batches later
    wait_until_projected(running.settings)
    assert running.members.all[0].stop() == 0
    with (
        api(running.settings, tmp_path, gate_stale_seconds=600) as patient,  # to which half the log is not too old
        asking_in_turn(patient, running.token, [poor, rich], "41") as answers,
    ):
        result = rebuild(running.settings, Silent())
        assert (result.different, result.emitted) == (0, 0)
        worker = running.members.start()
        eventually(lambda: answers[-1] == (402, 402), why=lambda: (answers[-1], worker.output))
    print(Counter(answers))
    assert {status for each in answers for status in each} == {402, 503}
    assert (running.state(hold), running.state(kept)) == ("settled", "open")
    eventually(lambda: running.ask(rich, amount="40").status_code == 201)
    assert running.held_is_what_is_open()
    with psycopg.connect(running.settings.database) as connection:
        assert rebuilds.unfinished(connection) is None
