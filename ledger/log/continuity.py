"""Whether the log is still the one that was folded: the record that was folded last must be where it was.

A log that lost its tail and was filled again, or a topic from another backup, would otherwise be folded on top
of a past that it doesn't have, and written on top of it. Kafka's clients don't notice.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from kafka import TopicPartition

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.log.fingerprint import fingerprint
from ledger.log.survey import Survey, Surveyor

_SHOWN = 5


class LogDiverged(LedgerError, exit_code=EXIT_CONFIG):
    message = (
        "The log is not the one that was folded. Restore the broker's data, or put back what it lost: `ledger recover`"
    )


def diverged(differences: Iterable[str]) -> list[LedgerError]:
    """One error that names the first partitions and counts the others; no error without differences."""
    first, more = list(islice(differences := iter(differences), _SHOWN)), sum(1 for _ in differences)
    sentence = "; ".join(first) + (f"; and {more} more partitions" if more else "")
    return [LogDiverged(sentence)] if first else []


class Folded(NamedTuple):
    """How far the views have folded a partition, and which record was the last."""

    next_offset: int
    last_offset: int | None
    last_record: str | None


class Stretch(NamedTuple):
    """Offsets of a partition, both ends included."""

    partition: int
    first: int
    last: int

    def has(self, partition: int, offset: int) -> bool:
        """Whether the offset is one of them."""
        return partition == self.partition and self.first <= offset <= self.last


class Comparison(NamedTuple):
    """What does not fit, a sentence per partition; and the partitions that did not answer."""

    differences: dict[TopicPartition, str]
    unanswered: frozenset[TopicPartition]


def compare(
    surveyor: Surveyor, survey: Survey, topic: str, folded: Mapping[int, Folded], skipped: Collection[Stretch]
) -> Comparison:
    """Compares what was folded, by partition, with the log. `topic` with the deployment's prefix.

    `skipped`: stretches that were folded and can't be read any more. Raises KafkaError, KafkaRefusesUser, KafkaForbids,
    LogUnreadable.
    """
    places = {TopicPartition(topic, number): each for number, each in folded.items()}
    differences = {place: why for place, each in places.items() if (why := _out_of_bounds(survey, place, each))}
    offsets = {
        place: each.last_offset
        for place, each in places.items()
        if place not in differences
        and each.last_offset is not None
        and not any(stretch.has(place.partition, each.last_offset) for stretch in skipped)
        and survey.begins.get(place, each.next_offset) <= each.last_offset
    }
    records = surveyor.records_at({place: offset for place, offset in offsets.items() if place in survey.ends})
    for place, record in records.items():
        if record is None or fingerprint(record) != places[place].last_record:
            differences[place] = f"{_name(place)}: another record is at offset {offsets[place]}"
    return Comparison(dict(sorted(differences.items())), frozenset(offsets.keys() - records.keys()))


def _out_of_bounds(survey: Survey, place: TopicPartition, folded: Folded) -> str | None:
    end, begin = survey.ends.get(place), survey.begins.get(place)
    if end is not None and end < folded.next_offset:
        return f"{_name(place)} ends at {end}, folded up to {folded.next_offset}: it lost its tail"
    if begin is not None and begin > folded.next_offset:
        return f"{_name(place)} begins at {begin}, folded up to {folded.next_offset}: a gap"
    return None


def _name(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"
