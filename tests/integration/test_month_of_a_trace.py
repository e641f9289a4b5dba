"""The month's report of a real trace, every event published twice, equals a sum that shares no code with the ledger.

The trace is the one in `shared/data` beside the project, or, where that isn't, a made-up one of the same form. Only its
beginning is replayed unless LEDGER_SLOW is set.
"""

import asyncio
import csv
import os
import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import psycopg
import pytest

from ledger.core.book_versions import Book
from ledger.dev.board import Board
from ledger.dev.first_book import first_book
from ledger.dev.trace_replay import Replay, read_trace
from ledger.dev.visibility import Visibility
from ledger.log.publisher import Publisher
from ledger.reports.month import report_of_month
from ledger.reports.month_report import MonthReport
from ledger.settings import Settings
from tests.support.programs import ROOT
from tests.support.workers import crew, wait_until_projected

TRACE = ROOT.parent / "shared" / "data" / "azure_llm_conv_2023.csv"
ROWS = None if os.environ.get("LEDGER_SLOW") else 2_000
# The first book's list prices, credits per million tokens, and its markups; every third request is in tier mode.
INPUT, OUTPUT, TIER, AUTO = Fraction("2.5"), Fraction(10), Fraction("1.08"), Fraction("1.1")
ACCOUNTS, BOUGHT = 32, 25
NANOS = 10**9


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows that are replayed, as a file."""
    lines = TRACE.read_text().splitlines() if TRACE.exists() else made_up()
    part: Path = tmp_path_factory.mktemp("trace") / "trace.csv"
    part.write_text("\n".join(lines if ROWS is None else lines[: ROWS + 1]) + "\n")
    return part


def made_up() -> list[str]:
    seed = random.SystemRandom().randrange(2**32)
    print(f"made-up trace: seed {seed}")
    chance, moment = random.Random(seed), datetime(2023, 11, 16, 18, 15, tzinfo=UTC)
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for _ in range(ROWS or 20_000):
        moment += timedelta(milliseconds=chance.randrange(400))
        lines.append(f"{moment:%Y-%m-%d %H:%M:%S.%f}0,{chance.randrange(1, 8_000)},{chance.randrange(1, 1_000)}")
    return lines


def test_the_report_of_a_trace_is_exact_to_the_nano(
    settings: Settings, trace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start()
        with Publisher(settings) as publisher:
            replay = Replay(read_trace(trace), None, publisher, settings.signing_key(), Visibility(), Board())
            asyncio.run(replay.play())
        wait_until_projected(settings, 240)
    reports = [report(settings, month) for month in months_of(settings)]
    cost, revenue = independent_sums(trace)
    assert sum(usage.cost for each in reports for usage in each.providers) == cost
    assert sum(usage.revenue for each in reports for usage in each.providers) == revenue
    assert reports[-1].closing.total == ACCOUNTS * BOUGHT * NANOS - revenue
    assert sum(usage.requests for each in reports for usage in each.providers) == len(rows_of(trace))
    print(f"{len(rows_of(trace)):,} requests: revenue {revenue} nanos, cost {cost}")


def rows_of(trace: Path) -> list[dict[str, str]]:
    with trace.open(newline="") as file:
        return list(csv.DictReader(file))


def independent_sums(trace: Path) -> tuple[int, int]:
    """What the provider takes and customers pay, in nanos: exact fractions, each call rounded half to even, once."""
    cost = revenue = 0
    for number, row in enumerate(rows_of(trace)):
        exact = (int(row["ContextTokens"]) * INPUT + int(row["GeneratedTokens"]) * OUTPUT) / 10**6
        cost += round(exact * NANOS)
        revenue += round(exact * (TIER if number % 3 == 0 else AUTO) * NANOS)
    return cost, revenue


def months_of(settings: Settings) -> list[str]:
    """The month of the replay, or the two of one that was under way when a month ended."""
    query = (
        b"SELECT DISTINCT to_char(log_time AT TIME ZONE 'UTC', 'YYYY-MM') AS month FROM views.entries ORDER BY month"
    )
    with psycopg.connect(settings.database) as connection:
        return [month for (month,) in connection.execute(query)]


def report(settings: Settings, month: str) -> MonthReport:
    book = Book().with_version(first_book(settings.signing_key_id), 0)

    async def read() -> MonthReport:
        async with await psycopg.AsyncConnection.connect(settings.database, autocommit=True) as connection:
            return await report_of_month(connection, month, book)

    return asyncio.run(read())
