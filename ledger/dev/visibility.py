"""How long an event takes until it is visible: from being sent until the projection has committed past its offset.

Samples and observations may arrive in any order: an append is often acknowledged after its projection was observed.
"""

import threading
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

KEEP_SECONDS = 120.0
RECENT = 1000


class Percentiles(NamedTuple):
    """Milliseconds; None before the first sample."""

    p50: float | None
    p95: float | None
    p99: float | None


class _Partition:
    """When each offset was first seen as committed, and the samples that are not visible yet."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.times: list[float] = []
        self.waiting: deque[tuple[int, float]] = deque()

    def seen(self, at: float, next_offset: int) -> None:
        if not self.offsets or next_offset > self.offsets[-1]:
            self.offsets.append(next_offset)
            self.times.append(at)
        if self.times[0] < at - 2 * KEEP_SECONDS:
            stale = bisect_right(self.times, at - KEEP_SECONDS)
            del self.offsets[:stale], self.times[:stale]

    def visible_at(self, offset: int) -> float | None:
        """When the offset was first seen as committed; None if it was not yet."""
        place = bisect_right(self.offsets, offset)
        return self.times[place] if place < len(self.times) else None


class Visibility:
    """Collects the milliseconds from sending to visibility. Thread-safe."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}
        self._all = array("f")
        self._lock = threading.Lock()

    def sample(self, partition: int, offset: int, sent_at: float) -> None:
        """Adds an event that was sent at this (monotonic) time and has this offset."""
        with self._lock:
            held = self._of(partition)
            held.waiting.append((offset, sent_at))
            self._settle(held)

    def observe(self, at: float, progress: Mapping[int, int]) -> None:
        """Notes that at this (monotonic) time the projection had committed up to these offsets."""
        with self._lock:
            for partition, next_offset in progress.items():
                held = self._of(partition)
                held.seen(at, next_offset)
                self._settle(held)

    @property
    def waiting(self) -> int:
        """How many samples are not visible yet."""
        return sum(len(held.waiting) for held in self._partitions.values())

    def percentiles(self, *, recent: bool = False) -> Percentiles:
        """Percentiles of all samples, or of the recent ones only."""
        with self._lock:
            milliseconds = list(self._all[-RECENT:] if recent else self._all)
        return percentiles_of(milliseconds)

    def _of(self, partition: int) -> _Partition:
        return self._partitions.setdefault(partition, _Partition())

    def _settle(self, held: _Partition) -> None:
        while held.waiting and (visible_at := held.visible_at(held.waiting[0][0])) is not None:
            # A commit may be observed before its batch was acknowledged to this process, but not before it was sent.
            self._all.append(max(visible_at - held.waiting.popleft()[1], 0.0) * 1000)


def percentiles_of(milliseconds: Iterable[float]) -> Percentiles:
    """Nearest-rank percentiles of some durations."""
    ordered = sorted(milliseconds)
    return Percentiles(*(round(nearest_rank(ordered, share), 1) if ordered else None for share in (50, 95, 99)))


def nearest_rank(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of the sorted values."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
