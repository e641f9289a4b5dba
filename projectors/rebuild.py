"""`ledger rebuild`: folds the log again into new views and compares them, account by account, with what stood before.

What stood before is noted as digests outside of the views, in the transaction that drops them. So an interrupted
rebuild has either changed nothing, or the next one goes on and compares with the same. The log is folded exactly as far
as it was folded before: the same records must give the same bytes. Workers go on from there.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import psycopg
from kafka.errors import CoordinatorNotAvailableError

from ledger.core.errors import LedgerError
from ledger.log.connecting import administrating
from ledger.log.topics import check_topics
from ledger.records import rebuilds
from ledger.records.migrate import create_views, migrate_records
from ledger.records.rebuilds import Connection, Rebuild
from ledger.records.release import views_version
from ledger.settings import Settings
from ledger.views import digests, writing
from projectors.forwards import take_back_forwards
from projectors.refolding import Watch, refold
from projectors.rejections import report_rejected
from projectors.replay import ends, whole_book

_SHOWN_DIFFERENCES = 100
# The workers' session timeout is 6 s; Kafka forgets a member that is gone, and did not say so, some time after it.
_FORGOTTEN_SECONDS = 12
_LOOK_SECONDS = 0.5


class ProjectorsRunning(LedgerError):
    """Projectors are running; stop them first."""


class RebuildInterrupted(LedgerError):
    """The rebuild did not end. Run `ledger rebuild` again: it goes on and compares with what stood before."""


class Difference(NamedTuple):
    """An account that is not what it was: in which table, how many rows, and which columns."""

    account_id: str
    table: str
    rows_before: int
    rows_now: int
    columns: tuple[str, ...]


class Rebuilt(NamedTuple):
    """What came of it. `differences`: the first ones; `not_compared`: columns that only one side has.

    `compared` is False when nothing stood before. `lost`: records that were folded before and are not on the log.
    `emitted`: messages that go out now and never went out before.
    """

    records: int
    seconds: float
    compared: bool
    accounts: int
    different: int
    emitted: int
    lost: int
    differences: tuple[Difference, ...]
    not_compared: tuple[str, ...]

    def for_machines(self) -> dict[str, object]:
        """The line of `--json`."""
        return {
            "records": self.records,
            "seconds": round(self.seconds, 3),
            "accounts": self.accounts,
            "equal": self.equal,
            "different": self.different,
            "emitted": self.emitted,
            "records_per_second": round(self.records / self.seconds),
        }

    @property
    def equal(self) -> int:
        """Accounts that are, byte for byte, what they were."""
        return self.accounts - self.different if self.compared else 0


def rebuild(settings: Settings, watch: Watch) -> Rebuilt:
    """Rebuilds and compares. Raises LedgerError; what it says is what to do."""
    try:
        _wait_until_forgotten(settings, watch)
        with rebuilds.alone(settings.database) as connection:
            with connection.transaction():
                migrate_records(connection)
            return _rebuild(settings, connection, watch)
    except psycopg.OperationalError as error:
        raise RebuildInterrupted(str(error)) from error


def _rebuild(settings: Settings, connection: Connection, watch: Watch) -> Rebuilt:
    started = time.monotonic()
    partitions = check_topics(settings, connection)
    log_ends = ends(settings, partitions)
    before = rebuilds.unfinished(connection) or _begin(settings, connection, partitions, watch)
    _replace_views_of_another_version(connection, partitions)
    targets = {partition: min(end, before.targets.get(partition, end)) for partition, end in log_ends.items()}
    book = whole_book(settings)  # after the ends: what is published from now on takes effect after all of them
    records = refold(settings, connection, targets, book.book, watch)
    report_rejected(connection, settings, book.rejected)
    take_back_forwards(settings, connection, before.outbox_position)
    rebuilt = Rebuilt(
        records=records,
        lost=sum(before.targets.values()) - sum(targets[number] for number in before.targets),
        emitted=_count(connection, "count_new", after=before.outbox_position),
        **_compare(settings, connection, before, watch),
        seconds=time.monotonic() - started,
    )
    rebuilds.finish(connection, rebuilt.for_machines())
    return rebuilt


def _begin(settings: Settings, connection: Connection, partitions: int, watch: Watch) -> Rebuild:
    """Notes what stands and makes the views anew, all in one transaction."""
    with connection.transaction():
        columns = digests.columns_of(connection)
        targets = _progress(connection)
        _note(settings, connection, "copy_before", columns, "Noting what stands", watch)
        before = rebuilds.begin(connection, targets, columns)
        _replace_views(connection, partitions)
    return before


def _progress(connection: Connection) -> dict[int, int]:
    """How far each partition is folded; nothing of views that are not there."""
    if not connection.execute("SELECT to_regclass('views.progress')").fetchone()[0]:  # type: ignore[index]
        return {}
    return dict(connection.execute("SELECT partition, next_offset FROM views.progress").fetchall())


def _replace_views(connection: Connection, partitions: int) -> None:
    connection.execute("DROP SCHEMA IF EXISTS views CASCADE")
    create_views(connection)
    connection.execute(writing.SQL["make_progress"], {"partitions": partitions})


def _replace_views_of_another_version(connection: Connection, partitions: int) -> None:
    """When another version of this program was interrupted, what it folded is folded again."""
    with connection.transaction():
        row = connection.execute("SELECT checksum FROM records.migrations WHERE name = 'views'").fetchone()
        if row != (views_version(),):
            _replace_views(connection, partitions)


def _note(
    settings: Settings,
    connection: Connection,
    statement: str,
    columns: Mapping[str, list[str]],
    stage: str,
    watch: Watch,
) -> None:
    """Writes the digests of what is committed, read in a session beside the one that writes them."""
    watch.begin(stage, None)
    rows = 0
    with psycopg.connect(settings.database) as reader, connection.cursor().copy(rebuilds.SQL[statement]) as copy:
        for digest in digests.digests(reader, columns):
            copy.write(digest.line())
            rows += digest.rows
            watch.reach(rows)


def _compare(settings: Settings, connection: Connection, before: Rebuild, watch: Watch) -> dict[str, Any]:
    """What stood before beside what stands now, as fields of Rebuilt."""
    with connection.transaction():
        connection.execute(rebuilds.SQL["make_after"])
        _note(settings, connection, "copy_after", before.columns, "Comparing", watch)
        accounts, noted = connection.execute(rebuilds.SQL["count_accounts"]).fetchone() or (0, 0)
        now = digests.columns_of(connection)
        found = _differences(connection, before.columns, now) if noted else iter(())
        different, shown = set[str](), list[Difference]()
        for each in found:
            different.add(each.account_id)
            if len(shown) < _SHOWN_DIFFERENCES:
                shown.append(each)
    return {
        "compared": noted > 0,
        "accounts": accounts,
        "different": len(different),
        "differences": tuple(shown),
        "not_compared": tuple(_one_sided(before.columns, now)) if noted else (),
    }


def _differences(
    connection: Connection, columns: Mapping[str, list[str]], now: Mapping[str, list[str]]
) -> Iterator[Difference]:
    for account_id, table, rows_before, rows_now, was, is_ in connection.execute(rebuilds.SQL["different"]):
        names = digests.different_columns(was, is_, columns[table])
        compared = tuple(name for name in names if name in now.get(table, ()))
        if compared:
            yield Difference(account_id, table, rows_before, rows_now, compared)


def _one_sided(before: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> Iterator[str]:
    """Columns that are only in one of two versions of the views."""
    for table in sorted({*before, *now}):
        for name in sorted(set(before.get(table, ())) ^ set(now.get(table, ()))):
            yield f"{table}.{name}"


def _count(connection: Connection, statement: str, **parameters: int) -> int:
    row = connection.execute(rebuilds.SQL[statement], parameters).fetchone()
    return int(row[0]) if row else 0


def _wait_until_forgotten(settings: Settings, watch: Watch) -> None:
    """Returns once the workers' group has no members. Raises ProjectorsRunning when they stay, or one of them writes.

    A worker that was killed, or stopped in the middle of a rebalance, is a member until its session has timed out.
    """
    deadline = time.monotonic() + _FORGOTTEN_SECONDS
    waited = False
    while members := _members(settings):
        if rebuilds.writers(settings.database) or time.monotonic() > deadline:
            raise ProjectorsRunning(", ".join(members))
        if not waited:
            watch.begin("Waiting until Kafka forgets the projectors that stopped", None)
            waited = True
        time.sleep(_LOOK_SECONDS)


def _members(settings: Settings) -> list[str]:
    """Who is in the workers' group."""
    with administrating(settings) as admin:
        try:
            members = admin.describe_groups([settings.consumer_group])[settings.consumer_group]["members"]
        except CoordinatorNotAvailableError:  # the broker has no groups yet
            return []
    return [f"{each['member_id']} at {each['client_host']}" for each in members]
