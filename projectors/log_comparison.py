"""Compares the log with the views: which entries the log lacks, and whether it is still the log that was folded.

It reads the whole log, because its ends do not show whether its beginning or middle is missing, or whether it is
another log.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import NamedTuple

from ledger.core.entry import Fact
from ledger.core.errors import BadSignature
from ledger.log.partitioning import partition_of
from ledger.log.record import Record
from ledger.log.validation import fact_of
from ledger.postgres.types import Connection
from ledger.records.skips import Skips, skips
from ledger.settings import Settings
from ledger.views import lost_entries
from ledger.views.lost_entries import Loss
from projectors.continuity import diverged
from projectors.log_reading import Bounds, bounds, fetches
from projectors.refold import Progress
from schemas.money import format_nanos
from schemas.topics import EVENTS

# If a rebuild has not ended, its old views are compared: the new ones are incomplete.
VIEWS = ("views_before", "views")


class Comparison(NamedTuple):
    """`bounds` of the log and the `folded` offset of the views, by partition; the `losses` of the log.

    `diverged`: by partition, why the log is not the one that was folded, even if it lacks nothing.
    """

    bounds: dict[int, Bounds]
    folded: dict[int, int]
    losses: list[Loss]
    diverged: dict[int, str]

    @property
    def records(self) -> int:
        """How many entries the log lacks."""
        return sum(loss.records for loss in self.losses)

    @property
    def changed(self) -> set[int]:
        """The partitions that lack entries or have diverged."""
        return {loss.partition for loss in self.losses} | self.diverged.keys()

    def in_words(self) -> str:
        """What would be lost without the views, by partition and in total."""
        parts = list(self.diverged.values())
        for loss in self.losses:
            begin, end = self.bounds.get(loss.partition, Bounds(0, 0))
            place = f"partition {loss.partition} (log {begin} to {end}, folded to {self.folded[loss.partition]})"
            parts.append(f"{place}: {_figures([loss])}")
        if len(self.losses) > 1:
            parts.append(f"in all: {_figures(self.losses)}")
        return "; ".join(parts)


def compare(settings: Settings, connection: Connection, partitions: int, progress: Progress) -> Comparison:
    """Reads the log and compares. The caller has named the views (`views_named`). Raises KafkaUnreachable."""
    found_bounds = bounds(settings, partitions)
    folded = lost_entries.folded(connection)
    progress.begin("Comparing the log with the views", sum(end - begin for begin, end in found_bounds.values()))
    skipped = skips(connection, settings.topic(EVENTS))
    with lost_entries.log_contents(connection) as found:
        asyncio.run(_read(settings, found_bounds, skipped, found, progress))
    return Comparison(found_bounds, folded, lost_entries.losses(connection), diverged(settings, connection))


async def _read(
    settings: Settings,
    found_bounds: Mapping[int, Bounds],
    skipped: Skips,
    found: lost_entries.LogContents,
    progress: Progress,
) -> None:
    done = 0
    for partition, (begin, end) in found_bounds.items():
        async with aclosing(fetches(settings, partition, begin, end, skipped.get(partition, ()))) as reading:
            async for fetch in reading:
                found.add(partition, _facts(settings, fetch.records, partition, len(found_bounds), found.unproven))
                progress.reach(done + fetch.ends_at - begin)
        done += end - begin


def _facts(
    settings: Settings, records: Iterable[Record], partition: int, partitions: int, unproven: list[tuple[int, int]]
) -> Iterator[tuple[Fact, int]]:
    """The readable facts in the partition of their key. A misplaced record is folded only after it was forwarded."""
    for record in records:
        if partition_of(record.key or b"", partitions) == partition:
            fact = fact_of(record, settings.secrets)
            if isinstance(fact, Fact):
                yield fact, record.offset
            elif fact.code == BadSignature.code:
                unproven.append((partition, record.offset))


def _figures(found: list[Loss]) -> str:
    records, bought, used = (sum(each) for each in zip(*((x.records, x.bought, x.used) for x in found), strict=True))
    return f"{records:,} records, {format_nanos(bought)} credits bought, {format_nanos(used)} used"
