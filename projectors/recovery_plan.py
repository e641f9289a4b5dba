"""The plan of `ledger recover`: everything that Postgres remembers and the topics lack, before anything is changed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ledger.core.errors import LedgerError
from ledger.log.book import BookNotReadable, StatedEvent
from ledger.log.book_history import read_history
from ledger.log.decoding import signature_check
from ledger.log.topic_reader import topic_reader
from ledger.log.topics import changed_topics
from ledger.postgres.types import Connection
from ledger.records import book_events, outbox
from ledger.settings import Settings
from ledger.views import lost_entries
from ledger.views.dead_letters import count_from
from ledger.views.lost_entries import IncompleteEvent
from projectors.log_comparison import Comparison, compare
from projectors.refold import Progress
from schemas.topics import DEAD_LETTERS, EVENTS, TOP_UPS

# Topics of the messages that folds send. They also forward records on ledger.events.
MESSAGE_TOPICS = (TOP_UPS, DEAD_LETTERS)
_AT_ONCE = 1_000


class NoViews(LedgerError):
    message = "There are no views, so it is not known what the log has lost"


class RecoveredOutOfOrder(LedgerError):
    message = "The log has later events of accounts whose earlier events it lacks: create its topic again, then recover"


class RecoveryPlan(NamedTuple):
    """`topics`: topics that were created again. `messages`: sent messages that are no longer on their topics, by topic.

    `dead_letters`: how many can't be recovered. `unrecoverable`: entries that can't be appended again.
    """

    comparison: Comparison
    topics: list[str]
    book: list[StatedEvent]
    messages: dict[str, int]
    dead_letters: int
    unrecoverable: list[str]

    @property
    def needs_recovery(self) -> bool:
        """Whether there is something to do."""
        return bool(self.topics or self.book or self.needs_refold)

    @property
    def needs_refold(self) -> bool:
        """Whether the log must be folded again: its offsets changed, or lost messages must be sent again."""
        return bool(self.comparison.changed or self.messages)


def plan_recovery(settings: Settings, connection: Connection, progress: Progress) -> RecoveryPlan:
    """Compares everything. The caller has named the views.

    Raises NoViews, RecoveredOutOfOrder, TopicMissing, TopicChanged, BookDiffers, KafkaUnreachable or Kafka's errors.
    """
    topics = changed_topics(settings, connection)
    if not lost_entries.views_exist(connection) or not (folded := lost_entries.folded(connection)):
        raise NoViews()
    book = _lost_of_the_book(settings, connection)
    comparison = compare(settings, connection, len(folded), progress)
    if accounts := lost_entries.out_of_order(connection):
        raise RecoveredOutOfOrder(f"{', '.join(accounts)}; see docs/how-to/recover.md")
    in_place = lost_entries.unchanged_up_to(connection)
    moved = {partition: in_place.get(partition, 0) for partition in comparison.changed}
    return RecoveryPlan(
        comparison=comparison,
        topics=topics,
        book=book,
        messages=_lost_messages(settings, connection, moved),
        dead_letters=sum(count_from(connection, settings.topic(EVENTS), *place) for place in moved.items()),
        unrecoverable=list(_unrecoverable(connection, comparison.records, progress)),
    )


def _lost_of_the_book(settings: Settings, connection: Connection) -> list[StatedEvent]:
    """The lost events of the book.

    Raises BookDiffers; BookNotReadable if the topic has one whose signature is wrong.
    """
    history = read_history(settings)
    book_events.note(connection, history.stated)
    lost = book_events.lost(book_events.kept(connection), history.stated)
    unsigned = {each.record.value for each in history.rejected if each.problem.code == "unsigned_book"}
    if unsigned & {event.value for event in lost}:
        raise BookNotReadable("its signature does not verify; are the secrets of LEDGER_SIGNING_KEYS the right ones?")
    return lost


def _unrecoverable(connection: Connection, total: int, progress: Progress) -> Iterator[str]:
    """The entries that can't be appended again. Every entry is checked before any is appended."""
    progress.begin("Reading what is missing", total)
    for number, entry in enumerate(lost_entries.lost_entries(connection), 1):
        try:
            lost_entries.event_of(entry)
        except IncompleteEvent as error:
            yield error.detail
        if number % _AT_ONCE == 0 or number == total:
            progress.reach(number)


def _lost_messages(settings: Settings, connection: Connection, moved: Mapping[int, int]) -> dict[str, int]:
    """How many sent messages are no longer on their topics. `moved`: by partition, the first offset that changed."""
    with outbox.published_ids(connection) as note:
        for name in MESSAGE_TOPICS:
            for message in _messages(settings, name):
                note(message["id"], name == DEAD_LETTERS and _is_moved(settings, message["data"], moved))
    return outbox.count_lost(connection, MESSAGE_TOPICS)


def _messages(settings: Settings, name: str) -> Iterator[dict[str, Any]]:
    """The messages on a topic with a valid signature; others don't count."""
    with topic_reader(settings, settings.topic(name)) as reader:
        reader.seek("beginning")
        for records in reader.records(follow=False):
            for record in records:
                if signature_check(record, settings.secrets).proof == "valid":
                    yield json.loads(record.value)


def _is_moved(settings: Settings, data: Mapping[str, Any], moved: Mapping[int, int]) -> bool:
    """Whether a dead letter names an offset of ledger.events that now has another record."""
    begins = moved.get(data["partition"]) if data["topic"] == settings.topic(EVENTS) else None
    return begins is not None and bool(data["offset"] >= begins)
