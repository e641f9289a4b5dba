"""Records that are handled at the same time, and how far each partition may be committed: to the first unfinished."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import OffsetAndMetadata

Handle = Callable[[ConsumerRecord], None]


class PendingRecords:
    """Hands records to threads; those of one key one after the other."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._places: dict[TopicPartition, deque[tuple[int, Future[None]]]] = {}
        self._last_of: dict[bytes | None, Future[None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def take(self, record: ConsumerRecord, handle: Handle) -> None:
        """Handles the record in a thread, after the one of its key that came before it."""
        before = self._last_of.get(record.key)

        def work() -> None:
            if before is not None:
                before.result()
            handle(record)

        # Threads take work in order, so whoever waits for an earlier record waits for one that has begun.
        self._last_of[record.key] = future = self._threads.submit(work)
        place = TopicPartition(record.topic, record.partition)
        self._places.setdefault(place, deque()).append((record.offset, future))

    def finished(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """How far partitions may be committed, where that has changed. Raises what handling a record raised."""
        ends: dict[TopicPartition, OffsetAndMetadata] = {}
        for place, waiting in self._places.items():
            while waiting and waiting[0][1].done():
                offset, future = waiting.popleft()
                future.result()
                ends[place] = OffsetAndMetadata(offset + 1, "", -1)
        self._last_of = {key: future for key, future in self._last_of.items() if not future.done()}
        return ends

    def keep(self, assigned: Iterable[TopicPartition]) -> None:
        """Forgets what is now for others to commit; what is being handled goes on."""
        self._places = {place: self._places[place] for place in self._places.keys() & set(assigned)}
