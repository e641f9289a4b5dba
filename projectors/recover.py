"""`ledger recover`: what the log has lost and Postgres still has is appended again, and the topics are accepted.

Everything keeps its identity, content, order and log time, so that a second fold gives the accounts that stood before.
It may be killed at any moment: the next run sees what is on the log by then. Nobody may fold or consume meanwhile.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.log import groups
from ledger.log.connecting import check_may_write
from ledger.log.ownership import check_owner
from ledger.log.topics import accept_topics
from ledger.records import outbox, rebuilds
from ledger.records.rebuilds import Connection, RebuildUnfinished
from ledger.records.release import check, check_records
from ledger.settings import Settings
from ledger.views import losses
from projectors.missing import SAID, Missing, missing
from projectors.rebuild import Rebuilt, alone, begin, finish, read_book, wait_until_none
from projectors.refolding import Watch
from projectors.restating import Appended, append_book, append_entries, append_ours
from schemas.topics import EVENTS


class ConsumersRunning(LedgerError):
    """Consumers are running; stop them first."""


class Recovered(NamedTuple):
    """What was missing, and how many records were appended. `rebuilt` None: ledger.events was whole."""

    missing: Missing
    records: int
    rebuilt: Rebuilt | None


# Is asked once everything is known and before anything is done; raises when it is not to be done.
Agree = Callable[[Missing], None]


def recover(settings: Settings, watch: Watch, agree: Agree) -> Recovered | None:
    """Puts everything back; None when nothing is missing. Raises LedgerError; what it says is what to do."""
    check_may_write(settings)
    settings.signing_key()
    started = time.monotonic()
    with alone(settings, watch) as connection:
        check_records(connection)
        if running := wait_until_none(lambda: groups.members(settings), watch):
            raise ConsumersRunning(", ".join(running))
        if rebuilds.unfinished(connection) and not rebuilds.put_back(connection):
            raise RebuildUnfinished()
        check(connection)
        with losses.views_named(connection, "views"):
            found = missing(settings, connection, watch)
            if not found.anything:
                return None
            check_owner(settings, connection)
            agree(found)
            append_book(settings, found.book)
            book = read_book(settings, connection)
            appended = append_entries(settings, connection, found.comparison.records, watch)
            append_ours(settings, connection, appended.records)
            groups.begin_again(settings, _to_read_again(settings, found))
            _accept(settings, connection, found, _targets(connection, found, appended), watch)
        rebuilt = finish(settings, connection, book, watch, started) if found.refolds else None
    return Recovered(found, appended.records, rebuilt)


def _targets(connection: Connection, found: Missing, appended: Appended) -> dict[int, int]:
    """How far to fold, so that all that the views had is folded and as little as can be of what is new."""
    before, reached = found.comparison.folded, losses.reached(connection)
    moved = {number: appended.ends.get(number, reached.get(number, 0)) for number in found.comparison.changed}
    return {**before, **moved}


def _to_read_again(settings: Settings, found: Missing) -> set[str]:
    """The topics whose consumers can't go on where they were."""
    return {settings.topic(name) for name in found.messages} | set(found.topics)


def _accept(settings: Settings, connection: Connection, found: Missing, targets: dict[int, int], watch: Watch) -> None:
    """The topics are this ledger's; and if the log has to be folded again, its views are set aside. All or nothing."""
    with connection.transaction():
        accept_topics(settings, connection)
        if found.refolds:
            outbox.forget_unsaid(connection, SAID)
            if found.comparison.changed:  # what was sent on may be gone, or be about a place where another record is
                outbox.forget_sent(connection, EVENTS)
            starts = {partition: at for partition, (at, _) in found.comparison.bounds.items()}
            begin(settings, connection, starts, watch, targets=targets, moved=True)
