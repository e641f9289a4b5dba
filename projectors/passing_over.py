"""A person's decision to go on without a part of ledger.events that can't be read: checked, then kept in `records`."""

import asyncio

from aiokafka import TopicPartition

from ledger.core.errors import LedgerError
from ledger.log.batches import Unreadable
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.records.skips import Skip, skip
from ledger.settings import Settings
from projectors.fetching import Fetching, examine
from projectors.replay import LogAway, Reading
from projectors.waiting import Ends
from schemas.topics import EVENTS


class StillReadable(LedgerError):
    message = "The log can be read at this offset, so there is nothing to pass over"


class EndNotKnown(LedgerError):
    message = "How far it can't be read is not known; say it with --to"


class BeyondTheLog(LedgerError):
    message = "The log does not reach that far"


class PartlyFolded(LedgerError):
    message = "A part of it is folded already. Begin at the offset that the worker names"


class PassedOverAlready(LedgerError):
    message = "This, or a part of it, is passed over already"


def pass_over(settings: Settings, partition: int, first: int, last: int | None, reason: str) -> Skip:
    """Decides that offsets `first` to `last` are never folded; `last` None: as far as can be seen that they are broken.

    Raises StillReadable, EndNotKnown, BeyondTheLog, PartlyFolded, PassedOverAlready or LogAway.
    """
    topic = settings.topic(EVENTS)
    found, ends = asyncio.run(_look(settings, TopicPartition(topic, partition), first))
    if not isinstance(found, Unreadable):
        raise StillReadable(f"{topic}/{partition}/{first}")
    last = found.last if last is None else last
    if last is None:
        raise EndNotKnown(f"{topic}/{partition}/{first}, {found.reason}; the log ends at {ends.high}")
    if not first <= last < ends.high:
        raise BeyondTheLog(f"{topic}/{partition} ends at {ends.high}", field="--to")
    with connect(settings.database, COMMAND) as connection:
        row = connection.execute("SELECT next_offset FROM views.progress WHERE partition = %s", (partition,)).fetchone()
        if row and first < row[0] <= last:
            raise PartlyFolded(f"{topic}/{partition} is folded to {row[0]}")
        decided = skip(connection, topic, partition, first, last, found.reason, reason)
    if decided is None:
        raise PassedOverAlready(f"{topic}/{partition}/{first}")
    return decided


async def _look(settings: Settings, place: TopicPartition, offset: int) -> tuple[object, Ends]:
    async with Reading(settings) as consumer:
        consumer.assign([place])
        ends = (await Fetching(consumer).ends([place]))[place]
        try:
            return await asyncio.wait_for(examine(consumer, place, offset), 10), ends
        except TimeoutError as error:
            raise LogAway(f"{place.topic}/{place.partition}") from error
