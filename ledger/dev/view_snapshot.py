"""The views at one moment, in one consistent read. A run is counted between two such snapshots."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import psycopg

from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND


class Traces(NamedTuple):
    """An account's package, and its traces in a UTC month (yyyymm)."""

    package: str
    month: int
    traces: int


class ViewSnapshot(NamedTuple):
    """`outcomes`: records by (type, outcome). `disputed`: nanos by (account, purchase). `triggers`: all so far."""

    progress: Mapping[int, int]
    balances: Mapping[str, int]
    outcomes: Counter[tuple[str, str]]
    entries: int
    traces: Mapping[str, Traces]
    disputed: Mapping[tuple[str, str], int]
    triggers: int

    def outcome(self, name: str, since: "ViewSnapshot", type_: str | None = None) -> int:
        """How many records had this outcome between two snapshots, of one type or of all."""
        gained = self.outcomes - since.outcomes
        return sum(count for (kind, outcome), count in gained.items() if outcome == name and type_ in (None, kind))


def read_snapshot(database: str) -> ViewSnapshot:
    """The views now."""
    with connect(database, COMMAND) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        fetch = connection.execute
        entries = fetch("SELECT count(*) FROM views.entries").fetchone()
        triggers = fetch("SELECT count(*) FROM records.top_up_triggers").fetchone()
        outcomes = fetch("SELECT type, outcome, sum(records)::bigint FROM views.record_counts GROUP BY type, outcome")
        accounts = fetch("SELECT account_id, package, month, month_traces FROM views.accounts")
        disputed = fetch("SELECT account_id, purchase_id, disputed FROM views.purchases WHERE disputed > 0")
        return ViewSnapshot(
            progress=dict(fetch("SELECT partition, next_offset FROM views.progress").fetchall()),
            balances=dict(fetch("SELECT account_id, balance FROM views.balances").fetchall()),
            outcomes=Counter({(kind, outcome): records for kind, outcome, records in outcomes}),
            entries=entries[0] if entries else 0,
            traces={account_id: Traces(*rest) for account_id, *rest in accounts},
            disputed={(account_id, purchase_id): nanos for account_id, purchase_id, nanos in disputed},
            triggers=triggers[0] if triggers else 0,
        )
