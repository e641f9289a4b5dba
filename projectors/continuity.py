"""Whether the log is still the one that was folded: the record that was folded last must still stand where it stood.

A broker that lost its tail and was filled anew, or a topic restored from elsewhere, would otherwise be folded on top
of a past that it doesn't have. The client doesn't notice; so it is asked at every assignment, reconnect and jump.
"""

from collections.abc import Sequence
from contextlib import closing

import psycopg
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from ledger.core.errors import LedgerError
from ledger.liveness import LIVENESS
from ledger.log.connecting import ANSWER_MS, COMMITTED, REQUEST_MS, kafka_options, refusals_in_words
from ledger.log.foreign import naming_the_batch
from ledger.log.reading import Record
from ledger.records.skips import Skip, skips
from ledger.settings import Settings
from ledger.views.writing import SQL
from projectors.fingerprint import fingerprint
from schemas.topics import EVENTS

# A worker waits for the answer, and asks again.
_PATIENCE = {"bootstrap_timeout_ms": 5000, "reconnect_backoff_max_ms": 1000, "request_timeout_ms": REQUEST_MS}


class LogDiverged(LedgerError):
    """The log is not the one that was folded. Restore the broker's data, or put back what it lost: `ledger recover`."""


class ViewsLost(LedgerError):
    """The views are empty but the log was folded before. Run `ledger rebuild`."""


def check_continuity(settings: Settings, partitions: set[int]) -> None:
    """Compares the record that was folded last, per partition, with the one on the log.

    Raises LogDiverged, LogUnreadable, KafkaRefusesUser or KafkaForbids; or KafkaError or psycopg's OperationalError,
    which say nothing about the log.
    """
    with psycopg.connect(settings.database, **LIVENESS) as connection:
        stored = {
            partition: connection.execute(SQL["load_progress"], {"partition": partition}).fetchone()
            for partition in partitions
        }
        passed_over = skips(connection, settings.topic(EVENTS))
    options = kafka_options(settings) | COMMITTED | _PATIENCE
    with refusals_in_words(), closing(KafkaConsumer(**options, enable_auto_commit=False)) as consumer:
        for partition, row in stored.items():
            if row is not None:
                place = TopicPartition(settings.topic(EVENTS), partition)
                _check(consumer, place, row, passed_over.get(partition, ()))


def _check(
    consumer: KafkaConsumer,
    tp: TopicPartition,
    folded: tuple[int, int | None, str | None],
    passed_over: Sequence[Skip],
) -> None:
    next_offset, last_offset, last_record = folded
    end = consumer.end_offsets([tp], timeout_ms=ANSWER_MS)[tp]
    beginning = consumer.beginning_offsets([tp], timeout_ms=ANSWER_MS)[tp]
    if end < next_offset:
        raise LogDiverged(f"{tp.topic}/{tp.partition} ends at {end}, folded up to {next_offset}: it lost its tail")
    if beginning > next_offset:
        raise LogDiverged(f"{tp.topic}/{tp.partition} begins at {beginning}, folded up to {next_offset}: a gap")
    if last_offset is None or last_offset < beginning:
        return
    if any(skip.first <= last_offset <= skip.last for skip in passed_over):
        return  # it was folded while it could be read
    record = _record_at(consumer, tp, last_offset)
    if record is None or fingerprint(record) != last_record:
        raise LogDiverged(f"{tp.topic}/{tp.partition}: another record stands at offset {last_offset}")


def _record_at(consumer: KafkaConsumer, tp: TopicPartition, offset: int) -> Record | None:
    consumer.assign([tp])
    consumer.seek(tp, offset)
    with naming_the_batch(consumer):
        records: list[Record] = consumer.poll(timeout_ms=ANSWER_MS, max_records=1).get(tp, [])
    if not records and (consumer.position(tp, timeout_ms=ANSWER_MS) or 0) <= offset:
        raise KafkaTimeoutError(f"{tp.topic}/{tp.partition}: the broker does not answer")
    return records[0] if records and records[0].offset == offset else None
