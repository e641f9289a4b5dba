"""The log held against the views: which entries it lacks, and whether it is as it was folded.

The whole log is read. Its ends alone don't tell: its beginning or its middle may be gone, or it may be another one.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import NamedTuple

from ledger.core.entry import Fact
from ledger.core.errors import BadSignature
from ledger.log.partitioning import partition_of
from ledger.log.validation import Record, fact_of
from ledger.postgres.types import Connection
from ledger.records.skips import Skips, skips
from ledger.settings import Settings
from ledger.views import lost_entries
from ledger.views.lost_entries import Loss
from projectors.continuity import diverged
from projectors.refolding import Watch
from projectors.replay import Bounds, bounds, fetches
from schemas.money import format_nanos
from schemas.topics import EVENTS

# What stood before a rebuild that has not ended comes first: half-built views lack most of it.
VIEWS = ("views_before", "views")


class Comparison(NamedTuple):
    """`bounds` of the log and how far the views are `folded`, by partition; what it lacks, partition by partition.

    `diverged`: of which partitions the log is not as it was folded, though it may lack nothing, and why.
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
        """The partitions that are not as they were folded."""
        return {loss.partition for loss in self.losses} | self.diverged.keys()

    def in_words(self) -> str:
        """What would be lost without the views, partition by partition and in all."""
        parts = list(self.diverged.values())
        for loss in self.losses:
            begin, end = self.bounds.get(loss.partition, Bounds(0, 0))
            place = f"partition {loss.partition} (log {begin} to {end}, folded to {self.folded[loss.partition]})"
            parts.append(f"{place}: {_figures([loss])}")
        if len(self.losses) > 1:
            parts.append(f"in all: {_figures(self.losses)}")
        return "; ".join(parts)


def compare(settings: Settings, connection: Connection, partitions: int, watch: Watch) -> Comparison:
    """Reads the log. The caller has named the views (lost_entries.views_named). Raises LogAway."""
    found_bounds = bounds(settings, partitions)
    folded = lost_entries.folded(connection)
    watch.begin("Comparing the log with the views", sum(end - begin for begin, end in found_bounds.values()))
    passed_over = skips(connection, settings.topic(EVENTS))
    with lost_entries.found(connection) as found:
        asyncio.run(_read(settings, found_bounds, passed_over, found, watch))
    return Comparison(found_bounds, folded, lost_entries.losses(connection), diverged(settings, connection))


async def _read(
    settings: Settings, found_bounds: Mapping[int, Bounds], passed_over: Skips, found: lost_entries.Found, watch: Watch
) -> None:
    done = 0
    for partition, (begin, end) in found_bounds.items():
        async with aclosing(fetches(settings, partition, begin, end, passed_over.get(partition, ()))) as reading:
            async for fetch in reading:
                found.add(partition, _facts(settings, fetch.records, partition, len(found_bounds), found.unproven))
                watch.reach(done + fetch.ends_at - begin)
        done += end - begin


def _facts(
    settings: Settings, records: Iterable[Record], partition: int, partitions: int, unproven: list[tuple[int, int]]
) -> Iterator[tuple[Fact, int]]:
    """What can be read, and is in the partition of its key: what is elsewhere is folded only once it was forwarded."""
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
