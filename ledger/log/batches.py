"""Reads batches of the log without a Kafka client: those that the clients refuse to read.

They refuse a whole batch for the name of one header that is not UTF-8, which any producer can send. Here such a name
is escaped. A batch that can't be read here either becomes an `UnreadableStretch`: its offsets, and why.
"""

import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from crc32c import crc32c
from kafka.codec import snappy_decode

from ledger.core.errors import TooLarge
from ledger.log.dead_letters import problem_of
from ledger.log.record import PlainRecord, Record
from ledger.log.validation import SkippedRecord

# A producer's batch is a few MB at most; one of 1 MB that grows a thousandfold is meant to use up our memory.
BATCH_BYTES_MAX = 64 * 1024 * 1024

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_FROM = struct.calcsize(">qi")  # the batch's length counts what comes after it
_CRC_FROM = struct.calcsize(">qiibI")


class BadBatch(ValueError):
    """Why a batch can't be read."""


class GrowsTooLarge(BadBatch):
    """The batch would use up memory. Every reader finds that out, so no person has to decide about it."""


class UnreadableStretch(NamedTuple):
    """A stretch of the log that can't be read. `last` None: how far it goes is not known."""

    first: int
    last: int | None
    reason: str

    def __str__(self) -> str:
        to = "an unknown offset" if self.last is None else str(self.last)
        return f"offsets {self.first} to {to} can't be read: {self.reason}"


class ReadBatch(NamedTuple):
    """The records of a batch that a reader of committed records sees, and the offset behind the batch."""

    records: Sequence[Record]
    next_offset: int


class Times(NamedTuple):
    """What the times of records follow from. `appended`: the broker's time, one for all; None: each has its own."""

    first: int
    appended: int | None


class _Header(NamedTuple):
    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def times(self) -> Times:
        return Times(self.first_timestamp, self.max_timestamp if self.attributes & 0x08 else None)

    @property
    def transactional(self) -> bool:
        return bool(self.attributes & 0x10)

    @property
    def control(self) -> bool:
        return bool(self.attributes & 0x20)


def read_first(
    data: bytes, offset: int, end: int, aborted: Collection[tuple[int, int]]
) -> ReadBatch | UnreadableStretch:
    """The first batch of a fetch that was to begin at `offset`, of a log that ends at `end`.

    `aborted`: the producer and the first offset of each aborted transaction in it, as the broker lists them.
    """
    try:
        header = _Header(*_HEADER.unpack_from(data))
        behind = header.base_offset + header.last_offset_delta + 1
        body = _body(header, data)
        if header.control or _is_aborted(header, aborted):
            return ReadBatch((), behind)
        records = list(_records(header, decompressed(header.attributes & 0x07, body)))
    except GrowsTooLarge as error:
        return ReadBatch([SkippedRecord(offset, header.max_timestamp, problem_of(TooLarge(str(error))))], behind)
    except Exception as error:  # of any kind: what it holds is a stranger's, and each codec has errors of its own
        return UnreadableStretch(offset, _last_of_first(data, offset, end), str(error) or type(error).__name__)
    return ReadBatch([record for record in records if record.offset >= offset], behind)


def _is_aborted(header: _Header, aborted: Collection[tuple[int, int]]) -> bool:
    return header.transactional and any(
        producer == header.producer_id and first <= header.base_offset for producer, first in aborted
    )


def _last_of_first(data: bytes, offset: int, end: int) -> int | None:
    """The last offset of the first batch: the offset before the next batch. The batch's own field may be broken."""
    if len(data) < _HEADER.size:
        return None
    base, length, *rest = _HEADER.unpack_from(data)
    following = _LENGTH_FROM + length
    claims = [base + rest[4]]
    if 0 < following <= len(data) - 8:
        claims.insert(0, struct.unpack_from(">q", data, following)[0] - 1)
    return next((last for last in claims if offset <= last < end), None)


