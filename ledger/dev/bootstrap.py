"""Turns an empty broker and an empty database into a ledger: schema, topics, the book's first version.

Safe to repeat.
"""

import json
from collections.abc import Callable

from ledger.core.errors import LedgerError
from ledger.dev.first_book import first_book
from ledger.log.book import BookEmpty, BookFollower, publish_version
from ledger.log.book_history import version_of
from ledger.log.publisher import Publisher
from ledger.log.topics import check_topics, create_topics
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.records.claiming import claim
from ledger.records.migrate import migrate
from ledger.settings import Settings
from schemas.book import BookVersion


class FirstBookInvalid(LedgerError):
    message = "The file of the first book is not a JSON object"


def bootstrap(settings: Settings, book: Callable[[], BookVersion] | None = None) -> bool:
    """Migrates, creates the topics, and publishes a book if there is none yet (by default the development book).

    Returns whether it published. Raises BookStale or BookNotReadable if the topic can't be read; LogHasAnotherOwner;
    FoldOnly.
    """
    migrate(settings.database)
    create_topics(settings)
    with connect(settings.database, COMMAND) as connection:
        check_topics(settings, connection)
        claim(settings, connection)
    follower = BookFollower(settings)
    try:
        follower.wait(timeout_seconds=30)
        follower.book()
        return False
    except BookEmpty:
        first = book() if book else first_book(settings.signing_key_id)
        with Publisher(settings) as publisher:
            publish_version(publisher, first, settings.signing_key())
        return True
    finally:
        follower.close()


def first_version_of(text: str, signing_key_id: str) -> BookVersion:
    """The first version in a file. This key signs it, unless the file names others.

    Raises FirstBookInvalid or BookVersionInvalid.
    """
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise FirstBookInvalid(str(error)) from None
    if not isinstance(stated, dict):
        raise FirstBookInvalid()
    return version_of(json.dumps({"version": 1, "signing_keys": [{"key_id": signing_key_id}], **stated}))
