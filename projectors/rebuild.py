"""`ledger rebuild`: folds the log again into new views and compares them, account by account, with what stood before.

The log must have every event that the views have an entry of; else nothing is touched. What stood before is noted as
digests, and set aside until the end, in the transaction that makes the new views. So an interrupted rebuild has either
changed nothing, or the next one goes on and compares with the same. The log is folded exactly as far as it was folded
before: the same records must give the same bytes. Workers go on from there.
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
from ledger.records import book_versions, rebuilds
from ledger.records.migrate import create_views, migrate_records
from ledger.records.rebuilds import Connection, Rebuild
from ledger.records.release import views_version
from ledger.settings import Settings
from ledger.views import digests, losses
from projectors.comparing import VIEWS, Comparison, compare
from projectors.forwards import take_back_forwards
from projectors.group import group_of
from projectors.refolding import Watch, refold
from projectors.rejections import report_rejected
from projectors.replay import WholeBook, bounds, whole_book
from schemas.topics import BOOK

_SHOWN_DIFFERENCES = 100
# The workers' session timeout is 6 s; Kafka forgets a member that is gone, and did not say so, some time after it.
_FORGOTTEN_SECONDS = 12
_LOOK_SECONDS = 0.5


class ProjectorsRunning(LedgerError):
    """Projectors are running; stop them first."""


class LogLacks(LedgerError):
    """The log lacks what the views have an entry of, so nothing was done. `ledger recover` puts it back."""


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


def rebuild(settings: Settings, watch: Watch, lose: int | None = None) -> Rebuilt:
    """Rebuilds and compares. `lose`: just so many records of the views may be missing on the log.

    Raises LedgerError; what it says is what to do.
    """
    with alone(settings, watch) as connection:
        started = time.monotonic()
        with connection.transaction():
            migrate_records(connection)
        partitions = check_topics(settings, connection, whole=False)  # what is gone is named below, event by event
        settings.signing_key()
        book = read_book(settings, connection)
        _check_log(settings, connection, partitions, watch, lose)
        starts = {partition: begin for partition, (begin, _) in bounds(settings, partitions).items()}
        if rebuilds.unfinished(connection) is None:
            begin(settings, connection, starts, watch)
        _replace_views_of_another_version(connection, starts)
        return finish(settings, connection, book, watch, started)


@contextmanager
def alone(settings: Settings, watch: Watch) -> Iterator[Connection]:
    """A database whose views nobody else writes while the block runs.

    Raises ProjectorsRunning, ViewsInUse or RebuildInterrupted.
    """
    try:
        _wait_until_forgotten(settings, watch)
        with rebuilds.alone(settings.database) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise RebuildInterrupted(str(error)) from error


def read_book(settings: Settings, connection: Connection) -> WholeBook:
    """The book, which has every version that was ever folded by.

    Raises BookEmpty, BookLost, BookDiffers, BookNotReadable or LogAway.
    """
    try:
        book = whole_book(settings)
    except BookEmpty:
        book_versions.keep(connection, [])
        raise
    book_versions.keep(connection, book.stated)
    return book


def compare_log(settings: Settings, connection: Connection, partitions: int, watch: Watch) -> Comparison | None:
    """What the log lacks of the views, or of those that a rebuild has set aside; None when there are none."""
    with losses.views_named(connection, *VIEWS):
        return compare(settings, connection, partitions, watch) if losses.there(connection) else None


def _check_log(settings: Settings, connection: Connection, partitions: int, watch: Watch, lose: int | None) -> None:
    found = compare_log(settings, connection, partitions, watch)
    if found is not None and found.changed and lose != found.records:
        raise LogLacks(f"{found.in_words()}. To drop the views nevertheless: `ledger rebuild --lose {found.records}`")


def finish(settings: Settings, connection: Connection, book: WholeBook, watch: Watch, started: float) -> Rebuilt:
    """Folds what is left to fold, and compares."""
    before = rebuilds.unfinished(connection)
    assert before is not None, "it was begun"
    log_ends = {partition: end for partition, (_, end) in bounds(settings, len(before.targets)).items()}
    targets = {partition: min(end, log_ends[partition]) for partition, end in before.targets.items()}
    records = refold(settings, connection, targets, book.book, watch)
    report_rejected(connection, settings, BOOK, book.rejected)
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


def begin(
    settings: Settings,
    connection: Connection,
    starts: Mapping[int, int],
    watch: Watch,
    *,
    targets: Mapping[int, int] | None = None,
    moved: bool = False,
) -> None:
    """Notes what stands and makes the views anew, all in one transaction; of partitions that begin at `starts`.

    `targets`: how far to fold; as far as before, unless they are given. `moved`: the log's offsets are other ones, so
    they are not compared.
    """
    with connection.transaction():
        columns = digests.columns_of(connection)
        if moved:
            columns["entries"].remove("log_offset")
        targets = targets or _progress(connection) or dict(_log_ends(settings, starts))
        _note(settings, connection, "copy_before", columns, "Noting what stands", watch)
        rebuilds.begin(connection, dict(targets), columns)
        rebuilds.set_aside(connection)
        _make_views(connection, starts)


def _progress(connection: Connection) -> dict[int, int]:
    """How far each partition is folded; nothing of views that are not there."""
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
    """When another version of this program was interrupted, what it folded is folded again."""
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
    """Columns that are not on both sides."""
    for table in sorted({*before, *now}):
        for name in sorted(set(before.get(table, ())) ^ set(now.get(table, ()))):
            yield f"{table}.{name}"


def _count(connection: Connection, statement: str, **parameters: int) -> int:
    row = connection.execute(rebuilds.SQL[statement], parameters).fetchone()
    return int(row[0]) if row else 0


def _wait_until_forgotten(settings: Settings, watch: Watch) -> None:
    """Returns once the workers' group has no members. Raises ProjectorsRunning if they stay, or one of them writes."""

    group = group_of(settings)

    def members() -> list[str]:
        found = _members(settings, group)
        if found and rebuilds.writers(settings.database):
            raise ProjectorsRunning(", ".join(found))
        return found

    if left := wait_until_none(members, watch):
        raise ProjectorsRunning(", ".join(left))


def wait_until_none(members: Callable[[], list[str]], watch: Watch) -> list[str]:
    """Waits until a group has no members, as long as Kafka may need to forget them; who is left.

    A process that was killed, or stopped in the middle of a rebalance, is a member until its session has timed out.
    """
    deadline = time.monotonic() + _FORGOTTEN_SECONDS
    waited = False
    while (left := members()) and time.monotonic() < deadline:
        if not waited:
            watch.begin("Waiting until Kafka forgets the processes that stopped", None)
            waited = True
        time.sleep(_LOOK_SECONDS)
    return left


def _members(settings: Settings, group: str) -> list[str]:
    """Who is in the workers' group."""
    with administrating(settings) as admin:
        try:
            members = admin.describe_groups([group])[group]["members"]
        except CoordinatorNotAvailableError:  # the broker has no groups yet
            return []
    return [f"{each['member_id']} at {each['client_host']}" for each in members]
