"""The month's report: every kind of entry, months that hand over to each other, nothing shown unless it closes."""

import asyncio
import csv
import io
import itertools
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ledger.core.calendar import moment_of, month_bounds
from ledger.records.migrate import migrate
from ledger.reports.month import report_of_month
from ledger.reports.month_report import MonthDoesNotClose, MonthReport, month_report
from ledger.settings import Settings
from ledger.views.months import read_month
from ledger.views.trial_balance import trial_balance
from tests.support.events import Event, Ids, event, purchase, usage
from tests.support.past import Past, at
from tests.support.programs import ledger
from tests.support.servers import api, client, key

IDS = Ids(88)
C = 10**9


def charged(currency: str, minor: int, tax: int = 0) -> Event:
    return {"currency": currency, "amount_minor": minor, "tax_minor": tax}


def bought(account: str, purchase_id: str, credits: str, kind: str = "purchase", **money: Any) -> Event:
    made = purchase(account, IDS(), credits, purchase_id)
    made["data"] |= {"kind": kind, **money}
    return made


def traces(account: str, count: int) -> Event:
    return event("trace.recorded", account, {"trace_id": "t", "count": count}, IDS())


def refund(account: str, purchase_id: str, credits: str, money: Event) -> Event:
    data = {"purchase_id": purchase_id, "provider_refund_id": f"re_{IDS()}", "credits": credits, "charged": money}
    return event("credits.refunded", account, data, IDS())


def dispute(account: str, purchase_id: str, **data: str) -> Event:
    kind = "dispute.closed" if "outcome" in data else "dispute.opened"
    return event(kind, account, {"purchase_id": purchase_id, **data}, IDS())


def adjust(account: str, amount: str) -> Event:
    return event("credits.adjusted", account, {"amount": amount, "reason_code": "goodwill", "actor_id": "op"}, IDS())


def payout(minor: int, fee: int) -> Event:
    data = {"provider": "stripe", "payout_id": IDS(), "currency": "USD", "amount_minor": minor, "fee_minor": fee}
    return event("payout.received", "provider:stripe", data, IDS())


INR = {"provider": "razorpay", "charged": charged("INR", 85_000, 12_966)}
STORY: list[tuple[str, Event]] = [
    ("2026-09-30T23:59:59.999+00:00", bought("ann", "a1", "100", charged=charged("USD", 11_900, 1_900))),
    ("2026-09-30T23:59:59.999+00:00", usage("bob", IDS(), "1")),  # 1.1 owed
    ("2026-10-01T00:00:00.000+00:00", usage("ann", IDS(), "0.0000000015")),  # cost 2 nanos, charge 2 (1.65)
    ("2026-10-02T00:00:00.000+00:00", usage("ann", IDS(), "10", mode="tier", provider="anthropic")),  # 10.8
    ("2026-10-03T00:00:00.000+00:00", traces("ann", 160)),  # 100 free, 60 × 0.0005
    ("2026-10-04T00:00:00.000+00:00", bought("cem", "c1", "10", "auto_top_up", **INR, trigger_id=IDS())),
    ("2026-10-05T00:00:00.000+00:00", refund("ann", "a1", "20", charged("USD", 2_380, 380))),
    ("2026-10-06T00:00:00.000+00:00", dispute("ann", "a1", credits="30")),  # 35.70 of 119 USD
    ("2026-10-07T00:00:00.000+00:00", dispute("ann", "a1", outcome="won")),
    ("2026-10-08T00:00:00.000+00:00", dispute("ann", "a1", credits="50")),  # 59.50
    ("2026-10-09T00:00:00.000+00:00", adjust("bob", "-0.4")),
    ("2026-10-31T23:59:59.999+00:00", payout(1_000, 150)),
    ("2026-11-01T00:00:00.000+00:00", dispute("ann", "a1", outcome="lost")),
    ("2026-11-02T00:00:00.000+00:00", usage("cem", IDS(), "2")),
]
NOW = at("2026-11-20T10:00:00+00:00")


@pytest.fixture(scope="module")
def past(settings: Settings) -> Iterator[Past]:
    past = Past(settings)
    past.happened((at(time), each) for time, each in STORY)
    past.nothing_more_until(NOW)
    yield past
    past.close()


def report(settings: Settings, past: Past, month: str) -> MonthReport:
    async def read() -> MonthReport:
        async with await psycopg.AsyncConnection.connect(settings.database, autocommit=True) as connection:
            return await report_of_month(connection, month, past.book)

    return asyncio.run(read())


