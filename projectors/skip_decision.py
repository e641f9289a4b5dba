"""A person's decision to skip a part of ledger.events that can't be read: checked, then stored in `records`."""

import asyncio

from aiokafka import TopicPartition

from ledger.core.errors import LedgerError
from ledger.log.batches import UnreadableStretch
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.records.skips import Skip, skip
from ledger.settings import Settings
from projectors.fetching import Fetcher, examine
from projectors.log_reading import KafkaUnreachable, LogConsumer
from projectors.partition_waits import Ends
from schemas.topics import EVENTS


class StillReadable(LedgerError):
    message = "The log can be read at this offset, so there is nothing to skip"


class EndUnknown(LedgerError):
    message = "It is not known where the unreadable part ends; add --to"


class BeyondTheLog(LedgerError):
    message = "The log does not reach that far"


class PartlyFolded(LedgerError):
    message = "A part of these offsets is already folded. Begin at the offset in the worker's log"


class AlreadySkipped(LedgerError):
    message = "These offsets, or a part of them, are already skipped"


def decide_skip(settings: Settings, partition: int, first: int, last: int | None, reason: str) -> Skip:
    """Decides that offsets `first` to `last` are never folded. `last` None: as far as the log is seen to be unreadable.

    Raises StillReadable, EndUnknown, BeyondTheLog, PartlyFolded, AlreadySkipped or KafkaUnreachable.
    """
    topic = settings.topic(EVENTS)
    found, ends = asyncio.run(_look(settings, TopicPartition(topic, partition), first))
    if not isinstance(found, UnreadableStretch):
        raise StillReadable(f"{topic}/{partition}/{first}")
    last = found.last if last is None else last
    if last is None:
        raise EndUnknown(f"{topic}/{partition}/{first}, {found.reason}; the log ends at {ends.high}")
    if not first <= last < ends.high:
        raise BeyondTheLog(f"{topic}/{partition} ends at {ends.high}", field="--to")
    with connect(settings.database, COMMAND) as connection:
        row = connection.execute("SELECT next_offset FROM views.progress WHERE partition = %s", (partition,)).fetchone()
        if row and first < row[0] <= last:
            raise PartlyFolded(f"{topic}/{partition} is folded to {row[0]}")
        decided = skip(connection, topic, partition, first, last, found.reason, reason)
    if decided is None:
        raise AlreadySkipped(f"{topic}/{partition}/{first}")
    return decided


async def _look(settings: Settings, place: TopicPartition, offset: int) -> tuple[object, Ends]:
    async with LogConsumer(settings) as consumer:
        consumer.assign([place])
        ends = (await Fetcher(consumer).ends([place]))[place]
        try:
            return await asyncio.wait_for(examine(consumer, place, offset), 10), ends
        except TimeoutError as error:
            raise KafkaUnreachable(f"{place.topic}/{place.partition}") from error
