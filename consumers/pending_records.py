"""Records that are handled in threads, and up to which offset each partition may be committed."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import OffsetAndMetadata

Handle = Callable[[ConsumerRecord], None]


class PendingRecords:
    """Gives records to threads; records of one key are handled one after the other."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._places: dict[TopicPartition, deque[tuple[int, Future[None]]]] = {}
        self._last_of: dict[bytes | None, Future[None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def submit(self, record: ConsumerRecord, handle: Handle) -> None:
        """Handles a record in a thread, after the earlier records of its key."""
        before = self._last_of.get(record.key)

        def work() -> None:
            if before is not None:
                before.result()
            handle(record)

        # Threads take work in order, so the earlier record that this one waits for has begun.
        self._last_of[record.key] = future = self._threads.submit(work)
        place = TopicPartition(record.topic, record.partition)
        self._places.setdefault(place, deque()).append((record.offset, future))

    def committable(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """The offset before the first unfinished record of each partition, where it has moved.

        Raises what handling a record raised.
        """
        ends: dict[TopicPartition, OffsetAndMetadata] = {}
        for place, waiting in self._places.items():
            while waiting and waiting[0][1].done():
                offset, future = waiting.popleft()
                future.result()
                ends[place] = OffsetAndMetadata(offset + 1, "", -1)
        self._last_of = {key: future for key, future in self._last_of.items() if not future.done()}
        return ends

    def retain(self, assigned: Iterable[TopicPartition]) -> None:
        """Forgets the partitions that are not assigned any more; their records are still handled to the end."""
        self._places = {place: self._places[place] for place in self._places.keys() & set(assigned)}
