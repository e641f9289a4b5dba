"""When the sweep asks about an open purchase: the older, the seldomer."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from ledger.records import sweeps
from ledger.settings import Settings

# age | last asked ago | whether the provider's answer to its beginning is known | due
TABLE = """
1 second   | never      | begun   | no
3 seconds  | never      | begun   | yes
3 seconds  | 1 second   | begun   | no
1 minute   | 5 seconds  | begun   | no
1 minute   | 7 seconds  | begun   | yes
1 hour     | 5 minutes  | begun   | no
1 hour     | 7 minutes  | begun   | yes
10 days    | 9 minutes  | begun   | no
10 days    | 11 minutes | begun   | yes
# Whoever begins it may still wait for the answer.
1 minute   | never      | created | no
3 minutes  | never      | created | yes
3 minutes  | 10 seconds | created | no
3 minutes  | 20 seconds | created | yes
# Over.
10 days    | never      | failed  | no
"""
LINES = [line for line in TABLE.strip().splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("line", LINES)
def test_due(connection: psycopg.Connection, line: str) -> None:
    age, asked, state, due = (cell.strip() for cell in line.split("|"))
    checkout_id = str(uuid.uuid4())
    connection.execute(
        "INSERT INTO records.checkouts (checkout_id, account_id, provider, credits, currency, amount_minor, tax_minor, "
        "    fx_rate, description, state, reference, created_at, asked_at, ended_at) "
        "VALUES (%(id)s, 'a', 'stripe', 1, 'USD', 1, 0, '1', 'd', %(state)s, %(reference)s, now() - %(age)s::interval, "
        "    now() - %(asked)s::interval, CASE WHEN %(state)s = 'failed' THEN now() END)",
        {
            "id": checkout_id,
            "state": state,
            "reference": None if state == "created" else f"cs_{checkout_id}",
            "age": age,
            "asked": None if asked == "never" else asked,
        },
    )
    assert (checkout_id in sweeps.due(connection, "stripe")) == (due == "yes")
    assert checkout_id not in sweeps.due(connection, "razorpay")
