"""Projectors and chargers killed while accounts cross their thresholds: one charge and one credit per crossing.

Charges are counted at the provider, whose answers are lost now and then, too. Afterwards the whole of `ledger.topups`
is read again and the views are rebuilt, and no process asks the provider for anything.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import stripe
from kafka import KafkaAdminClient, TopicPartition

from consumers.charge_top_ups import NAME
from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.log.connecting import kafka_options
from ledger.records import customers
from ledger.settings import Settings
from schemas.topics import EVENTS, TOP_UPS
from tests.support import sandbox as doubles
from tests.support.events import Ids, event, sender, usage
from tests.support.ledgers import new_ledger
from tests.support.programs import Program, environment, ledger
from tests.support.sandbox import RunningSandbox, running_sandbox
from tests.support.waiting import eventually
from tests.support.workers import Crew, crew, log_reader, wait_until_projected

SLOW = bool(os.environ.get("LEDGER_SLOW"))
ACCOUNTS, KILLS = (40, 60) if SLOW else (8, 8)
# Each begins with 30, spends 110 and buys 50 below 20: however it goes, it crosses twice and ends with 20.
EVENTS_EACH, COST, CROSSINGS, ENDS_WITH = 1000, "0.1", 2, 20 * 10**9


class Shop:
    """A ledger, its provider, and accounts whose cards are charged."""

    def __init__(self, settings: Settings, sandbox: RunningSandbox, folder: Path) -> None:
        self.settings, self.sandbox, self.folder = settings, sandbox, folder
        self.api = stripe.StripeClient(doubles.STRIPE_KEY, base_addresses={"api": sandbox.stripe_url}).v1
        self.ids = Ids(random.randrange(10**6))
        self.accounts = {f"acct_{number}": self._customer(f"acct_{number}") for number in range(ACCOUNTS)}
        self._chargers = 0

    def _customer(self, account: str) -> str:
        customer = self.api.customers.create({"metadata": {"account": account}}).id
        self.api.payment_methods.attach("pm_card_visa", {"customer": customer})
        with psycopg.connect(self.settings.database) as connection:
            customers.put(connection, account, "stripe", customer)
            connection.execute(
                "INSERT INTO records.profiles (account_id, country) VALUES (%s, 'DE') ON CONFLICT DO NOTHING", [account]
            )
        return customer

    def begin(self) -> None:
        """Every account has 30 credits and its policy."""
        policy = {"enabled": True, "threshold": "20", "amount": "50", "provider": "stripe"}
        gift = {"amount": "30", "reason_code": "gift", "actor_id": "op_1"}
        with sender(self.settings) as log:
            for account in self.accounts:
                log.send(event("credits.adjusted", account, gift, self.ids()))
                log.send(event("auto_top_up.configured", account, policy, self.ids()))

    def burst(self) -> None:
        """All usage of all accounts at once."""
        with sender(self.settings) as log:
            for _ in range(EVENTS_EACH):
                log.send(*(usage(account, self.ids(), COST) for account in self.accounts))

    def charger(self) -> Program:
        """One more `ledger consume charge-top-ups`."""
        self._chargers += 1
        with (self.folder / f"charger-{self._chargers}.log").open("wb") as out:
            command = ["-m", "ledger.cli", "consume", NAME]
            return Program(*command, environment=environment(self.settings), stdout=out, stderr=out)

    def paid(self) -> Counter[str]:
        """Payments that succeeded at the provider, by the trigger that they are for."""
        intents = self.api.payment_intents.list({"limit": 100}).auto_paging_iter()
        return Counter(intent.metadata["ledger_trigger"] for intent in intents if intent.status == "succeeded")

    def credited(self) -> Counter[str]:
        """Auto top-ups in the views, by trigger."""
        sql = "SELECT data->>'trigger_id' FROM views.entries WHERE type = 'credits.purchased'"
        with psycopg.connect(self.settings.database) as connection:
            return Counter(trigger_id for (trigger_id,) in connection.execute(sql))

    def at_rest(self) -> bool:
        """Whether every account is armed again with what it must end with."""
        sql = (
            "SELECT count(*) FROM views.accounts JOIN views.balances USING (account_id) "
            "WHERE state = 'armed' AND balance = %s"
        )
        with psycopg.connect(self.settings.database) as connection:
            row = connection.execute(sql, [ENDS_WITH]).fetchone()
        return row is not None and row[0] == ACCOUNTS

    def states(self) -> object:
        with psycopg.connect(self.settings.database) as connection:
            triggers = connection.execute(
                "SELECT state, attempt, silent, due_at, leased_until FROM records.top_up_triggers "
                "WHERE ended_at IS NULL"
            ).fetchall()
            return triggers, connection.execute(
                "SELECT account_id, state, balance FROM views.accounts JOIN views.balances USING (account_id)"
            ).fetchall()

    def log_ends(self) -> int:
        with log_reader(self.settings) as reader:
            places = [TopicPartition(self.settings.topic(EVENTS), n) for n in range(self.settings.event_partitions)]
            return sum(reader.end_offsets(places).values())

    def forget_offsets(self) -> None:
        """Kafka loses how far the chargers had read."""
        admin = KafkaAdminClient(**kafka_options(self.settings))
        eventually(lambda: _deleted(admin, self.settings.group(NAME)))
        admin.close()

    def read_to_the_end(self) -> bool:
        """Whether the chargers have read all of ledger.topups."""
        admin = KafkaAdminClient(**kafka_options(self.settings))
        committed = admin.list_group_offsets([self.settings.group(NAME)])
        admin.close()
        topic = self.settings.topic(TOP_UPS)
        read = {place: found.offset for group in committed.values() for place, found in group.items()}
        with log_reader(self.settings) as reader:
            places = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic) or ()]
            ends = reader.end_offsets(places)
        return all(read.get(place, 0) >= end for place, end in ends.items())


def _deleted(admin: KafkaAdminClient, group: str) -> bool:
    try:
        admin.delete_groups([group])
    except Exception as error:  # members that were killed are still in it for some seconds
        print("not deleted yet:", type(error).__name__)
        return False
    return True


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with running_sandbox() as sandbox:
        settings = new_ledger(
            stack,
            **sandbox.stripe_settings,
            top_up_lease_seconds=2,
        )
        bootstrap(settings)
        yield Shop(settings, sandbox, tmp_path_factory.mktemp("chargers"))


@contextmanager
def chargers(shop: Shop, count: int) -> Iterator[list[Program]]:
    """Runs `count` chargers; those that run at the end of the block are killed."""
    running = [shop.charger() for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(10)


def kill_somebody(shop: Shop, members: Crew, running: list[Program], chance: random.Random) -> None:
    """One process ends in the middle of whatever it does, and another one is started."""
    if chance.random() < 0.3:
        chance.choice(members.alive).kill()
        members.start()
        return
    victim = chance.randrange(len(running))
    running[victim].kill()
    running[victim].wait(10)
    running[victim] = shop.charger()


def test_one_charge_and_one_credit_per_crossing_whoever_is_killed(shop: Shop) -> None:
    seed = random.randrange(10**6)
    print("seed:", seed)
    chance = random.Random(seed)
    with ExitStack() as running:
        members = running.enter_context(crew(shop.settings, shop.folder))
        members.start(), members.start()
        shop.begin()
        wait_until_projected(shop.settings)
        for fault, often in (("reset_after", 0.1), ("error_after", 0.1), ("error_before", 0.1), ("slow", 0.5)):
            shop.sandbox.fault(fault, "payment_intents.*", probability=often, seconds=0.3, seed=seed)
        three = running.enter_context(chargers(shop, 3))
        shop.burst()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 4))
            kill_somebody(shop, members, three, chance)
        shop.sandbox.control.delete("/sandbox/faults")
        eventually(shop.at_rest, 240, shop.states)
        wait_until_projected(shop.settings)
    paid, credited = shop.paid(), shop.credited()
    assert paid == credited
    assert set(paid.values()) == {1}
    assert len(paid) == ACCOUNTS * CROSSINGS


def test_reading_all_triggers_again_asks_the_provider_nothing(shop: Shop) -> None:
    shop.forget_offsets()
    shop.sandbox.control.delete("/sandbox/calls")
    before = shop.log_ends()
    with chargers(shop, 1):
        eventually(shop.read_to_the_end, 90)
        time.sleep(2)  # what it would do besides
    assert shop.sandbox.control.get("/sandbox").json()["calls"] == {}
    assert shop.log_ends() == before


def _rebuilt(shop: Shop) -> bool:
    done = ledger(shop.settings, "rebuild", "--yes", "--json")
    assert done.returncode == 0 or "Projectors are running" in done.stderr, done.stderr
    return done.returncode == 0


def test_a_rebuild_asks_the_provider_nothing(shop: Shop) -> None:
    shop.sandbox.control.delete("/sandbox/calls")
    before = shop.log_ends(), shop.credited()
    with chargers(shop, 1):
        eventually(lambda: _rebuilt(shop), 60)  # Kafka forgets the projectors that were killed after some seconds
        time.sleep(3)
    assert shop.sandbox.control.get("/sandbox").json()["calls"] == {}
    assert (shop.log_ends(), shop.credited()) == before