def test_october_is_what_the_story_says(settings: Settings, past: Past) -> None:
    october = report(settings, past, "2026-10")
    assert october.complete
    assert october.opening == (100 * C, -1_100_000_000, 1, 1)
    assert {movement.line: (movement.entries, movement.nanos) for movement in october.movements} == {
        "purchases": (0, 0),
        "auto_top_ups": (1, 10 * C),
        "adjustments": (1, -400_000_000),
        "usage": (2, -(2 + 10_800_000_000)),
        "usage_accepted": (0, 0),
        "traces": (1, -30_000_000),
        "refunds": (1, -20 * C),
        "disputes_opened": (2, -80 * C),
        "disputes_won": (1, 30 * C),
        "disputes_lost": (0, 0),
    }
    ann = 100 * C - 2 - 10_800_000_000 - 30_000_000 - 20 * C - 50 * C
    assert october.closing == (ann + 10 * C, -1_500_000_000, 2, 1)
    assert october.providers == (("anthropic", 1, 10_800_000_000, 10 * C), ("openai", 1, 2, 2))
    assert october.traces == (160, 100, 30_000_000, 50_000_000)


def test_money_at_the_providers_closes_in_minor_units(settings: Settings, past: Past) -> None:
    razorpay, stripe = report(settings, past, "2026-10").accounts
    nothing = {"charged": 0, "refunded": 0, "disputes_opened": 0, "disputes_won": 0, "payouts": 0, "fees": 0}
    assert razorpay[:4] == ("razorpay", "INR", 0, 85_000)
    assert razorpay.lines == nothing | {"charged": 85_000}
    assert razorpay.taxes == {"tax_charged": 12_966, "tax_refunded": 0}
    assert stripe[:4] == ("stripe", "USD", 11_900, 2_420)
    moved = {"refunded": -2_380, "disputes_opened": -3_570 - 5_950, "disputes_won": 3_570, "payouts": -1_000}
    assert stripe.lines == nothing | moved | {"fees": -150}
    assert stripe.closing == stripe.opening + sum(stripe.lines.values())
    assert stripe.taxes == {"tax_charged": 0, "tax_refunded": -380}


def test_each_month_begins_where_the_one_before_ended(settings: Settings, past: Past) -> None:
    months = [report(settings, past, month) for month in ("2026-08", "2026-09", "2026-10", "2026-11")]
    for before, after in itertools.pairwise(months):
        assert after.opening == before.closing
        closing = {account[:2]: account.closing for account in before.accounts}
        assert {account[:2]: account.opening for account in after.accounts if account.opening} == closing
    assert months[0].closing.total == 0


def test_the_last_month_ties_to_the_trial_balance(settings: Settings, past: Past) -> None:
    november = report(settings, past, "2026-11")
    with psycopg.connect(settings.database) as connection:
        totals = {(line.account, line.unit): line.total for line in trial_balance(connection).lines}
    assert totals["customer_credits", "CREDIT"] == november.closing.total
    for account in november.accounts:
        assert totals[f"clearing:{account.provider}", account.currency] == account.closing


def test_a_month_that_is_not_over_says_so(settings: Settings, past: Past) -> None:
    november = report(settings, past, "2026-11")
    assert (november.complete, november.through) == (False, moment_of(NOW))
    with pytest.raises(Exception, match="month: The projected log has not reached this month yet: 2026-12"):
        report(settings, past, "2026-12")


TAMPERED = [
    ("UPDATE views.entries SET amount = amount - 1 WHERE type = 'usage.recorded' AND mode = 'tier'", "nanos and"),
    ("UPDATE views.entries SET balance_after = balance_after + 1 WHERE log_time < '2026-10-01'", "nanos and"),
    ("UPDATE views.entries SET type = 'auto_top_up.failed' WHERE type = 'credits.adjusted'", "nanos and"),
    ("UPDATE views.entries SET cost = cost + 1 WHERE type = 'usage.recorded'", "its days don't add up"),
    ("UPDATE views.usage_days SET charge = charge - 1 WHERE model = ''", "traces: their days"),
    ("UPDATE views.entries SET type = 'invoice.issued' WHERE type = 'payout.received'", "stripe USD: 11900 and"),
]


@pytest.mark.parametrize(("tampering", "said"), TAMPERED, ids=[said for _, said in TAMPERED])
def test_nothing_is_reported_that_does_not_close(settings: Settings, past: Past, tampering: str, said: str) -> None:
    async def read() -> None:
        async with await psycopg.AsyncConnection.connect(settings.database) as connection:
            await connection.execute(tampering.encode())
            # In the transaction that tampers, which is not committed, so no other session sees it.
            found = await read_month(connection, "2026-10", *month_bounds("2026-10"))
            await connection.rollback()
        month_report(found, past.book)

    with pytest.raises(MonthDoesNotClose, match=said):
        asyncio.run(read())


def test_any_month_of_random_events_equals_the_sums_of_their_postings(settings: Settings, past: Past) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance, time_ms = random.Random(seed), at("2026-11-03T00:00:00+00:00")
    for _ in range(4):
        batch = []
        for number in range(300):
            time_ms += chance.randrange(400_000)
            batch.append((time_ms, _any(chance, f"r{chance.randrange(9)}", number)))
        past.happened(batch)
    past.nothing_more_until(NOW)
    november = report(settings, past, "2026-11")
    posted = _posted_in(settings, "2026-11")
    moved = {movement.line: movement.nanos for movement in november.movements}
    assert sum(moved.values()) == posted["customer_credits", "CREDIT"]
    assert moved["purchases"] + moved["auto_top_ups"] == -posted.get(("purchases", "CREDIT"), 0)
    assert moved["usage"] == -posted["provider_cost", "CREDIT"] - posted["markup", "CREDIT"]
    assert november.traces.revenue == posted["trace_revenue", "CREDIT"]
    for account in november.accounts:
        clearing = posted.get((f"clearing:{account.provider}", account.currency), 0)
        assert account.closing - account.opening == clearing
        assert sum(account.taxes.values()) == -posted.get((f"tax:{account.provider}", account.currency), 0)


