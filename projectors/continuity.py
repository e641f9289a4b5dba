"""Whether the log is still the one that was folded: the record that was folded last must still stand where it stood.

A broker that lost its tail and was filled anew, or a topic restored from elsewhere, would otherwise be folded on top
of a past that it doesn't have. The client doesn't notice; so it is asked at every assignment, reconnect and jump.
"""

from contextlib import closing

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.connecting import kafka_options, refusals_in_words
from ledger.log.reading import Record
from ledger.records.release import connect
from ledger.settings import Settings
from ledger.views.writing import SQL
from projectors.fingerprint import fingerprint
from schemas.topics import EVENTS


class LogDiverged(LedgerError, exit_code=EXIT_CONFIG):
    """The log is not the one that was folded. Restore the broker's data, or fold what it has with `ledger rebuild`."""


class ViewsLost(LedgerError, exit_code=EXIT_CONFIG):
    """The views are empty but the log was folded before. Run `ledger rebuild`."""


def check_continuity(settings: Settings, partitions: set[int]) -> None:
    """Compares the record that was folded last, per partition, with the one on the log.

    Raises LogDiverged, OtherRelease, KafkaRefusesUser or KafkaForbids; or KafkaError or psycopg's OperationalError,
    which say nothing about the log.
    """
    with connect(settings.database, connect_timeout=5) as connection:
        stored = {
            partition: connection.execute(SQL["load_progress"], {"partition": partition}).fetchone()
            for partition in partitions
        }
    with refusals_in_words(), closing(KafkaConsumer(**kafka_options(settings), enable_auto_commit=False)) as consumer:
        for partition, row in stored.items():
            if row is not None:
                _check(consumer, TopicPartition(settings.topic(EVENTS), partition), *row)


def _check(
    consumer: KafkaConsumer, tp: TopicPartition, next_offset: int, last_offset: int | None, last_record: str | None
) -> None:
    end, beginning = consumer.end_offsets([tp])[tp], consumer.beginning_offsets([tp])[tp]
    if end < next_offset:
        raise LogDiverged(f"{tp.topic}/{tp.partition} ends at {end}, folded up to {next_offset}: it lost its tail")
    if beginning > next_offset:
        raise LogDiverged(f"{tp.topic}/{tp.partition} begins at {beginning}, folded up to {next_offset}: a gap")
    if last_offset is None or last_offset < beginning:
        return
    record = _record_at(consumer, tp, last_offset)
    if record is None or fingerprint(record) != last_record:
        raise LogDiverged(f"{tp.topic}/{tp.partition}: another record stands at offset {last_offset}")


def _record_at(consumer: KafkaConsumer, tp: TopicPartition, offset: int) -> Record | None:
    consumer.assign([tp])
    consumer.seek(tp, offset)
    records: list[Record] = consumer.poll(timeout_ms=10_000, max_records=1).get(tp, [])
    if not records and consumer.position(tp) <= offset:
        raise KafkaTimeoutError(f"{tp.topic}/{tp.partition}: the broker does not answer")
    return records[0] if records and records[0].offset == offset else None
