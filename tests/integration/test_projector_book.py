"""Whatever is on the book's topic and is no version of it is a dead letter; the fold goes by the versions only."""

from pathlib import Path

import psycopg

from ledger.dev.first_book import first_book
from ledger.log.book import publish_version
from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.book import BOOK_SUBJECT
from schemas.dead_letters import DEAD_LETTER
from schemas.signatures import SigningKey
from schemas.topics import BOOK, DEAD_LETTERS
from tests.support.events import Ids, sender, usage
from tests.support.waiting import eventually
from tests.support.workers import crew, records_of, wait_until_projected

IDS = Ids(19)
STRANGER = SigningKey("stranger", b"another secret")


def rejected(settings: Settings) -> list[tuple[int, str]]:
    with psycopg.connect(settings.database) as connection:
        query = "SELECT log_offset, code FROM views.dead_letters WHERE topic = %s AND partition = 0 ORDER BY log_offset"
        return connection.execute(query, [settings.topic(BOOK)]).fetchall()


def test_a_record_that_is_no_version_is_a_dead_letter_once_and_the_book_goes_on(
    settings: Settings, tmp_path: Path
) -> None:
    second = first_book(settings.signing_key_id).model_copy(update={"version": 2})
    with Publisher(settings) as publisher:
        publisher.append(BOOK, BOOK_SUBJECT.encode(), b"prices, I think").position()
        publish_version(publisher, second, STRANGER)
        publish_version(publisher, second.model_copy(update={"version": 3}), settings.signing_key())
        publish_version(publisher, second, settings.signing_key())
    wanted = [(1, "invalid"), (2, "unsigned_book"), (3, "book_version_out_of_order")]
    with sender(settings) as log:
        log.send(usage("acct_1", IDS()))
    with crew(settings, tmp_path) as members:
        worker = members.start()
        eventually(lambda: rejected(settings) == wanted, 30, lambda: (rejected(settings), worker.output))
        wait_until_projected(settings)
        assert worker.stop() == 0
        members.start()
        with sender(settings) as log:
            log.send(usage("acct_1", IDS()))
        wait_until_projected(settings)
    letters = [DEAD_LETTER.validate_json(record.value).data for record in records_of(settings, DEAD_LETTERS, 1)]
    assert sorted((letter.offset, letter.code) for letter in letters) == wanted
    assert {letter.topic for letter in letters} == {settings.topic(BOOK)}
