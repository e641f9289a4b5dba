"""Balances recomputed without the ledger's rules: from the log itself, with plain JSON and genai-prices.

It shares no code with `ledger.core`, so an error there can't hide here. It starts from the balances before the run and
follows the log as far as it is projected. It takes from the views which records are dead letters; the summary checks
whether all of them were expected.
"""

import json
import threading
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from ledger.dev.independent_pricing import NANOS, IndependentPricing
from ledger.dev.view_snapshot import Traces, ViewSnapshot
from ledger.log.connecting import COMMITTED, kafka_options
from ledger.log.partitioning import partition_of
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.postgres.types import Connection
from ledger.settings import Settings
from schemas.identity import event_id_of
from schemas.topics import BOOK, EVENTS

SIGNATURE = "ledger-signature"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POLL_MS = 500

Identity = tuple[str, bool, str]  # account, signed, id


class RecomputedBalances:
    """Follows `ledger.events` from where the run began. `balances`: what every account must have, in nanos."""

    def __init__(self, settings: Settings, before: ViewSnapshot) -> None:
        self._settings = settings
        self.balances: defaultdict[str, int] = defaultdict(int, before.balances)
        self._traces, self._disputed = dict(before.traces), dict(before.disputed)
        self._lock = threading.Lock()  # a consumer is not thread-safe
        self._seen: set[Identity] = set()
        self._consumer = KafkaConsumer(**kafka_options(settings), **COMMITTED, enable_auto_commit=False)
        self._book = _BookLog(settings)
        topic = settings.topic(EVENTS)
        self._partitions = [TopicPartition(topic, number) for number in self._consumer.partitions_for_topic(topic)]
        self._consumer.assign(self._partitions)
        self._began = {each.partition: before.progress.get(each.partition, 0) for each in self._partitions}
        for each in self._partitions:
            self._consumer.seek(each, self._began[each.partition])

    def ends(self) -> dict[int, int]:
        """Where each partition of the log ends now."""
        with self._lock:
            return {each.partition: end for each, end in self._consumer.end_offsets(self._partitions).items()}

    @property
    def began(self) -> dict[int, int]:
        """Where each partition was when the run began."""
        return self._began

    def follow(self, progress: dict[int, int]) -> None:
        """Adds every record up to where the log is projected; the outcomes of later records are not known yet."""
        with self._lock, connect(self._settings.database, COMMAND) as connection:
            self._book.read()
            while behind := self._behind(progress):
                self._consumer.pause(*[each for each in self._partitions if each not in behind])
                self._consumer.resume(*behind)
                for each, records in self._consumer.poll(timeout_ms=_POLL_MS).items():
                    self._add(connection, each, [r for r in records if r.offset < progress[each.partition]])
                    if records[-1].offset >= progress[each.partition]:
                        self._consumer.seek(each, progress[each.partition])

    def close(self) -> None:
        """Closes the consumers."""
        with self._lock:
            self._consumer.close()
            self._book.close()

    def _behind(self, progress: dict[int, int]) -> list[TopicPartition]:
        return [each for each in self._partitions if self._consumer.position(each) < progress.get(each.partition, 0)]

    def _add(self, connection: Connection, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        dead = self._dead(connection, partition, records)
        own = [r for r in records if r.offset not in dead and self._is_at_home(r)]
        parsed = [(record, json.loads(record.value)) for record in own]
        identities = [_identity(record, event) for record, event in parsed]
        earlier = self._posted_earlier(connection, [id_ for _, _, id_ in identities])
        for identity, (record, event) in zip(identities, parsed, strict=True):
            if identity not in self._seen and identity not in earlier:
                self._seen.add(identity)
                self.balances[event["subject"]] += self._amount(event, record.timestamp)

    def _dead(self, connection: Connection, partition: TopicPartition, records: list[ConsumerRecord]) -> set[int]:
        if not records:
            return set()
        rows = connection.execute(
            "SELECT log_offset FROM views.dead_letters "
            "WHERE topic = %s AND partition = %s AND log_offset BETWEEN %s AND %s",
            (partition.topic, partition.partition, records[0].offset, records[-1].offset),
        )
        return {offset for (offset,) in rows}

    def _is_at_home(self, record: ConsumerRecord) -> bool:
        """Whether the record is in its key's partition. If not it is forwarded, and counts where it arrives."""
        return bool(record.key) and _home_of(record.key, len(self._partitions)) == record.partition

    def _posted_earlier(self, connection: Connection, ids: list[str]) -> set[Identity]:
        """Which of these were posted before the run began, for example an example that is sent again days later."""
        if not ids or not any(self._began.values()):
            return set()
        rows = connection.execute(
            "SELECT account_id, signed, event_id::text, partition, log_offset FROM views.entries "
            "WHERE event_id = ANY(%s::uuid[])",
            (ids,),
        )
        return {(account, signed, id_) for account, signed, id_, at, offset in rows if offset < self._began[at]}

    def _amount(self, event: dict[str, Any], at_ms: int) -> int:
        """The event's change of its account's balance, in nanos."""
        data, account = event["data"], event["subject"]
        match event["type"]:
            case "usage.recorded":
                happened = event.get("time")
                at = datetime.fromisoformat(happened) if happened else datetime.fromtimestamp(at_ms / 1000, UTC)
                charge = self._book.at(at_ms).usage(data, at)
                return -charge if charge <= self._book.at(at_ms).plausible() else 0
            case "usage.accepted":
                return -self._book.at(at_ms).usage(data["usage"], datetime.fromisoformat(event["time"]))
            case "trace.recorded":
                return -self._trace_charge(account, data["count"], at_ms)
            case "credits.purchased":
                return _nanos(data["credits"])
            case "credits.refunded":
                return -_nanos(data["credits"])
            case "credits.adjusted":
                return _nanos(data["amount"])
            case "dispute.opened":
                self._disputed[account, data["purchase_id"]] = _nanos(data["credits"])
                return -_nanos(data["credits"])
            case "dispute.closed":
                disputed = self._disputed.pop((account, data["purchase_id"]))
                return disputed if data["outcome"] == "won" else 0
            case "account.opened" | "account.package_changed" if data.get("package"):
                self._traces[account] = self._traces_of(account, at_ms)._replace(package=data["package"])
        return 0

    def _trace_charge(self, account: str, count: int, at_ms: int) -> int:
        book, before = self._book.at(at_ms), self._traces_of(account, at_ms)
        free = min(count, max(book.included(before.package) - before.traces, 0))
        self._traces[account] = before._replace(traces=before.traces + count)
        return book.traces(count - free)

    def _traces_of(self, account: str, at_ms: int) -> Traces:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        month = at.year * 100 + at.month
        known = self._traces.get(account) or Traces(self._book.at(at_ms).data["default_package"], month, 0)
        return known if known.month == month else Traces(known.package, month, 0)


class _BookLog:
    """The versions of the book, as the JSON on its topic has them. The first applies from the beginning."""

    def __init__(self, settings: Settings) -> None:
        self._partition = TopicPartition(settings.topic(BOOK), 0)
        self._consumer = KafkaConsumer(**kafka_options(settings), enable_auto_commit=False)
        self._consumer.assign([self._partition])
        self._consumer.seek_to_beginning(self._partition)
        self._versions: dict[int, IndependentPricing] = {}
        self._ended: set[int] = set()  # withdrawn, or replaced by another version of the same moment

    def read(self) -> None:
        """Reads what was added since the last call, without what is rejected everywhere."""
        end = self._consumer.end_offsets([self._partition])[self._partition]
        while self._consumer.position(self._partition) < end:
            for record in self._consumer.poll(timeout_ms=_POLL_MS).get(self._partition, []):
                with suppress(ValueError):  # no JSON: a dead letter
                    self._add(json.loads(record.value), record.timestamp)

    def _add(self, event: dict[str, Any], appended_ms: int) -> None:
        data, number, noticed_ms = event["data"], event["data"]["version"], appended_ms + 60_000
        if event["type"] == "book.withdrawn":
            if number in self._versions and self._versions[number].since_ms >= noticed_ms:
                self._ended.add(number)
        elif number == len(self._versions) + 1:
            since_ms = _since(data, noticed_ms) if self._versions else 0
            if not self._versions or since_ms >= noticed_ms:
                self._ended.update(other for other, each in self._versions.items() if each.since_ms == since_ms)
                self._versions[number] = IndependentPricing(since_ms, data)

    def at(self, at_ms: int) -> IndependentPricing:
        """The version in force at a log time: of those that took effect, the last one."""
        counting = [version for number, version in self._versions.items() if number not in self._ended]
        return max((version for version in counting if version.since_ms <= at_ms), key=lambda each: each.since_ms)

    def close(self) -> None:
        self._consumer.close()


def _since(data: dict[str, Any], noticed_ms: int) -> int:
    """When a version takes effect: one minute after its append, if it names no time."""
    named = data.get("effective_from")
    return noticed_ms if named is None else (datetime.fromisoformat(named) - _EPOCH) // timedelta(milliseconds=1)


def _identity(record: ConsumerRecord, event: dict[str, Any]) -> Identity:
    signed = any(name == SIGNATURE for name, _ in record.headers)
    return event["subject"], signed, event_id_of(event["source"], event["id"])


@lru_cache(maxsize=100_000)
def _home_of(key: bytes, partitions: int) -> int:
    return partition_of(key, partitions)


def _nanos(credits: str) -> int:
    return int(Fraction(credits) * NANOS)
