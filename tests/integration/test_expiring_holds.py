"""A hold is over by one rule: the statement that finds holds to expire agrees with ledger.core.holds."""

from datetime import UTC, datetime, timedelta

import psycopg
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ledger.core.holds import is_over
from ledger.gate.holds import SQL
from ledger.settings import Settings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
# Few values, so that ends and times of the log are often the same.
MOMENTS = st.integers(-3, 3).map(lambda milliseconds: NOON + timedelta(milliseconds=milliseconds))
ACCOUNTS = {"acct_0": 0, "acct_1": 1}


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    through=st.lists(st.none() | MOMENTS, min_size=2, max_size=2),
    ends=st.lists(st.tuples(st.sampled_from(sorted(ACCOUNTS)), MOMENTS), max_size=8),
)
def test_sql_expires_the_holds_that_are_over(
    settings: Settings, through: list[datetime | None], ends: list[tuple[str, datetime]]
) -> None:
    with psycopg.connect(settings.database) as connection:
        _prepare(connection, through)
        for number, (account_id, expires_at) in enumerate(ends):
            connection.execute(
                "INSERT INTO records.holds (hold_id, account_id, amount, expires_at) VALUES (%s, %s, 1, %s)",
                (_id(number), account_id, expires_at),
            )
        found = {hold_id for hold_id, _ in connection.execute(SQL["expirable"], {"limit": 100})}
        connection.rollback()
    projected = dict(zip(ACCOUNTS, through, strict=True))
    assert found == {
        _id(number)
        for number, (account_id, expires_at) in enumerate(ends)
        if (moment := projected[account_id]) is not None and is_over(expires_at, moment)
    }


def _prepare(connection: psycopg.Connection, through: list[datetime | None]) -> None:
    """Two accounts, each in a partition of its own that is projected up to a moment."""
    connection.execute("DELETE FROM views.progress")
    for (account_id, partition), moment in zip(ACCOUNTS.items(), through, strict=True):
        connection.execute(
            "INSERT INTO views.progress (partition, next_offset, through) VALUES (%s, 1, %s)", (partition, moment)
        )
        connection.execute(
            "INSERT INTO views.balances (account_id, partition, balance, seq, log_time_ms, level) "
            "VALUES (%s, %s, 0, 1, 0, 'ok')",
            (account_id, partition),
        )


def _id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"
