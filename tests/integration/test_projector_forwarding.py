"""Records of a client that partitions in another way are sent on to where they belong, and folded there, once."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import psycopg
import pytest

from ledger.settings import Settings
from tests.support.events import Ids, event, json_bytes, purchase, sender, usage
from tests.support.expected import charge, discrepancies, home_of
from tests.support.load import load
from tests.support.workers import Crew, crew, wait_until_projected

IDS = Ids(5)


@pytest.fixture(scope="module")
def members(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start(), members.start()
        yield members


@pytest.fixture
def views(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


def forwarded(views: psycopg.Connection[Any]) -> int:
    row = views.execute(
        "SELECT coalesce(sum(records), 0)::bigint FROM views.record_counts WHERE outcome = 'forwarded'"
    ).fetchone()
    assert row
    return int(row[0])


def account_at(settings: Settings, home: int) -> str:
    """An account whose records belong in this partition."""
    return next(name for n in range(10**6) if home_of(name := f"acct_{n}", settings.event_partitions) == home)


def test_records_published_with_the_default_partitioner_of_librdkafka_are_folded_once_where_they_belong(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    with sender(settings, partitioner="consistent_random") as log:
        log.send(*islice(load(5), 3000))
        places = log.acknowledged()
    wait_until_projected(settings)
    assert discrepancies(settings) == []
    # Of four partitions, the right one is hit by one account in four.
    assert len(places) * 0.5 < forwarded(views) < len(places) * 0.95
    warnings = [line for worker in members.all for line in worker.output.splitlines() if "misplaced_records" in line]
    assert 1 <= len(warnings) <= len(members.all)  # one a minute
    assert all("partitioner=murmur2_random" in line for line in warnings)


def test_the_same_record_in_two_wrong_partitions_and_the_right_one_is_posted_once(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    account, before, home = account_at(settings, 2), forwarded(views), 2
    value = json_bytes(usage(account, IDS(), "0.5"))
    with sender(settings) as log:
        for partition in (0, home, 1, 0):
            log.append(value, account.encode(), partition=partition)
    wait_until_projected(settings)
    query = "SELECT partition, amount FROM views.entries WHERE account_id = %s"
    assert views.execute(query, [account]).fetchall() == [(home, -charge("0.5"))]
    assert forwarded(views) == before + 3


def test_a_misplaced_payment_keeps_its_signature(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    account = account_at(settings, 3)
    value = json_bytes(purchase(account, IDS(), "8"))
    with sender(settings) as log:
        log.append(value, account.encode(), [log.signature(value)], partition=0)
    wait_until_projected(settings)
    query = "SELECT type, signed, amount FROM views.entries WHERE account_id = %s"
    assert views.execute(query, [account]).fetchall() == [("credits.purchased", True, 8 * 10**9)]


def test_a_misplaced_record_that_reuses_an_id_is_a_dead_letter_and_not_forgotten(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    account, id = account_at(settings, 1), IDS()
    with sender(settings) as log:
        log.send(usage(account, id, "0.25"))
    wait_until_projected(settings)
    with sender(settings) as log:
        log.append(json_bytes(usage(account, id, "0.75")), account.encode(), partition=0)
    wait_until_projected(settings)
    letters = views.execute("SELECT partition, code FROM views.dead_letters WHERE account_id = %s", [account])
    assert letters.fetchall() == [(1, "id_reused")]
    query = "SELECT amount FROM views.entries WHERE account_id = %s"
    assert views.execute(query, [account]).fetchall() == [(-charge("0.25"),)]


def test_a_misplaced_record_that_is_refused_where_it_belongs_is_one_dead_letter_there(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    account = account_at(settings, 0)
    nothing = {"amount": "0", "reason_code": "none", "actor_id": "op_1"}
    value = json_bytes(event("credits.adjusted", account, nothing, IDS()))
    with sender(settings) as log:
        log.append(value, account.encode(), [log.signature(value)], partition=3)
    wait_until_projected(settings)
    letters = views.execute("SELECT partition, code FROM views.dead_letters WHERE account_id = %s", [account])
    assert letters.fetchall() == [(0, "amount_is_zero")]


def test_misplaced_records_that_name_a_known_purchase_are_folded_at_home_and_end_no_worker(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    account = account_at(settings, 1)
    bought = purchase(account, IDS(), "10", "pur_known", 1_000)
    charged = {"currency": "USD", "amount_minor": 400}
    back = {"purchase_id": "pur_known", "provider_refund_id": "re_1", "credits": "4", "charged": charged}
    with sender(settings) as log:
        log.send(bought)
    wait_until_projected(settings)
    before = forwarded(views)
    with sender(settings) as log:
        for value in map(json_bytes, (event("credits.refunded", account, back, IDS()), bought)):
            log.append(value, account.encode(), [log.signature(value)], partition=2)
    wait_until_projected(settings)
    query = "SELECT type, partition FROM views.entries WHERE account_id = %s AND signed ORDER BY seq"
    assert views.execute(query, [account]).fetchall() == [("credits.purchased", 1), ("credits.refunded", 1)]
    assert forwarded(views) == before + 2  # of which the purchase is at home already
    assert members.alive == members.all
