"""Whether this process may write to the log: compared every two seconds, and at every acknowledgement.

The guard is closed, with the reason, while the log is not the one that the views were folded from, or would lose what
is written to it. It opens by itself. Between two comparisons, acknowledgements are checked: Kafka gives offsets in
order, so an offset below one that was folded or acknowledged before is from another log. A log that does not answer is
unavailable, not refused.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Literal, Self

import psycopg
import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from ledger.core.errors import LedgerError
from ledger.guard.log_comparison import ComparisonOutcome, LogComparison
from ledger.log.connecting import (
    KafkaForbids,
    KafkaRefusesUser,
    KafkaTlsFailed,
    LogRefused,
    LogUnavailable,
    check_may_write,
)
from ledger.log.partitioning import partition_of
from ledger.log.publisher import Destination
from ledger.log.topics import RememberedTopic, TopicChanged
from ledger.postgres.release import OtherRelease
from ledger.settings import Settings
from schemas.topics import EVENTS

_SECONDS = 2.0
_SECONDS_CLOSED = 0.5
# A refusal is acted upon when it is seen again: the first broker that answers after an outage may know little yet.
_SEEN_TWICE = 2

log = structlog.get_logger()


class Guard:
    """The guard of one process; thread-safe. Before the first `look` nothing is known; `start` looks repeatedly.

    `on_refusal`: called, in the guard's thread, with what a person must decide.
    """

    def __init__(self, settings: Settings, on_refusal: Callable[[LedgerError], None] | None = None) -> None:
        self._settings, self._on_refusal = settings, on_refusal
        self._comparison = LogComparison(settings)
        self._verdict: LogUnavailable | None = LogUnavailable("it was not compared yet")
        self._known_once = False  # that it is open from the start is no news
        self._refusals = self._evidence = 0
        self._doubtful: frozenset[TopicPartition] = frozenset()
        self._known: Mapping[str, RememberedTopic] = {}
        self._folded: dict[TopicPartition, int] = {}
        self._acknowledged: dict[TopicPartition, int] = {}
        self._awake, self._closing, self._looked = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def closed(self) -> Literal["", "refused", "unavailable"]:
        """Whether nothing may be written: for a reason that a person must remove, or one that passes."""
        if self._verdict is None:
            return ""
        return "refused" if isinstance(self._verdict, LogRefused) else "unavailable"

    @property
    def reason(self) -> str:
        """Why nothing may be written, for people; empty when it may."""
        verdict = self._verdict
        return verdict.detail if verdict else ""

    @property
    def trouble(self) -> str:
        """Why not every account's events may be written, for people; empty when they may."""
        events = self._settings.topic(EVENTS)
        silent = sorted(place.partition for place in self._doubtful if place.topic == events)
        return self.reason or (f"{events}/{', '.join(map(str, silent))} does not answer" if silent else "")

    def check(self) -> None:
        """Raises LogRefused, or LogUnavailable while that is not known."""
        verdict = self._verdict
        if verdict is not None:
            raise type(verdict)(verdict.detail)

    def place(self, topic: str, key: bytes, partitions: int) -> Destination:
        """Where a record goes, by the number of partitions that the ledger was built on. `topic`: of schemas.topics.

        `partitions`: how many the producer sees. Raises LogRefused, or LogUnavailable.
        """
        self.check()
        name = self._settings.topic(topic)
        built_on = self._known[name].partitions
        if partitions != built_on:
            raise self._refuse(TopicChanged(f"{name} has {partitions} partitions, was built with {built_on}"))
        place = TopicPartition(name, partition_of(key, built_on))
        if place in self._doubtful:
            raise LogUnavailable(f"{name}/{place.partition} does not answer")
        return Destination(place.partition, max(self._folded.get(place, 0), self._acknowledged.get(place, 0)), name)

    def acknowledged(self, place: Destination, offset: int) -> None:
        """Takes note of a record's offset. Raises LogRefused when only another log can have given it."""
        if offset < place.begins_at:
            where, floor = f"{place.topic}/{place.partition}", place.begins_at
            raise self._refuse(TopicChanged(f"{where} gave a new record offset {offset}, it had {floor} before"))
        key = TopicPartition(place.topic, place.partition)
        self._acknowledged[key] = max(self._acknowledged.get(key, 0), offset + 1)

    def look(self) -> None:
        """Compares the log with what Postgres remembers, and opens or closes."""
        try:
            self._compare()
        except OtherRelease as other:
            self._decide(LogUnavailable(str(other)))

    def _compare(self) -> None:
        """Compares, opens or closes. Raises OtherRelease."""
        evidence, acknowledged = self._evidence, dict(self._acknowledged)
        try:
            outcome = self._comparison.compare()
        except (KafkaForbids, KafkaRefusesUser, KafkaTlsFailed) as error:
            self._decide(LogRefused(f"it can't be looked at. {error}"))
        except LogUnavailable as error:
            self._decide(error)
        except KafkaError as error:
            self._decide(LogUnavailable(f"Kafka does not answer ({type(error).__name__})"))
        except psycopg.Error as error:
            self._decide(LogUnavailable(f"Postgres does not answer ({type(error).__name__})"))
        else:
            self._apply(outcome, acknowledged, evidence)

    def start(self) -> Self:
        """Looks until `close`, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._thread.start()
        return self

    def wait(self, timeout_seconds: float) -> bool:
        """Waits until the log was looked at once; False when it was not in time."""
        return self._looked.wait(timeout_seconds)

    def close(self) -> None:
        """Ends the thread."""
        self._closing.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._comparison.close()

    def __enter__(self) -> Self:
        """Looks once first: for a command that is to write.

        Raises FoldOnly in a copy, OtherRelease, and what `check` raises.
        """
        check_may_write(self._settings)
        try:
            self._compare()
            self.check()
        except BaseException:
            self.close()
            raise
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._awake.clear()
            self.look()
            self._looked.set()
            self._awake.wait(_SECONDS if self._verdict is None else _SECONDS_CLOSED)

    def _apply(self, outcome: ComparisonOutcome, acknowledged: Mapping[TopicPartition, int], evidence: int) -> None:
        others = self._forget_other_topics(outcome.memory.topics)
        mine = {place: reached for place, reached in acknowledged.items() if place.topic not in others}
        problems = [*outcome.problems, *outcome.lost_acknowledged(mine)]
        self._doubtful = outcome.doubtful
        events = self._settings.topic(EVENTS)
        self._folded = {TopicPartition(events, n): each.next_offset for n, each in outcome.memory.folded.items()}
        if not problems:
            self._refusals = 0
            if evidence == self._evidence:  # otherwise an acknowledgement has come since that shows more than this look
                self._decide(None)
            return
        self._refusals += 1
        self._decide(LogRefused(" · ".join(str(problem) for problem in problems)))
        if self._on_refusal is not None and self._refusals >= _SEEN_TWICE:
            self._on_refusal(problems[0])

    def _forget_other_topics(self, known: Mapping[str, RememberedTopic]) -> set[str]:
        """Drops what was acknowledged on topics instead of which people have accepted others; their names."""
        was = {name: (before.topic_id, before.since) for name, before in self._known.items()}
        others = {name for name, now in known.items() if name in was and was[name] != (now.topic_id, now.since)}
        self._acknowledged = {place: n for place, n in self._acknowledged.items() if place.topic not in others}
        self._known = known
        return others

    def _decide(self, verdict: LogUnavailable | None) -> None:
        before, self._verdict = self._verdict, verdict
        if verdict is None:
            if before is not None and self._known_once:
                log.info("log_open")
            self._known_once = True
        elif before is None or (type(before), before.detail) != (type(verdict), verdict.detail):
            self._known_once = True
            if self._thread is None:  # a command, which shows it as its error
                return
            write = log.error if isinstance(verdict, LogRefused) else log.warning
            write("log_closed", code=verdict.code, reason=verdict.detail)

    def _refuse(self, problem: LedgerError) -> LogRefused:
        """Closes at once, and has the whole log looked at."""
        refused = LogRefused(str(problem))
        self._evidence += 1
        self._decide(refused)
        self._awake.set()
        return refused
