"""Repairs of how kafka-python 3.0.12 reads what other clients have written. `install` installs them.

It refuses a whole batch because the name of one header is not UTF-8. It decompresses a batch to any size. It notices
that a codec is missing only when a batch needs it. After a batch that it can't read, its next poll never ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, codec
from kafka.errors import CorruptRecordError, KafkaError, UnsupportedCodecError
from kafka.record import default_records, memory_records
from kafka.record.default_records import ControlRecord, DefaultRecord, DefaultRecordBatch

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.batches import Times, gunzipped, record_at, unlz4ed, unzstded

CODECS = ("gzip", "snappy", "lz4", "zstd")


class CodecMissing(LedgerError, exit_code=EXIT_CONFIG):
    message = (
        "A library is missing that reads what other clients compress; install the ledger with all of its dependencies"
    )


class LogUnreadable(LedgerError, exit_code=EXIT_CONFIG):
    message = "A batch of the log can't be read; decide what becomes of it: docs/how-to/records-of-other-clients.md"


def install() -> None:
    """Repairs kafka-python in this process. Raises CodecMissing."""
    refuse_missing_codecs(codec, "kafka-python")
    memory_records.DefaultRecordBatch = _Batch
    default_records.gzip_decode = gunzipped
    default_records.lz4_decode = unlz4ed
    default_records.zstd_decode = unzstded


def refuse_missing_codecs(codecs: Any, client: str) -> None:
    """`codecs`: the module of a client that knows which it has. Raises CodecMissing."""
    missing = [name for name in CODECS if not getattr(codecs, f"has_{name}")()]
    if missing:
        raise CodecMissing(f"{client} can't read {', '.join(missing)}")


@contextmanager
def naming_the_batch(consumer: KafkaConsumer) -> Iterator[None]:
    """Raises LogUnreadable, which names the batch; then this consumer must not be polled again."""
    try:
        yield
    except (CorruptRecordError, UnsupportedCodecError) as error:
        raise _unreadable(consumer, error) from error
    except Exception as error:
        # What a decompressor raises may be anything but an error of Kafka's, or of ours.
        if isinstance(error, KafkaError | LedgerError) or consumer._fetcher._next_partition_records is None:
            raise
        raise _unreadable(consumer, error) from error


def _unreadable(consumer: KafkaConsumer, error: Exception) -> LogUnreadable:
    part = consumer._fetcher._next_partition_records
    place = "" if part is None else f"{part.topic_partition.topic}/{part.topic_partition.partition}"
    offset = "?" if part is None else part.next_fetch_offset
    return LogUnreadable(f"{place} at offset {offset}: {error or type(error).__name__}")


class _Batch(DefaultRecordBatch):  # type: ignore[misc]  # kafka-python ships no types
    _pos: int

    def _read_msg(self, *arguments: Any) -> Any:
        try:
            return super()._read_msg(*arguments)
        except UnicodeDecodeError:
            times = Times(self.first_timestamp, self.max_timestamp if self.timestamp_type else None)
            start = self._pos
            record, behind = record_at(self._buffer, start, self.base_offset, times)
            size, self._pos = behind - start, behind
            kind = ControlRecord if self.is_control_batch else DefaultRecord
            return kind(
                size, record.offset, record.timestamp, self.timestamp_type, record.key, record.value, record.headers
            )