def record_at(body: bytes | bytearray, place: int, base_offset: int, times: Times) -> tuple[PlainRecord, int]:
    """The record at this place of a batch's content, and the place behind it. Raises BadBatch, IndexError."""
    length, place = _varint(body, place)
    ends = place + length
    _, place = _varint(body, place)  # attributes, which are not used
    time_delta, place = _varint(body, place)
    offset_delta, place = _varint(body, place)
    key, place = _bytes(body, place)
    value, place = _bytes(body, place)
    count, place = _varint(body, place)
    headers = []
    for _ in range(count):
        name, place = _bytes(body, place)
        content, place = _bytes(body, place)
        headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
    if place != ends:
        raise BadBatch("a record is not as long as it says")
    timestamp = times.appended if times.appended is not None else times.first + time_delta
    return PlainRecord(key, value, headers, base_offset + offset_delta, timestamp), place


def _body(header: _Header, data: bytes) -> bytes:
    """What follows the header of the batch, still compressed. Raises BadBatch."""
    batch = memoryview(data)[: _LENGTH_FROM + header.length]
    if header.length < _HEADER.size - _LENGTH_FROM or len(batch) < _LENGTH_FROM + header.length:
        raise BadBatch(f"the batch says that it has {header.length} bytes, and is cut short")
    if header.magic != 2:
        raise BadBatch(f"message format {header.magic} is not known")
    if crc32c(bytes(batch[_CRC_FROM:])) != header.crc:
        raise BadBatch("the checksum is wrong")
    return bytes(batch[_HEADER.size :])


def _records(header: _Header, body: bytes) -> Iterator[PlainRecord]:
    place = 0
    for _ in range(header.record_count):
        record, place = record_at(body, place, header.base_offset, header.times)
        yield record
    if place != len(body):
        raise BadBatch(f"{len(body) - place} bytes follow the last record")


def _varint(body: bytes | bytearray, place: int) -> tuple[int, int]:
    """A number in Kafka's zigzag notation, and the place behind it."""
    number = shift = 0
    while True:
        byte = body[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), place
        shift += 7
        if shift > 63:
            raise BadBatch("a number is too long")


def _bytes(body: bytes | bytearray, place: int) -> tuple[bytes | None, int]:
    length, place = _varint(body, place)
    if length < 0:
        return None, place
    if place + length > len(body):
        raise BadBatch("a record is cut short")
    return bytes(body[place : place + length]), place + length


def decompressed(codec: int, data: bytes) -> bytes:
    """A batch, decompressed. Raises BadBatch when its codec is unknown, or when it grows beyond BATCH_BYTES_MAX."""
    match codec:
        case 0:
            return data
        case 1:
            return gunzipped(data)
        case 2:
            return bytes(snappy_decode(data))  # at most some 20 times as long: the format can't say more
        case 3:
            return unlz4ed(data)
        case 4:
            return unzstded(data)
    raise BadBatch(f"codec {codec} is not known")


def gunzipped(data: Any) -> bytes:
    """Decompresses gzip, up to BATCH_BYTES_MAX."""
    return _within_bounds(zlib.decompressobj(wbits=31).decompress(data, BATCH_BYTES_MAX + 1))


def unlz4ed(data: Any) -> bytes:
    """Decompresses lz4, up to BATCH_BYTES_MAX."""
    import lz4.frame  # here, so that a process that lacks it can say so

    return _within_bounds(lz4.frame.LZ4FrameDecompressor().decompress(data, BATCH_BYTES_MAX + 1))


def unzstded(data: Any) -> bytes:
    """Decompresses zstd, up to BATCH_BYTES_MAX."""
    import zstandard

    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return _within_bounds(reader.read(BATCH_BYTES_MAX + 1))


def _within_bounds(text: bytes) -> bytes:
    if len(text) > BATCH_BYTES_MAX:
        raise GrowsTooLarge(f"the batch grows to more than {BATCH_BYTES_MAX} bytes when it is decompressed")
    return text
