"""The history as a CSV file: the lines of the list, safe in a spreadsheet, whole or broken off, in bounded memory."""

import csv
import io
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from ledger.settings import Settings
from tests.support import events
from tests.support.events import Ids, priced_usage, sender
from tests.support.servers import key, served
from tests.support.waiting import eventually

IDS = Ids(77)
LONG_ROWS = 1_000_000 if os.environ.get("LEDGER_SLOW") else 100_000
GROWTH_BYTES_MAX = 10_000_000
# Entries n = first … last of the account, each of which takes a millionth of a credit.
LONG = """
INSERT INTO views.entries (event_id, account_id, signed, content, type, seq, log_time, source, amount, balance_after,
    cost, book_version, rules, partition, log_offset, request_id, provider, model, mode, input_tokens, output_tokens)
SELECT gen_random_uuid(), 'long', false, gen_random_uuid(), 'usage.recorded', n,
    timestamptz '2026-01-01' + n * interval '20 seconds', 'test', -1000, -1000 * n,
    900, 1, 1, 0, n, 'req_' || n, 'openai', 'gpt-4o', 'auto', 374, 44
FROM generate_series(%s, %s) n
"""


@pytest.fixture(scope="module")
def http(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("ledger")
    with served(settings, folder) as http:
        yield http


@pytest.fixture(scope="module")
def acme(http: httpx.Client, settings: Settings) -> str:
    """An account with several pages of history, and names that a spreadsheet would run."""
    bought = events.purchase("acme", IDS(), "100")
    bought["data"]["description"] = '=HYPERLINK("https://example.com","₹850, thanks")'
    with sender(settings) as log:
        log.send(bought, *(events.usage("acme", IDS(), model=f"m{n % 2}") for n in range(1200)))
        log.send(
            events.usage("acme", IDS(), request_id="@SUM(A1)", api_key_id="-1+1", model="+m", cost=None)
        )  # unpriced
        log.send(events.usage("acme", IDS(), request_id="@SUM(A1)", api_key_id="-1+1", model="+m"))
        log.send({**priced_usage("acme"), "type": "trace.recorded", "data": {"trace_id": "t", "count": 101}})
    eventually(lambda: len(listed(http, "acme")) == 1203)
    return "acme"


def listed(http: httpx.Client, account_id: str, **parameters: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    while True:
        page = http.get(f"/v1/accounts/{account_id}/transactions", params={"limit": 500, **parameters}).json()
        lines += page.get("data", [])
        if not page.get("next_cursor"):
            return lines
        parameters["cursor"] = page["next_cursor"]


def exported(http: httpx.Client, account_id: str, **parameters: Any) -> list[dict[str, str]]:
    answer = http.get(f"/v1/accounts/{account_id}/transactions.csv", params=parameters)
    assert answer.status_code == 200, answer.text
    return rows_of(answer.text)


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.count("\r\n") == text.count("\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def as_cells(line: dict[str, Any], row: dict[str, str]) -> dict[str, str]:
    """What the row must be: each field as the list has it, with an apostrophe before what would be a formula."""
    texts = {name: "" if line[name] is None else str(line[name]) for name in row}
    risky = {"request_id": "@SUM(A1)", "api_key_id": "-1+1", "model": "+m"}
    return {
        name: f"'{text}" if risky.get(name) == text or text.startswith("=HYPER") else text
        for name, text in texts.items()
    }


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"type": "checkout"},
        {"type": "deduction", "model": "m1"},
        {"api_key_id": "-1+1"},
        {"view": "purchases"},
        {"to": "2020-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_the_file_has_the_lines_of_the_list(http: httpx.Client, acme: str, filters: dict[str, str]) -> None:
    lines, rows = listed(http, acme, **filters), exported(http, acme, **filters)
    assert rows == [as_cells(line, row) for line, row in zip(lines, rows, strict=True)]
    assert bool(rows) == ("to" not in filters)


def test_nothing_begins_like_a_formula_but_numbers(http: httpx.Client, acme: str) -> None:
    rows = exported(http, acme)
    for row in rows:
        float(row["amount"])
        for name, cell in row.items():
            assert not cell.startswith(("=", "+", "@", "\t", "\r")), (name, cell)
            assert not cell.startswith("-") or name == "amount", (name, cell)
    assert {row["amount"] for row in rows} == {"100", "-0.011", "-0.0005"}


def test_it_is_a_file_to_be_saved_in_utf_8(http: httpx.Client, acme: str) -> None:
    answer = http.get(f"/v1/accounts/{acme}/transactions.csv", params={"view": "purchases"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="transactions-acme.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert '"\'=HYPERLINK(""https://example.com"",""₹850, thanks"")"' in answer.content.decode("utf-8")


def test_an_account_s_key_gets_no_other_account_s_file(http: httpx.Client, settings: Settings, acme: str) -> None:
    other = {"Authorization": f"Bearer {key(settings, account='other')}"}
    for path, headers in ((f"/v1/accounts/{acme}", other), ("/v1/accounts/nobody", {})):
        answer = http.get(f"{path}/transactions.csv", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "account_unknown")
    answer = http.get(f"/v1/accounts/{acme}/transactions.csv", params={"type": "Purchase"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "type")


@pytest.fixture(scope="module")
def long(settings: Settings) -> str:
    """An account whose file is longer than what any buffer on the way holds."""
    with psycopg.connect(settings.database) as connection:
        connection.execute(LONG, (1, LONG_ROWS))
    return "long"


def test_what_comes_in_while_it_is_read_is_not_in_it(http: httpx.Client, settings: Settings, long: str) -> None:
    with http.stream("GET", f"/v1/accounts/{long}/transactions.csv") as answer:
        chunks = answer.iter_text()
        text = next(chunks)
        with psycopg.connect(settings.database) as connection:
            connection.execute(LONG, (LONG_ROWS + 1, LONG_ROWS + 3))
        text += "".join(chunks)
    numbers = [int(-Decimal(row["balance_after"]) * 1_000_000) for row in rows_of(text)]
    assert numbers == list(range(LONG_ROWS, 0, -1))


def test_a_file_that_could_not_be_finished_is_broken_off(http: httpx.Client, settings: Settings, long: str) -> None:
    """And not ended like a whole one."""
    with psycopg.connect(settings.database, autocommit=True) as connection:
        with http.stream("GET", f"/v1/accounts/{long}/transactions.csv") as answer:
            chunks = answer.iter_bytes()
            next(chunks)
            connection.execute("ALTER TABLE views.entries RENAME TO gone")
            with pytest.raises(httpx.RemoteProtocolError):
                sum(map(len, chunks))
        connection.execute("ALTER TABLE views.gone RENAME TO entries")


def listening(process: psutil.Process) -> list[Any]:
    return [each for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]


def test_memory_stays_bounded_however_long_it_is_and_however_slow_the_reader(http: httpx.Client, long: str) -> None:
    children = psutil.Process().children(recursive=True)
    servers = [child for child in children if http.base_url.port in {at.laddr.port for at in listening(child)}]
    assert servers

    def used() -> int:
        return sum(server.memory_info().rss for server in servers)

    http.get(f"/v1/accounts/{long}/transactions.csv", params={"view": "purchases"})
    before, most, size = used(), 0, 0
    with http.stream("GET", f"/v1/accounts/{long}/transactions.csv") as answer:
        for number, chunk in enumerate(answer.iter_bytes()):
            size += len(chunk)
            if number == 0:
                time.sleep(2)
            if number % 50 == 0:
                most = max(most, used())
    print(f"{LONG_ROWS:,} rows, {size:,} bytes, {most - before:,} bytes of memory")
    assert size > GROWTH_BYTES_MAX
    assert most - before < GROWTH_BYTES_MAX
