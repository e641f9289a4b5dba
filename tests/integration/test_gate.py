"""The gate beside a real projector: holds are granted, settled, extended, released, expired; none overdraws."""

import asyncio
import random
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import AsyncConnection

from ledger.gate.holds import SQL
from ledger.gate.pipeline import Pipeline, Statement
from ledger.log.partitioning import partition_of
from ledger.postgres.connections import connect_async
from ledger.postgres.kinds import GATE
from ledger.settings import Settings
from ledger.views.arrays import texts
from tests.support.events import event, priced_usage, purchase, sender
from tests.support.housekeeping import housekeeping
from tests.support.pools import api_pool
from tests.support.servers import api, client, key, projector
from tests.support.waiting import eventually

INSUFFICIENT = b'{"error":{"message":"Insufficient credits. Please top up your account.","type":"billing_error"}}'
CALL = {"provider": "openai", "model": "gpt-4o", "mode": "auto", "input_tokens": 1000}
ASK = "/v1/authorizations"
REQUESTS = "ledger_http_request_seconds_count"
GONE = '{method="POST",route="/v1/authorizations",status="499"}'


@pytest.fixture(scope="module")
def urls(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Four API processes of one ledger, two of them behind one port, its projector and its housekeeping."""
    with ExitStack() as stack:
        folders = [tmp_path_factory.mktemp("api") for _ in range(3)]
        urls = [
            stack.enter_context(api(settings, folder, hold_seconds_max=600, api_processes=processes))
            for folder, processes in zip(folders, (1, 2, 1), strict=True)
        ]
        stack.enter_context(projector(settings, folders[0]))
        stack.enter_context(housekeeping(settings))
        with client(urls[0], None) as http:
            eventually(lambda: http.get("/readyz").status_code == 200)
        yield urls


@pytest.fixture(scope="module")
def token(settings: Settings) -> str:
    return key(settings)


@pytest.fixture(scope="module")
def http(urls: list[str], token: str) -> Iterator[httpx.Client]:
    with client(urls[0], token) as http:
        yield http


def funded(http: httpx.Client, credits: str) -> str:
    """A new account with these credits."""
    account = f"acct_{uuid.uuid4().hex[:12]}"
    body = {"amount": credits, "reason_code": "gift"}
    assert http.post("/v1/accounts", json={"account_id": account}).status_code == 201
    assert http.post(f"/v1/accounts/{account}/adjustments", json=body).status_code == 201
    return account


def ask(http: httpx.Client, account: str, **body: Any) -> httpx.Response:
    return http.post(ASK, json={"account_id": account, **body})


def balance(http: httpx.Client, account: str) -> tuple[str, str, str]:
    answer = http.get(f"/v1/accounts/{account}/balance").json()
    return answer["balance"], answer["held"], answer["available"]


def open_holds(settings: Settings, account: str) -> int:
    with psycopg.connect(settings.database) as connection:
        query = "SELECT coalesce(sum(amount), 0)::bigint FROM records.holds WHERE account_id = %s AND state = 'open'"
        row = connection.execute(query, [account]).fetchone()
    assert row
    return int(row[0])


def metric(http: httpx.Client, name: str) -> dict[str, float]:
    """The samples of a metric, by their labels."""
    lines = [line for line in http.get("/metrics").text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return {line.removeprefix(name).rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def uncovered(http: httpx.Client) -> dict[str, int]:
    """What no hold covered so far, in nanos, by cause."""
    return {cause[8:-2]: int(nanos) for cause, nanos in metric(http, "ledger_uncovered_nanos_total").items()}


def test_usage_of_another_account_does_not_hide_the_usage_that_a_hold_was_for(http: httpx.Client) -> None:
    owner = funded(http, "5")
    hold = ask(http, owner, amount="1").json()["id"]
    partition = partition_of(owner.encode(), 4)
    stranger = next(name for n in range(100) if partition_of((name := f"stranger_{n}").encode(), 4) == partition)
    events = [priced_usage(account, authorization_id=hold, provider_cost="0.1") for account in (stranger, owner)]
    assert http.post("/v1/usage", json=events).status_code == 202  # one record after the other, of one batch
    eventually(lambda: http.get(f"{ASK}/{hold}").json()["state"] == "settled")
    assert balance(http, owner) == ("4.89", "0", "4.89")


def test_the_metrics_count_decisions_and_open_holds(http: httpx.Client) -> None:
    outcome = "ledger_gate_decision_seconds_count"
    before, held = metric(http, outcome), metric(http, "ledger_held_nanos")[""]
    account = funded(http, "3")
    assert [ask(http, account, amount="2").status_code for _ in range(3)] == [201, 402, 402]
    after = metric(http, outcome)
    assert {name: after[name] - before.get(name, 0) for name in ('{outcome="granted"}', '{outcome="refused"}')} == {
        '{outcome="granted"}': 1,
        '{outcome="refused"}': 2,
    }
    assert metric(http, "ledger_held_nanos")[""] - held == 2_000_000_000
    assert metric(http, "ledger_holds_open")[""] >= 1


def test_a_hold_is_promised_once_and_given_back(http: httpx.Client) -> None:
    account = funded(http, "10")
    granted = ask(http, account, amount="4")
    assert granted.status_code == 201
    hold = granted.json()
    assert (hold["amount"], hold["available"], hold["max_output_tokens"]) == ("4", "6", None)
    assert balance(http, account) == ("10", "4", "6")
    refused = ask(http, account, amount="6.000000001")
    assert (refused.status_code, refused.content) == (402, INSUFFICIENT)
    assert (refused.headers["Credits-Available"], refused.headers["Credits-Required"]) == ("6", "6.000000001")
    assert refused.headers["Top-Up-In-Flight"] == "false"
    assert http.delete(f"{ASK}/{hold['id']}").status_code == 204
    assert http.delete(f"{ASK}/{hold['id']}").status_code == 204
    assert http.get(f"{ASK}/{hold['id']}").json()["state"] == "released"
    assert balance(http, account) == ("10", "0", "10")


def test_a_call_is_priced_by_the_book_and_clamped_to_what_is_affordable(http: httpx.Client) -> None:
    account = funded(http, "1")
    # gpt-4o: 2.50 and 10.00 per million; with the markup of auto: 0.00275 for the input, 0.000011 an output token.
    granted = ask(http, account, **CALL, max_output_tokens=1000).json()
    assert (granted["amount"], granted["max_output_tokens"]) == ("0.01375", 1000)
    refused = ask(http, account, **CALL, max_output_tokens=1_000_000)
    assert refused.status_code == 402
    affordable = int(refused.headers["Max-Affordable-Output-Tokens"])
    assert affordable == (Decimal("0.98625") - Decimal("0.00275")) // Decimal("0.000011")
    clamped = ask(http, account, **CALL, max_output_tokens=1_000_000, clamp=True).json()
    assert clamped["max_output_tokens"] == affordable
    assert ask(http, account, **CALL, max_output_tokens=1, clamp=True).status_code == 402
    path, gift = f"{ASK}/{clamped['id']}", {"amount": "1", "reason_code": "gift"}
    assert http.get(path).json()["max_output_tokens"] == affordable
    assert http.post(f"/v1/accounts/{account}/adjustments", json=gift).status_code == 201
    assert http.post(f"{path}/extend", json={"output_tokens": 100}).json()["max_output_tokens"] == affordable + 100


def test_usage_settles_the_hold_that_it_names_and_is_charged_in_full(http: httpx.Client, settings: Settings) -> None:
    account, other = funded(http, "10"), funded(http, "10")
    mine, theirs = ask(http, account, amount="1").json()["id"], ask(http, other, amount="1").json()["id"]
    before = uncovered(http)
    events = [priced_usage(account, authorization_id=name, provider_cost="2") for name in (mine, mine, theirs, "req-7")]
    assert http.post("/v1/usage", json=events).status_code == 202
    # 2 credits of cost are 2.2 in auto mode: above the hold, twice for one hold, and once for another account's.
    eventually(lambda: balance(http, account) == ("1.2", "0", "1.2"))
    assert balance(http, other) == ("10", "1", "9")
    assert http.get(f"{ASK}/{mine}").json()["state"] == "settled"
    after = uncovered(http)
    assert {cause: (after[cause] - before.get(cause, 0)) for cause in after} == {
        "above_hold": 1_200_000_000,
        "hold_ended": 4_400_000_000,
        "no_hold": 2_200_000_000,
    }
    answer = http.delete(f"{ASK}/{mine}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "hold_closed")


def test_a_process_that_stands_still_in_the_middle_of_a_decision_lets_go_of_its_accounts(
    http: httpx.Client, settings: Settings
) -> None:
    accounts = [funded(http, "5") for _ in range(2)]
    holds = [ask(http, account, amount="1").json()["id"] for account in accounts]
    events = [priced_usage(account, authorization_id=hold) for account, hold in zip(accounts, holds, strict=True)]

    def settled() -> bool:
        return {http.get(f"{ASK}/{hold}").json()["state"] for hold in holds} == {"settled"}

    async def stand_still() -> None:
        """Locks one account as a lane of the gate does, the other one as an extension, and does nothing more."""
        async with (
            await connect_async(settings.database, GATE) as lane,
            api_pool(settings) as pool,
            pool.connection() as extension,
        ):
            await _sooner(lane, "transaction_timeout")
            await _sooner(extension, "idle_in_transaction_session_timeout")
            pipeline = Pipeline(lane)
            await pipeline.ask(Statement.of(SQL["locked_funds"]), {"accounts": texts(accounts[:1]), "wait": "true"})
            await extension.execute("BEGIN")
            await extension.execute(SQL["lock"], {"accounts": accounts[1:]})
            assert http.post("/v1/usage", json=events).status_code == 202
            eventually(settled, 20)
            with pytest.raises(psycopg.Error):
                await pipeline.commit()
            with pytest.raises(psycopg.Error):
                await extension.execute("COMMIT")
            await pipeline.close()

    asyncio.run(stand_still())


async def _sooner(connection: AsyncConnection[Any], setting: str) -> None:
    """The same patience of the server, but ten times shorter."""
    query = "SELECT set_config(name, (setting::int / 10)::text, false) FROM pg_settings WHERE name = %s"
    await connection.execute(query, [setting])


def test_a_stream_extends_its_hold_until_the_funds_end(http: httpx.Client) -> None:
    account = funded(http, "0.02")
    hold = ask(http, account, **CALL, max_output_tokens=1000).json()
    path = f"{ASK}/{hold['id']}/extend"
    more = http.post(path, json={"output_tokens": 500}).json()
    assert (more["amount"], more["max_output_tokens"], more["available"]) == ("0.01925", 1500, "0.00075")
    ended = http.post(path, json={"output_tokens": 100})
    assert (ended.status_code, ended.content) == (402, INSUFFICIENT)
    last = http.post(path, json={"amount": "0.00075"}).json()
    longer = http.post(path, json={"ttl": 500}).json()  # time takes no credits
    assert (last["available"], longer) == ("0", last | {"expires_at": longer["expires_at"]})
    assert longer["expires_at"] > last["expires_at"]
    assert balance(http, account) == ("0.02", "0.02", "0")


def test_an_extension_under_a_key_is_made_once(http: httpx.Client) -> None:
    account = funded(http, "10")
    path = f"{ASK}/{ask(http, account, amount='1').json()['id']}/extend"
    again = {"Idempotency-Key": f"k-{account}"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: http.post(path, json={"amount": "2"}, headers=again), range(4)))
    assert {(answer.status_code, answer.json()["amount"]) for answer in answers} == {(200, "3")}
    assert balance(http, account) == ("10", "3", "7")
    assert http.post(path, json={"amount": "3"}, headers=again).status_code == 409
    refused = {"Idempotency-Key": f"r-{account}"}
    assert http.post(path, json={"amount": "8"}, headers=refused).status_code == 402
    body = {"amount": "1", "reason_code": "gift"}
    assert http.post(f"/v1/accounts/{account}/adjustments", json=body).status_code == 201
    assert http.post(path, json={"amount": "8"}, headers=refused).json()["amount"] == "11"


def test_a_hold_expires_once_its_partition_is_projected_past_it(http: httpx.Client, settings: Settings) -> None:
    account = funded(http, "1")
    hold = ask(http, account, amount="1", ttl=1).json()
    assert ask(http, account, amount="1").status_code == 402
    eventually(lambda: http.get(f"{ASK}/{hold['id']}").json()["state"] == "expired", 10)
    assert balance(http, account) == ("1", "0", "1")
    assert http.post(f"{ASK}/{hold['id']}/extend", json={"amount": "0.1"}).status_code == 409


def test_a_repeated_request_has_one_hold(http: httpx.Client) -> None:
    account = funded(http, "1")
    headers = {"Idempotency-Key": f"k-{account}"}
    body = {"account_id": account, "amount": "0.6"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.post(ASK, json=body, headers=headers), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert balance(http, account) == ("1", "0.6", "0.4")
    conflict = http.post(ASK, json={**body, "amount": "0.1"}, headers=headers)
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "hold_conflict")
    assert http.delete(f"{ASK}/{answers[0].json()['id']}").status_code == 204
    ended = http.post(ASK, json=body, headers=headers)
    assert (ended.status_code, ended.json()["error"]["code"]) == (409, "hold_closed")


def test_a_key_that_several_accounts_use_at_once_has_one_hold_and_conflicts(
    urls: list[str], http: httpx.Client, token: str
) -> None:
    accounts = [funded(http, "5") for _ in range(4)]
    keys = [f"k-{uuid.uuid4()}" for _ in range(30)]
    requests = [(key, account) for key in keys for account in accounts]
    random.Random(7).shuffle(requests)
    answers = asyncio.run(_ask_all(urls, token, requests))
    assert set(answers) == {201, 409}
    assert answers.count(201) == len(keys)
    assert sum(Decimal(balance(http, account)[1]) for account in accounts) == Decimal("0.001") * len(keys)


async def _ask_all(urls: list[str], token: str, requests: list[tuple[str, str]]) -> list[int]:
    """Requests (key, account) all at once, over all processes."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        answers = await asyncio.gather(
            *(
                http.post(
                    urls[number % len(urls)] + ASK,
                    json={"account_id": account, "amount": "0.001"},
                    headers={"Idempotency-Key": key},
                )
                for number, (key, account) in enumerate(requests)
            )
        )
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"amount": "0"}, "amount must not be zero"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1", "provider": "openai"}, "amount excludes provider"),
        (CALL, "max_output_tokens belong"),
        ({**CALL, "max_output_tokens": 10**12}, "max_output_tokens"),
        ({**CALL, "max_output_tokens": -1}, "max_output_tokens"),
        ({**CALL, "model": "gpt-99", "max_output_tokens": 1}, "model: "),
        ({"ttl": 0}, "ttl"),
        ({"ttl": 601}, "ttl"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_names_its_field(http: httpx.Client, body: dict[str, Any], words: str) -> None:
    answer = ask(http, "acct_any", **body)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["error"]["message"]


def test_an_unknown_account_has_no_credits(http: httpx.Client) -> None:
    answer = ask(http, "acct_nobody")
    assert (answer.status_code, answer.content) == (402, INSUFFICIENT)


def test_another_accounts_authorization_does_not_exist(http: httpx.Client, urls: list[str], settings: Settings) -> None:
    account = funded(http, "1")
    hold = ask(http, account, amount="1").json()["id"]
    with client(urls[0], key(settings, account="acct_other")) as stranger:
        assert stranger.delete(f"{ASK}/{hold}").status_code == 404
        assert stranger.get(f"{ASK}/{hold}").status_code == 404
    assert http.delete(f"{ASK}/{uuid.uuid4()}").status_code == 404


@pytest.mark.parametrize("first", [True, False], ids=["its very first requests", "a known account"])
def test_two_hundred_at_once_get_fifty(urls: list[str], http: httpx.Client, token: str, first: bool) -> None:
    for _ in range(5):
        account = funded(http, "50")
        if not first:
            assert ask(http, account, amount="50").status_code == 201
            http.delete(f"{ASK}/{ask(http, account, amount='0.5').json().get('id', uuid.uuid4())}")
            with_hold = http.get(f"/v1/accounts/{account}/balance").json()["held"]
            assert with_hold == "50"
            account = funded(http, "50")
            http.delete(f"{ASK}/{ask(http, account, amount='1').json()['id']}")
        assert asyncio.run(_storm(urls, token, account, 200)).count(201) == 50
        assert balance(http, account) == ("50", "50", "0")


async def _storm(urls: list[str], token: str, account: str, count: int) -> list[int]:
    """`count` requests at once, over all processes."""
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(headers=headers, timeout=30, limits=limits) as http:
        body = {"account_id": account, "amount": "1"}
        answers = await asyncio.gather(*(http.post(urls[n % len(urls)] + ASK, json=body) for n in range(count)))
    return [answer.status_code for answer in answers]


def test_expiry_settlement_and_release_have_one_winner(http: httpx.Client, settings: Settings) -> None:
    account = funded(http, "1000")
    ids = [ask(http, account, amount="1", ttl=1).json()["id"] for _ in range(100)]
    time.sleep(0.8)
    events = [priced_usage(account, authorization_id=hold, provider_cost="0.1") for hold in ids]
    with ThreadPoolExecutor(16) as pool:
        posted = pool.submit(http.post, "/v1/usage", json=events)
        list(pool.map(lambda hold: http.delete(f"{ASK}/{hold}"), ids))
    assert posted.result().status_code == 202
    states = [http.get(f"{ASK}/{hold}").json()["state"] for hold in ids]
    print({state: states.count(state) for state in set(states)})
    assert "open" not in states
    eventually(lambda: balance(http, account)[:2] == ("989", "0"))
    assert open_holds(settings, account) == 0


def armed(http: httpx.Client, held: str = "15") -> str:
    """A new account with 30 credits, some of them held, that tops up below 20."""
    account = funded(http, "30")
    body = {"enabled": True, "threshold": "20", "amount": "50"}
    assert http.put(f"/v1/accounts/{account}/auto-top-up", json=body).status_code == 200
    assert ask(http, account, amount=held).status_code == 201
    return account


def in_flight(http: httpx.Client, account: str) -> bool:
    return bool(http.get(f"/v1/accounts/{account}/auto-top-up").json()["state"] == "in_flight")


def refused_in_flight(http: httpx.Client, account: str) -> bool:
    """Whether one more refusal finds a top-up under way."""
    return ask(http, account, amount="31").headers["Top-Up-In-Flight"] == "true"


def test_a_refusal_below_the_threshold_asks_for_one_top_up(http: httpx.Client, settings: Settings) -> None:
    account = armed(http)
    assert http.get(f"/v1/accounts/{account}/auto-top-up").json()["state"] == "armed"
    for _ in range(20):
        assert ask(http, account, amount="16").status_code == 402
    eventually(lambda: in_flight(http, account))
    assert ask(http, account, amount="16").headers["Top-Up-In-Flight"] == "true"
    with psycopg.connect(settings.database) as connection:
        query = "SELECT count(*) FROM views.entries WHERE account_id = %s AND type = 'auto_top_up.requested'"
        assert connection.execute(query, [account]).fetchone() == (1,)


def test_a_refusal_during_a_dispute_leaves_the_request_to_one_after_it(http: httpx.Client, settings: Settings) -> None:
    account, purchase_id = armed(http), f"pur_{uuid.uuid4()}"
    disputed, lost = ({"purchase_id": purchase_id, **data} for data in ({"credits": "28"}, {"outcome": "lost"}))
    with sender(settings) as log:
        log.send(
            purchase(account, str(uuid.uuid4()), "30", purchase_id),
            event("dispute.opened", account, disputed, str(uuid.uuid4())),
        )
    eventually(lambda: balance(http, account) == ("32", "15", "17"), 10)
    assert ask(http, account, amount="31").status_code == 402
    time.sleep(0.3)
    with sender(settings) as log:
        log.send(event("dispute.closed", account, lost, str(uuid.uuid4())))
    eventually(lambda: refused_in_flight(http, account), 10)


def store_request(settings: Settings, account: str, age: str) -> None:
    """A request of this age that no process has appended yet."""
    request = """
    INSERT INTO records.top_up_requests (account_id, since_seq, available, balance, requested_at)
    SELECT account_id, since_seq, 15000000000, 30000000000, now() - %s::interval
    FROM views.accounts WHERE account_id = %s
    """
    with psycopg.connect(settings.database, autocommit=True) as connection:
        connection.execute(request, [age, account])


@pytest.mark.parametrize("age", ["0", "1 hour"])
def test_a_request_whose_process_died_is_made_without_another_refusal(
    http: httpx.Client, settings: Settings, age: str
) -> None:
    account = armed(http)
    store_request(settings, account, age)
    eventually(lambda: in_flight(http, account), 10)


def test_a_late_request_waits_while_the_account_has_more_than_its_threshold(
    http: httpx.Client, settings: Settings
) -> None:
    account = armed(http, held="1")  # 29 of 30 are available, above the threshold of 20
    store_request(settings, account, "1 hour")
    time.sleep(1)
    assert not in_flight(http, account)
    assert ask(http, account, amount="15").status_code == 201
    eventually(lambda: in_flight(http, account), 10)


def test_a_client_that_leaves_before_its_request_is_there_is_no_failure_of_ours(
    urls: list[str], http: httpx.Client, token: str
) -> None:
    address = urlsplit(urls[0])
    head = f"POST {ASK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 99\r\n\r\n{{"
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(head.encode())
    eventually(lambda: GONE in metric(http, REQUESTS), 10)


def test_a_client_that_leaves_while_its_key_is_looked_up_gets_no_decision(
    urls: list[str], http: httpx.Client, settings: Settings
) -> None:
    address, unseen, account = urlsplit(urls[0]), key(settings), funded(http, "1")
    body = f'{{"account_id":"{account}","amount":"1"}}'
    head = f"POST {ASK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {unseen}\r\nIdempotency-Key: k-{account}\r\n"
    assert open_holds(settings, account) == 0
    before = metric(http, REQUESTS).get(GONE, 0)
    with psycopg.connect(settings.database) as busy:
        busy.execute("LOCK TABLE records.api_keys")
        with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'records.api_keys'::regclass"
            eventually(lambda: busy.execute(waiting).fetchone() != (0,), 2)
    eventually(lambda: metric(http, REQUESTS).get(GONE, 0) > before, 10)
    assert open_holds(settings, account) == 0


def test_no_deadlock_was_met_on_the_way(settings: Settings) -> None:
    """Last: of all that happened above."""
    with psycopg.connect(settings.database) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert connection.execute(query).fetchone() == (0,)
