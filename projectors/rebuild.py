"""`ledger rebuild`: folds the log again into new views and compares each account with the old views.

The log must have every event of the views' entries; otherwise nothing is changed. The transaction that makes the new
views stores digests of the old ones and sets the old ones aside until the end. So an interrupted rebuild has changed
nothing, or the next one continues and compares with the same digests. The log is folded exactly as far as before, so
the same records must give the same bytes. Workers continue from there.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from kafka.errors import CoordinatorNotAvailableError

from ledger.core.errors import LedgerError
from ledger.log.book import BookEmpty
from ledger.log.connecting import administrating
from ledger.log.topics import check_topics
from ledger.postgres.connections import connect
from ledger.postgres.kinds import REBUILD_READER
from ledger.postgres.release import views_version
from ledger.postgres.types import Connection
from ledger.records import book_events, rebuilds
from ledger.records.migrate import create_views, migrate_records
from ledger.records.rebuilds import Rebuild
from ledger.settings import Settings
from ledger.views import digests, lost_entries
from projectors.group import group_of
from projectors.log_comparison import VIEWS, Comparison, compare
from projectors.log_reading import WholeBook, bounds, whole_book
from projectors.redundant_forwards import withdraw_redundant_forwards
from projectors.refold import Progress, refold
from projectors.rejections import report_rejected
from schemas.topics import BOOK

_SHOWN_DIFFERENCES = 100
# The workers' session timeout is 6 s. Some time after that Kafka forgets a member that ended without leaving.
_FORGOTTEN_SECONDS = 12
_LOOK_SECONDS = 0.5


class ProjectorsRunning(LedgerError):
    message = "Projectors are running; stop them first"


class LogLacks(LedgerError):
    message = "The log lacks events of the views' entries, so nothing was done. `ledger recover` appends them again"


class RebuildInterrupted(LedgerError):
    message = "The rebuild did not end. Run `ledger rebuild` again: it continues and compares with the old views"


class Difference(NamedTuple):
    """An account that differs: in which table, how many rows, and which columns."""

    account_id: str
    table: str
    rows_before: int
    rows_now: int
    columns: tuple[str, ...]


class Rebuilt(NamedTuple):
    """The result. `differences`: the first ones. `not_compared`: columns that only the old or only the new views have.

    `compared` is False if there were no views before. `lost`: records that were folded before and are not on the log.
    `emitted`: messages that are sent now and were not sent before.
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

    def json_fields(self) -> dict[str, object]:
        """The fields of the line of `--json`."""
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
        """How many accounts are byte for byte the same."""
        return self.accounts - self.different if self.compared else 0


def rebuild(settings: Settings, progress: Progress, lose: int | None = None) -> Rebuilt:
    """Rebuilds and compares. `lose`: exactly this number of the views' records may be missing on the log.

    Raises LedgerError; its message says what to do.
    """
    with exclusive_views(settings, progress) as connection:
        started = time.monotonic()
        with connection.transaction():
            migrate_records(connection)
        partitions = check_topics(settings, connection, whole=False)  # lost events are reported below
        settings.signing_key()
        book = read_book(settings, connection)
        _check_log(settings, connection, partitions, progress, lose)
        starts = {partition: begin for partition, (begin, _) in bounds(settings, partitions).items()}
        if rebuilds.unfinished(connection) is None:
            begin(settings, connection, starts, progress)
        _replace_views_of_another_version(connection, starts)
        return finish(settings, connection, book, progress, started)


@contextmanager
def exclusive_views(settings: Settings, progress: Progress) -> Iterator[Connection]:
    """A database with its views locked against other writers while the block runs.

    Raises ProjectorsRunning, ViewsInUse or RebuildInterrupted.
    """
    try:
        _wait_until_forgotten(settings, progress)
        with rebuilds.exclusive(settings.database) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise RebuildInterrupted(str(error)) from error


def read_book(settings: Settings, connection: Connection) -> WholeBook:
    """The book, which has every version that was ever folded by.

    Raises BookEmpty, BookLost, BookDiffers, BookNotReadable or KafkaUnreachable.
    """
    try:
        book = whole_book(settings)
    except BookEmpty:
        book_events.keep(connection, [])
        raise
    book_events.keep(connection, book.stated)
    return book


def compare_log(settings: Settings, connection: Connection, partitions: int, progress: Progress) -> Comparison | None:
    """What the log lacks of the views, or of those that a rebuild has set aside; None when there are none."""
    with lost_entries.views_named(connection, *VIEWS):
        return compare(settings, connection, partitions, progress) if lost_entries.views_exist(connection) else None


def _check_log(
    settings: Settings, connection: Connection, partitions: int, progress: Progress, lose: int | None
) -> None:
    found = compare_log(settings, connection, partitions, progress)
    if found is not None and found.changed and lose != found.records:
        raise LogLacks(f"{found.in_words()}. To drop the views nevertheless: `ledger rebuild --lose {found.records}`")


