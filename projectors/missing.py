"""What `ledger recover` has found: everything that is not where Postgres remembers it, before anything is done."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ledger.core.errors import LedgerError
from ledger.log.book import BookNotReadable, StatedVersion
from ledger.log.book_history import read_history
from ledger.log.decoding import signature_check
from ledger.log.topic_reader import topic_reader
from ledger.log.topics import changed_topics
from ledger.postgres.types import Connection
from ledger.records import book_versions, outbox
from ledger.settings import Settings
from ledger.views import lost_entries
from ledger.views.dead_letters import count_from
from ledger.views.lost_entries import EventNotWhole
from projectors.comparing import Comparison, compare
from projectors.refolding import Watch
from schemas.topics import DEAD_LETTERS, EVENTS, TOP_UPS

# What the folds say; on ledger.events they also send records on.
SAID = (TOP_UPS, DEAD_LETTERS)
_AT_ONCE = 1_000


class NothingKept(LedgerError):
    message = "There are no views, so nothing is known of what the log has lost"


class RecoveredOutOfOrder(LedgerError):
    message = "The log has later events of accounts of which it lacks earlier ones: make its topic anew, then recover"


class Missing(NamedTuple):
    """What was found. `topics`: made anew; `messages`: sent and not on their topics any more, by topic.

    `dead_letters`: of records that are gone for good; `not_whole`: entries that can't be appended again.
    """

    comparison: Comparison
    topics: list[str]
    book: list[StatedVersion]
    messages: dict[str, int]
    dead_letters: int
    not_whole: list[str]

    @property
    def anything(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.topics or self.book or self.refolds)

    @property
    def refolds(self) -> bool:
        """Whether the log has to be folded again: its offsets changed, or a fold has to say again what was lost."""
        return bool(self.comparison.changed or self.messages)


def missing(settings: Settings, connection: Connection, watch: Watch) -> Missing:
    """Looks at everything. The caller has named the views.

    Raises NothingKept, RecoveredOutOfOrder, TopicMissing, TopicChanged, BookDiffers, LogAway or what else Kafka says.
    """
    topics = changed_topics(settings, connection)
    if not lost_entries.there(connection) or not (folded := lost_entries.folded(connection)):
        raise NothingKept()
    book = _lost_versions(settings, connection)
    comparison = compare(settings, connection, len(folded), watch)
    if accounts := lost_entries.out_of_order(connection):
        raise RecoveredOutOfOrder(f"{', '.join(accounts)}; see docs/how-to/recover.md")
    in_place = lost_entries.in_place(connection)
    moved = {partition: in_place.get(partition, 0) for partition in comparison.changed}
    return Missing(
        comparison=comparison,
        topics=topics,
        book=book,
        messages=_unsaid(settings, connection, moved),
        dead_letters=sum(count_from(connection, settings.topic(EVENTS), *place) for place in moved.items()),
        not_whole=list(_not_whole(connection, comparison.records, watch)),
    )


def _lost_versions(settings: Settings, connection: Connection) -> list[StatedVersion]:
    """Raises BookDiffers, or BookNotReadable when what the topic lacks is there and does not verify."""
    history = read_history(settings)
    book_versions.note(connection, history.stated)
    lost = book_versions.lost(book_versions.kept(connection), history.stated)
    unsigned = {each.record.value for each in history.rejected if each.problem.code == "unsigned_book"}
    if unsigned & {version.value for version in lost}:
        raise BookNotReadable("its signature does not verify; are the secrets of LEDGER_SIGNING_KEYS the right ones?")
    return lost


def _not_whole(connection: Connection, total: int, watch: Watch) -> Iterator[str]:
    """Every entry is rehearsed before any is appended."""
    watch.begin("Reading what is missing", total)
    for number, entry in enumerate(lost_entries.lost_entries(connection), 1):
        try:
            lost_entries.event_of(entry)
        except EventNotWhole as error:
            yield error.detail
        if number % _AT_ONCE == 0 or number == total:
            watch.reach(number)


def _unsaid(settings: Settings, connection: Connection, moved: Mapping[int, int]) -> dict[str, int]:
    """How many messages of the folds are not on their topics any more. `moved`: from which offset on, by partition."""
    with outbox.said(connection) as note:
        for name in SAID:
            for message in _messages(settings, name):
                note(message["id"], name == DEAD_LETTERS and _is_moved(settings, message["data"], moved))
    return outbox.count_unsaid(connection, SAID)


def _messages(settings: Settings, name: str) -> Iterator[dict[str, Any]]:
    """What is on a topic and signed by us; what anybody else wrote there says nothing."""
    with topic_reader(settings, settings.topic(name)) as reader:
        reader.seek("beginning")
        for records in reader.records(follow=False):
            for record in records:
                if signature_check(record, settings.secrets).proof == "valid":
                    yield json.loads(record.value)


def _is_moved(settings: Settings, data: Mapping[str, Any], moved: Mapping[int, int]) -> bool:
    """Whether a dead letter is about a place of ledger.events where another record is now."""
    begins = moved.get(data["partition"]) if data["topic"] == settings.topic(EVENTS) else None
    return begins is not None and bool(data["offset"] >= begins)
