"""`ledger recover`: appends again what the log has lost and Postgres still has, and accepts the topics.

Each event keeps its identity, content, order and log time, so that folding the log again gives the same accounts. The
command may be killed at any time: the next run sees what is on the log by then. No projector or consumer may run
meanwhile.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.log import groups
from ledger.log.connecting import check_may_write
from ledger.log.ownership import check_owner
from ledger.log.topics import accept_topics
from ledger.postgres.release import check
from ledger.postgres.types import Connection
from ledger.records import outbox, rebuilds
from ledger.records.rebuilds import RebuildUnfinished
from ledger.settings import Settings
from ledger.views import lost_entries
from projectors.log_repair import Appended, append_book, append_entries, append_recovery
from projectors.rebuild import Rebuilt, begin, exclusive_views, finish, read_book, wait_until_none
from projectors.recovery_plan import MESSAGE_TOPICS, RecoveryPlan, plan_recovery
from projectors.refold import Progress
from schemas.topics import EVENTS


class ConsumersRunning(LedgerError):
    message = "Consumers are running; stop them first"


class Recovered(NamedTuple):
    """What was missing, and how many records were appended. `rebuilt` is None if ledger.events lacked nothing."""

    plan: RecoveryPlan
    records: int
    rebuilt: Rebuilt | None


# Called with the plan before anything is changed. It raises to stop the recovery.
Agree = Callable[[RecoveryPlan], None]


def recover(settings: Settings, progress: Progress, agree: Agree) -> Recovered | None:
    """Recovers everything; None if nothing is missing. Raises LedgerError; its message says what to do."""
    check_may_write(settings)
    settings.signing_key()
    started = time.monotonic()
    with exclusive_views(settings, progress) as connection:
        check(connection, with_views=False)  # those of an unfinished rebuild may be of another version
        if running := wait_until_none(lambda: groups.members(settings), progress):
            raise ConsumersRunning(", ".join(running))
        if rebuilds.unfinished(connection) and not rebuilds.put_back(connection):
            raise RebuildUnfinished()
        check(connection)
        with lost_entries.views_named(connection, "views"):
            plan = plan_recovery(settings, connection, progress)
            if not plan.needs_recovery:
                return None
            check_owner(settings, connection)
            agree(plan)
            append_book(settings, plan.book)
            book = read_book(settings, connection)
            appended = append_entries(settings, connection, plan.comparison.records, progress)
            append_recovery(settings, connection, appended.records)
            groups.reset_offsets(settings, _to_read_again(settings, plan))
            _accept(settings, connection, plan, _targets(connection, plan, appended), progress)
        rebuilt = finish(settings, connection, book, progress, started) if plan.needs_refold else None
    return Recovered(plan, appended.records, rebuilt)


def _targets(connection: Connection, plan: RecoveryPlan, appended: Appended) -> dict[int, int]:
    """How far to fold: everything that the views had, and as little as possible of what is new."""
    before, reached = plan.comparison.folded, lost_entries.last_common_offsets(connection)
    moved = {number: appended.ends.get(number, reached.get(number, 0)) for number in plan.comparison.changed}
    return {**before, **moved}


def _to_read_again(settings: Settings, plan: RecoveryPlan) -> set[str]:
    """The topics whose consumers can't continue from their offsets."""
    return {settings.topic(name) for name in plan.messages} | set(plan.topics)


def _accept(
    settings: Settings, connection: Connection, plan: RecoveryPlan, targets: dict[int, int], progress: Progress
) -> None:
    """Accepts the topics, and sets the views aside if the log must be folded again. All in one transaction."""
    with connection.transaction():
        accept_topics(settings, connection)
        if plan.needs_refold:
            outbox.forget_lost(connection, MESSAGE_TOPICS)
            if plan.comparison.changed:  # forwarded records may be lost, or name an offset that now has another record
                outbox.forget_sent(connection, EVENTS)
            starts = {partition: at for partition, (at, _) in plan.comparison.bounds.items()}
            begin(settings, connection, starts, progress, targets=targets, moved=True)
