"""A restored dump revives no key and no customer: what was ended since is on the log, and is ended again."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from kafka import KafkaAdminClient, TopicPartition

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.log.connecting import kafka_options
from ledger.records import api_keys, webhook_endpoints
from ledger.settings import Settings
from schemas.supplier import Supplier
from schemas.topics import RECORDS
from tests.support.commands import command
from tests.support.dumps import dump, restored
from tests.support.events import Ids, event, sender
from tests.support.invoicing import SUPPLIER, append, invoicing, issued, purchased, rows
from tests.support.ledgers import new_ledger
from tests.support.servers import api, client, key
from tests.support.waiting import eventually
from tests.support.workers import crew, records_of, wait_until_projected

IDS = Ids(31)
SECRET = "Ada Lovelace of Bonn"
NOWHERE = "127.0.0.1:9"


@pytest.fixture
def own(stack: Stack) -> Settings:
    """A ledger of the test's own, with two accounts."""
    settings = new_ledger(stack)
    bootstrap(settings)
    with sender(settings) as log:
        log.send(*(event("account.opened", account, {}, IDS()) for account in ("gone", "stays")))
    return settings


def ledger(settings: Settings, *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    ended = command(settings, *words, "--yes", "--json")
    assert ended.exit_code == 0, ended.stderr
    return json.loads(ended.stdout)


def types_on_records_topic(settings: Settings) -> list[str]:
    """The types of what is on ledger.records."""
    return [json.loads(record.value)["type"] for record in records_of(settings, RECORDS, 1)]


def move_in(settings: Settings, account: str) -> dict[str, str]:
    """A customer with all that may be ended: the ids of a tax id and an endpoint, and a key."""
    with psycopg.connect(settings.database, autocommit=True) as connection:
        connection.execute("INSERT INTO records.profiles (account_id, name) VALUES (%s, %s)", (account, SECRET))
        (tax_id,) = connection.execute(
            "INSERT INTO records.tax_ids (account_id, country, type, value) VALUES (%s, 'DE', 'x', %s) "
            "RETURNING tax_id::text",
            (account, SECRET),
        ).fetchone()  # type: ignore[misc]
        made = webhook_endpoints.create(connection, account, "https://ada.example/", SECRET, [], "whsec_AAAA")
        connection.execute(
            "INSERT INTO records.portal_sessions (account_id, page, link_hash, link_until, cookie_hash, expires_at) "
            "VALUES (%s, 'overview', %s, now(), %s, now() + interval '2 hours')",
            (account, account.encode(), account.encode()),
        )
    return {"tax_id": tax_id, "endpoint_id": made.endpoint_id, "key": key(settings, account=account)}


def left(settings: Settings, table: str, account: str) -> int:
    """How many rows of the account say who it is."""
    sql = f"SELECT count(*) AS n FROM records.{table} t WHERE account_id = %s AND t::text LIKE %s"
    return int(rows(settings, sql, account, f"%{SECRET}%")[0]["n"])


def status(url: str, token: str) -> int:
    with client(url, token) as http:
        return http.get("/v1/prices").status_code


def test_what_was_ended_since_the_dump_is_ended_again(stack: Stack, own: Settings, tmp_path: Path) -> None:
    gone, stays = move_in(own, "gone"), move_in(own, "stays")
    stolen, kept = key(own), key(own)
    with crew(own, tmp_path) as workers, api(own, tmp_path) as url, client(url, kept) as http:
        workers.start()
        wait_until_projected(own)
        yesterday = dump(own, tmp_path)
        assert ledger(own, "keys", "revoke", api_keys.parse(stolen).key_id)["on_log"]  # type: ignore[union-attr]
        assert ledger(own, "erase", "gone")["on_log"]
        assert http.delete(f"/v1/webhook-endpoints/{stays['endpoint_id']}").status_code == 204
        assert http.delete(f"/v1/accounts/stays/tax-ids/{stays['tax_id']}").status_code == 204
    on_log = records_of(own, RECORDS, 1)
    assert not any(word in record.value for record in on_log for word in (b"Ada", b"ada.example", b"lk_"))
    before = types_on_records_topic(own)
    assert sorted(before) == [
        "account.erased",
        "api_key.revoked",
        "api_key.revoked",
        "log.claimed",
        "tax_id.deleted",
        "webhook_endpoint.ended",
        "webhook_endpoint.ended",
    ]

    today = restored(stack, own, yesterday)
    assert left(today, "profiles", "gone") == 1
    with api(today, tmp_path) as url:  # before any worker has looked at the log
        assert [status(url, token) for token in (stolen, gone["key"], kept, stays["key"])] == [401, 401, 200, 200]
    with crew(today, tmp_path) as workers:
        workers.start()
        eventually(lambda: not left(today, "profiles", "gone"))
        kinds = ("tax_ids", "webhook_endpoints")
        eventually(lambda: not any(left(today, table, "gone") for table in kinds))
        assert left(today, "profiles", "stays") == 1
        assert left(today, "tax_ids", "stays") == 0
        ended = rows(today, "SELECT account_id FROM records.webhook_endpoints WHERE disabled_at IS NOT NULL")
        assert {row["account_id"] for row in ended} == {"gone", "stays"}
        assert rows(today, "SELECT 1 AS one FROM records.portal_sessions") == []
        with psycopg.connect(today.database) as connection:
            revoked = [info.key_id for info in api_keys.listed(connection) if info.revoked_at]
        assert sorted(revoked) == sorted(api_keys.parse(token).key_id for token in (stolen, gone["key"]))  # type: ignore[union-attr]
    assert types_on_records_topic(today) == before  # nothing is said twice


def test_without_kafka_a_key_is_revoked_at_once_and_a_worker_says_it_later(own: Settings, tmp_path: Path) -> None:
    token = key(own)
    key_id = api_keys.parse(token).key_id  # type: ignore[union-attr]
    revoked = ledger(own.model_copy(update={"kafka": NOWHERE}), "keys", "revoke", key_id)
    assert (revoked["revoked_now"], revoked["on_log"]) == (True, False)
    assert types_on_records_topic(own) == ["log.claimed"]
    rows(own, "UPDATE records.log_events SET noted_at = noted_at - interval '1 minute'")
    with crew(own, tmp_path) as workers:
        workers.start()
        eventually(lambda: types_on_records_topic(own) == ["log.claimed", "api_key.revoked"])
    end = TopicPartition(own.topic(RECORDS), 0)
    with closing(KafkaAdminClient(**kafka_options(own))) as admin:
        admin.delete_records({end: 2})
    ledger(own, "recover")  # until a person has accepted the topic, workers refuse it
    with crew(own, tmp_path) as workers:  # what the log has lost, this database still knows
        workers.start()
        eventually(lambda: sorted(types_on_records_topic(own)) == ["api_key.revoked", "log.claimed"])


def test_a_customer_is_erased_again_only_when_the_invoice_has_the_name_again(
    stack: Stack, own: Settings, tmp_path: Path
) -> None:
    own = own.model_copy(update={"supplier": Supplier.model_validate(SUPPLIER)})
    move_in(own, "gone")
    with crew(own, tmp_path) as workers:
        workers.start()
        wait_until_projected(own)
        yesterday = dump(own, tmp_path)
        append(own, purchased("gone"))
        with invoicing(own) as round_:
            round_()
        ledger(own, "erase", "gone")
    today = restored(stack, own, yesterday)
    with crew(today, tmp_path) as workers:
        worker = workers.start()
        wait_until_projected(today)
        eventually(lambda: rows(today, "SELECT 1 AS one FROM records.api_keys WHERE revoked_at IS NOT NULL"))
        assert left(today, "profiles", "gone") == 1
        with invoicing(today) as round_:
            round_()
        eventually(lambda: not left(today, "profiles", "gone"))
        assert worker.alive
    (invoice,) = issued(today, "gone")
    assert invoice["content"]["customer"]["name"] == SECRET


@pytest.fixture
def without_kafka(own: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    """An API that has never reached Kafka."""
    with api(own, tmp_path, kafka=NOWHERE) as url, client(url, key(own)) as http:
        yield http


def test_an_api_that_reaches_no_kafka_trusts_a_database_that_was_in_use_lately_only(
    own: Settings, without_kafka: httpx.Client
) -> None:
    assert without_kafka.get("/v1/accounts").status_code == 200
    rows(own, "UPDATE records.installation SET records_read_at = now() - interval '1 day'")

    def refused() -> bool:
        answer = without_kafka.get("/v1/accounts")
        return answer.status_code == 503 and answer.json()["error"]["code"] == "revocations_unknown"

    eventually(refused)