def _any(chance: random.Random, account: str, number: int) -> Event:
    cost = f"0.{chance.randrange(10**18):018}"
    return chance.choice(
        [
            usage(account, IDS(), cost, mode=chance.choice(("auto", "tier")), provider=chance.choice(("x", "y"))),
            usage(account, IDS(), cost),
            traces(account, chance.randrange(1, 90)),
            adjust(account, chance.choice(("3", "-3.000000001"))),
            bought(account, f"p{IDS()}", f"{chance.randrange(1, 99)}", charged=charged("USD", number, number // 7)),
            payout(chance.randrange(1, 9000), chance.randrange(300)),
        ]
    )


def _posted_in(settings: Settings, month: str) -> dict[tuple[str, str], int]:
    query = b"""
    SELECT posting_account, unit, sum(amount)::text FROM views.postings
    WHERE log_time >= %s AND log_time < %s GROUP BY 1, 2
    """
    with psycopg.connect(settings.database) as connection:
        rows = connection.execute(query, month_bounds(month)).fetchall()
    return {(account, unit): int(total) for account, unit, total in rows}


@pytest.fixture(scope="module")
def http(settings: Settings, past: Past, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("api")
    with api(settings, folder) as url, client(url, key(settings, "reports:read")) as http:
        yield http


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ledger(settings, "report", "month", *arguments, variables={"COLUMNS": "200"})


def test_the_route_and_the_command_say_the_same(http: httpx.Client, settings: Settings, tmp_path: Path) -> None:
    answer = http.get("/v1/reports/months/2026-10")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["credits"]["closing"]["total"] == "27.669999998"
    assert body["credits"]["closing"]["owed"] == "-1.5"
    assert body["usage_total"] == {"requests": 2, "revenue": "10.800000002", "cost": "10.000000002", "margin": "0.8"}
    assert body["money"][1]["disputes_opened"] == {"minor": -9_520, "text": "-$95.20"}
    assert json.loads(command(settings, "2026-10", "--json").stdout) == body
    file = tmp_path / "october.csv"
    shown = command(settings, "2026-10", "--csv", str(file))
    assert shown.returncode == 0, shown.stderr
    for text in ("2026-10, UTC, complete", "owed (accounts: 1)", "-$95.20", "free (100), worth 0.05"):
        assert text in shown.stdout
    downloaded = http.get("/v1/reports/months/2026-10.csv")
    assert downloaded.headers["Content-Disposition"] == 'attachment; filename="ledger-2026-10.csv"'
    assert downloaded.content == file.read_bytes()


def test_every_figure_is_a_row_of_the_file(http: httpx.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(http.get("/v1/reports/months/2026-10.csv").text, newline="")))
    figures = {(row["section"], row["provider"], row["unit"], row["line"]): row for row in rows}
    assert len(figures) == len(rows)
    assert figures["credits", "", "CREDIT", "disputes_won"]["amount"] == "30"
    assert figures["usage", "anthropic", "CREDIT", "margin"]["amount"] == "0.8"
    stripe = figures["money", "stripe", "USD", "disputes_opened"]
    assert (stripe["amount"], stripe["minor"], stripe["month"], stripe["complete"]) == (
        "-95.20",
        "-9520",
        "2026-10",
        "true",
    )


@pytest.mark.parametrize(("month", "code"), [("2026-13", "not_a_month"), ("2027-01", "month_not_begun")])
def test_what_is_no_month_is_refused_in_words(http: httpx.Client, settings: Settings, month: str, code: str) -> None:
    for path in (month, f"{month}.csv"):
        error = http.get(f"/v1/reports/months/{path}")
        assert (error.status_code, error.json()["error"]["code"]) == (422, code)
        assert error.json()["error"]["param"] == "month"
    said = command(settings, month)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("Error: month: ")


def test_an_account_s_key_gets_no_report(http: httpx.Client, settings: Settings) -> None:
    own = {"Authorization": f"Bearer {key(settings, account='ann')}"}
    for path in ("2026-10", "2026-10.csv"):
        answer = http.get(f"/v1/reports/months/{path}", headers=own)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "operator_only")


def test_an_empty_ledger_has_an_empty_report(settings: Settings, stack: Any, past: Past) -> None:
    name = "month_report_empty"
    stack.postgres.create_database(name)
    empty = settings.model_copy(update={"database": stack.postgres.url(name)})
    migrate(empty.database)
    november = report(empty, past, "2026-11")
    assert (november.complete, november.through, november.closing.total, november.accounts) == (False, None, 0, ())