def finish(settings: Settings, connection: Connection, book: WholeBook, progress: Progress, started: float) -> Rebuilt:
    """Folds what is left to fold, and compares."""
    before = rebuilds.unfinished(connection)
    assert before is not None, "it was begun"
    log_ends = {partition: end for partition, (_, end) in bounds(settings, len(before.targets)).items()}
    targets = {partition: min(end, log_ends[partition]) for partition, end in before.targets.items()}
    records = refold(settings, connection, targets, book.book, progress)
    report_rejected(connection, settings, BOOK, book.rejected)
    withdraw_redundant_forwards(settings, connection, before.outbox_position)
    rebuilt = Rebuilt(
        records=records,
        lost=sum(before.targets.values()) - sum(targets[number] for number in before.targets),
        emitted=_count(connection, "count_new", after=before.outbox_position),
        **_compare(settings, connection, before, progress),
        seconds=time.monotonic() - started,
    )
    rebuilds.finish(connection, rebuilt.json_fields())
    return rebuilt


def begin(
    settings: Settings,
    connection: Connection,
    starts: Mapping[int, int],
    progress: Progress,
    *,
    targets: Mapping[int, int] | None = None,
    moved: bool = False,
) -> None:
    """Stores digests of the old views and makes new ones, in one transaction. Partitions begin at `starts`.

    `targets`: how far to fold; by default as far as before. `moved`: the log's offsets have changed, so they are not
    compared.
    """
    with connection.transaction():
        columns = digests.columns_of(connection)
        if moved:
            columns["entries"].remove("log_offset")
        targets = targets or _progress(connection) or dict(_log_ends(settings, starts))
        _note(settings, connection, "copy_before", columns, "Reading the old views", progress)
        rebuilds.begin(connection, dict(targets), columns)
        rebuilds.set_aside(connection)
        _make_views(connection, starts)


def _progress(connection: Connection) -> dict[int, int]:
    """How far each partition is folded; empty if there are no views."""
    if not connection.execute("SELECT to_regclass('views.progress')").fetchone()[0]:  # type: ignore[index]
        return {}
    return dict(connection.execute("SELECT partition, next_offset FROM views.progress").fetchall())


def _log_ends(settings: Settings, partitions: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    for partition, (_, end) in bounds(settings, len(partitions)).items():
        yield partition, end


def _make_views(connection: Connection, starts: Mapping[int, int]) -> None:
    create_views(connection)
    connection.cursor().executemany(
        "INSERT INTO views.progress (partition, next_offset) VALUES (%s, %s)", list(starts.items())
    )


def _replace_views_of_another_version(connection: Connection, starts: Mapping[int, int]) -> None:
    """If an interrupted rebuild ran with another version of this program, its views are dropped and folded again."""
    with connection.transaction():
        row = connection.execute("SELECT checksum FROM records.migrations WHERE name = 'views'").fetchone()
        if row != (views_version(),):
            connection.execute("DROP SCHEMA views CASCADE")
            _make_views(connection, starts)


def _note(
    settings: Settings,
    connection: Connection,
    statement: str,
    columns: Mapping[str, list[str]],
    stage: str,
    progress: Progress,
) -> None:
    """Writes digests of the committed views, read in a second session."""
    progress.begin(stage, None)
    rows = 0
    with (
        connect(settings.database, REBUILD_READER) as reader,
        connection.cursor().copy(rebuilds.SQL[statement]) as copy,
    ):
        for digest in digests.digests(reader, columns):
            copy.write(digest.line())
            rows += digest.rows
            progress.reach(rows)


def _compare(settings: Settings, connection: Connection, before: Rebuild, progress: Progress) -> dict[str, Any]:
    """Compares the old and the new views. Returns fields of Rebuilt."""
    with connection.transaction():
        connection.execute(rebuilds.SQL["make_after"])
        _note(settings, connection, "copy_after", before.columns, "Comparing", progress)
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
    """Columns that only the old or only the new views have."""
    for table in sorted({*before, *now}):
        for name in sorted(set(before.get(table, ())) ^ set(now.get(table, ()))):
            yield f"{table}.{name}"


def _count(connection: Connection, statement: str, **parameters: int) -> int:
    row = connection.execute(rebuilds.SQL[statement], parameters).fetchone()
    return int(row[0]) if row else 0


def _wait_until_forgotten(settings: Settings, progress: Progress) -> None:
    """Returns when the workers' group has no members.

    Raises ProjectorsRunning if they stay, or if one of them writes.
    """

    group = group_of(settings)

    def members() -> list[str]:
        found = _members(settings, group)
        if found and rebuilds.writers(settings.database):
            raise ProjectorsRunning(", ".join(found))
        return found

    if left := wait_until_none(members, progress):
        raise ProjectorsRunning(", ".join(left))


def wait_until_none(members: Callable[[], list[str]], progress: Progress) -> list[str]:
    """Waits until a group has no members, as long as Kafka may need to forget them. Returns the remaining ones.

    A process that was killed, or stopped during a rebalance, stays a member until its session times out.
    """
    deadline = time.monotonic() + _FORGOTTEN_SECONDS
    waited = False
    while (left := members()) and time.monotonic() < deadline:
        if not waited:
            progress.begin("Waiting until Kafka forgets the processes that stopped", None)
            waited = True
        time.sleep(_LOOK_SECONDS)
    return left


def _members(settings: Settings, group: str) -> list[str]:
    """The members of the workers' group."""
    with administrating(settings) as admin:
        try:
            members = admin.describe_groups([group])[group]["members"]
        except CoordinatorNotAvailableError:  # the broker has no groups yet
            return []
    return [f"{each['member_id']} at {each['client_host']}" for each in members]
