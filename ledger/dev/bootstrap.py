"""Makes an empty broker and an empty database a ledger: schema, topics, first version of the book. Safe to repeat."""

import psycopg

from ledger.dev.first_book import first_book
from ledger.log.book import Follower, publish_version
from ledger.log.publisher import Publisher
from ledger.log.topics import check_topics, create_topics
from ledger.records.migrate import migrate
from ledger.settings import Settings
from schemas.book import BookVersion


def bootstrap(settings: Settings, book: BookVersion | None = None) -> None:
    """Migrates, makes the topics, and publishes `book` (or the first book) where there is none yet."""
    migrate(settings.database)
    create_topics(settings)
    with psycopg.connect(settings.database) as connection:
        check_topics(settings, connection)
    follower = Follower(settings)
    try:
        follower.wait(timeout_seconds=30)
        if follower.latest is None:
            with Publisher(settings) as publisher:
                publish_version(publisher, book or first_book(settings.signing_key_id), settings.signing_key())
    finally:
        follower.close()
