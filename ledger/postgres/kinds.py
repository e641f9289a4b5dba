"""Every kind of connection to Postgres, with its options: its name, time limits and checks."""

from dataclasses import dataclass, replace
from typing import Any

# The server forgets a client whose machine is gone after half a minute, and releases its locks; by default after hours.
_SERVER_KEEPALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
# We give up a server whose machine is gone after ten seconds. A server that only hangs is not given up: its kernel
# still answers.
_CLIENT_KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True)
class Kind:
    """One use of connections. Times are in seconds; 0 means no limit.

    `name`: what `pg_stat_activity` shows. `checks_release`: connecting raises OtherRelease when the database is of
    another release than this program. `checks_views`: that includes the views. `server_options`: further settings of
    the session, as libpq's `options`.
    """

    name: str
    autocommit: bool = True
    checks_release: bool = True
    checks_views: bool = True
    connect_seconds: int = 3
    statement_seconds: int = 0
    lock_seconds: int = 0
    idle_in_transaction_seconds: int = 0
    transaction_seconds: int = 0
    server_options: str = ""

    def named(self, name: str) -> "Kind":
        """This kind under another name."""
        return replace(self, name=name)

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of psycopg's `connect`."""
        limits = {
            "statement_timeout": self.statement_seconds,
            "lock_timeout": self.lock_seconds,
            "idle_in_transaction_session_timeout": self.idle_in_transaction_seconds,
            "transaction_timeout": self.transaction_seconds,
        }
        set_limits = [f"-c {setting}={seconds}s" for setting, seconds in limits.items() if seconds]
        return {
            "autocommit": self.autocommit,
            "application_name": self.name,
            "connect_timeout": self.connect_seconds,
            "options": " ".join(filter(None, [_SERVER_KEEPALIVES, *set_limits, self.server_options])),
            **_CLIENT_KEEPALIVES,
        }


# A command, which a person waits for: one transaction, that the end of the `with` block commits.
COMMAND = Kind("ledger-command", autocommit=False, connect_seconds=10)
COMMAND_AUTOCOMMIT = replace(COMMAND, autocommit=True)
# A command that reads no view, so that it works before a rebuild.
COMMAND_WITHOUT_VIEWS = replace(COMMAND, checks_views=False)
# `ledger migrate` brings the database to this release, so it can't require it.
MIGRATION = replace(COMMAND, name="ledger-migrate", checks_release=False)
MIGRATION_AUTOCOMMIT = replace(MIGRATION, autocommit=True)
# A rebuild compares its release itself: half-built views are what it is there for.
REBUILD = Kind("ledger-rebuild", connect_seconds=10, checks_release=False)
REBUILD_READER = replace(REBUILD, autocommit=False)
# One question that any release answers alike.
QUESTION = Kind("ledger-question", connect_seconds=5, checks_release=False)

# A worker, which runs until it is stopped. It may wait for a lock, or a statement over many rows, without a limit.
WORKER = Kind("ledger-worker")
START = replace(WORKER, name="ledger-start", autocommit=False)  # its first look at topics and views
PROJECTOR = WORKER.named("ledger-projector")  # sets its lock timeout, a setting, after the release was checked
RELAY = WORKER.named("ledger-relay")
RECORDS_KEEPER = WORKER.named("ledger-records")
SEAT = WORKER.named("ledger-seat")
CHARGER = WORKER.named("ledger-charger")
NOTIFIER = replace(WORKER, name="ledger-notifier", autocommit=False)
FIGURES = replace(WORKER, name="ledger-figures", autocommit=False)
# Compares the log with what Postgres remembers. It must report soon when it can't.
GUARD = Kind("ledger-guard", statement_seconds=3)

# Requests to the API. None pauses for long in the middle of a transaction: a process that hangs there must release its
# locks. ledger.postgres.health checks the release for the pools, twice a second.
API = Kind("ledger-api", checks_release=False, statement_seconds=10, lock_seconds=3, idle_in_transaction_seconds=15)
# The gate reads a few rows by their keys. So its statements are planned once, and by nothing but keys: tables grow
# faster than the planner's statistics, and a scan of a table that was believed to be small took half of Postgres' time.
# A process that hangs in the middle of a decision must release its locks, since usage that ends their holds waits for
# them. Only `transaction_timeout` sees that: a pipeline is not idle between its statements.
GATE = Kind(
    "ledger-gate",
    checks_release=False,
    statement_seconds=10,
    lock_seconds=3,
    transaction_seconds=15,
    server_options=(
        "-c plan_cache_mode=force_generic_plan -c jit=off "
        "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_material=off"
    ),
)
# Asks whether Postgres answers, and checks the release with each question. A lock on the views is no outage.
HEALTH = Kind("ledger-watch", checks_release=False, statement_seconds=2, lock_seconds=1)
