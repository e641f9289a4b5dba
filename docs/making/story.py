"""The examples of docs/reference/events.md: one of each type, folded by the ledger's own rules."""

from typing import NamedTuple

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.entry import Applied, Fact
from ledger.core.errors import Unpriced
from ledger.core.fold import apply
from ledger.dev.first_book import first_book
from schemas.book import BookPublished, BookWithdrawn, Withdrawal
from schemas.dead_letters import DeadLetter, RecordDeadLettered
from schemas.envelope import Envelope
from schemas.events import ROUTER_TYPES, Event
from schemas.examples import records_story, story
from schemas.identity import content_of, derived_id, event_id_of
from schemas.signatures import SigningKey
from schemas.topics import EVENTS

KEY = SigningKey("key-1", b"not a secret, but an example")
_START_MS = 1_795_255_200_000


class Shown(NamedTuple):
    """An event, and what the fold answered when it is one of `ledger.events`."""

    event: Envelope
    applied: Applied | None = None


def examples() -> dict[str, Shown]:
    """By type: the story's first, the effects that its fold has, a version of the book, a dead letter."""
    found: dict[str, Shown] = {}
    for event, applied in folded():
        found.setdefault(event.type, Shown(event, applied))
        for effect in applied.effects:
            found.setdefault(effect.type, Shown(effect))
    book = BookPublished(source="ledger/book", id=derived_id("book", "1"), data=first_book(KEY.key_id))
    withdrawn = BookWithdrawn(source="ledger/book", id=derived_id("book", "withdrawn", "2"), data=Withdrawal(version=2))
    found |= {event.type: Shown(event) for event in (*records_story(), book, withdrawn)}
    return {**found, "record.dead_lettered": Shown(_dead_letter())}


def folded() -> list[tuple[Event, Applied]]:
    """The story, and what the fold says to each of its events. Raises Refused should one not be accepted."""
    found: list[tuple[Event, Applied]] = []
    accounts: dict[str, Account] = {}
    book = Book().with_version(first_book(KEY.key_id), 0)
    for minute, event in enumerate(story()):
        key_id = None if event.type in ROUTER_TYPES else KEY.key_id
        fact = Fact(event, event_id_of(event.source, event.id), content_of(event), key_id)
        account = accounts.get(event.subject, Account(event.subject))
        applied = apply(account, fact, _START_MS + minute * 60_000, book)
        accounts[event.subject] = applied.account
        found.append((event, applied))
    return found


def _dead_letter() -> RecordDeadLettered:
    """What becomes of usage of a model that the book doesn't know."""
    refusal = Unpriced("openai/gpt-99", field="data.model")
    excerpt = '{"specversion": "1.0", "type": "usage.recorded", "id": "req_10"'
    data = DeadLetter(
        topic=EVENTS,
        partition=3,
        offset=1207,
        code=refusal.code,
        field=refusal.field,
        reason=refusal.reason,
        excerpt=excerpt,
    )
    place = f"{EVENTS}/3"
    id = derived_id(place, "dead-letter", "1207")
    return RecordDeadLettered(source="ledger/projector", id=id, subject=place, data=data)
