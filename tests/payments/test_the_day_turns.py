"""An account that was capped yesterday and spent all it had tops up by itself today, with nothing but time passing.

Yesterday is on the log before anybody reads it: for a moment the topic leaves a record's time to who appends it. What
happens today is done by a projector and `ledger consume` alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import stripe
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consumers.charge_top_ups import NAME
from ledger.core.calendar import ms_of
from ledger.dev.bootstrap import bootstrap
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.records import customers
from ledger.settings import Settings
from schemas.identity import derived_id
from schemas.topics import EVENTS
from tests.support import sandbox as doubles
from tests.support.events import Ids, event, sender, usage
from tests.support.ledgers import new_ledger
from tests.support.programs import Program, environment
from tests.support.sandbox import running_sandbox
from tests.support.servers import api, client, key, projector
from tests.support.waiting import eventually

ACCOUNT = "acct_thrifty"


@contextmanager
def producers_say_when(settings: Settings) -> Iterator[None]:
    """Within the block the time of a record is its producer's, not the broker's."""
    admin = AdminClient({"bootstrap.servers": settings.kafka})

    def by(whom: str) -> None:
        entry = ConfigEntry("message.timestamp.type", whom, incremental_operation=AlterConfigOpType.SET)
        topic = ConfigResource(ResourceType.TOPIC, settings.topic(EVENTS), incremental_configs=[entry])
        for done in admin.incremental_alter_configs([topic]).values():
            done.result(20)

    by("CreateTime")
    try:
        yield
    finally:
        by("LogAppendTime")


def yesterday(settings: Settings, method: str) -> None:
    """It topped up once, which is all that its cap allows, and spent that, too."""
    ids = Ids(1)
    crossing = usage(ACCOUNT, ids(), "20")
    trigger_id = derived_id(ACCOUNT, crossing["id"])
    sizes = {"threshold": "20", "amount": "50", "cap_day": "60"}
    top_up = {"kind": "auto_top_up", "trigger_id": trigger_id, "purchase_id": trigger_id, "credits": "50"}
    paid = {"provider": "stripe", "provider_payment_id": "pi_1", "charged": {"currency": "USD", "amount_minor": 5000}}
    policy = {"enabled": True, "provider": "stripe", "payment_method_id": method, **sizes}
    gift = {"amount": "30", "reason_code": "gift", "actor_id": "op_1"}
    happened = (
        event("account.opened", ACCOUNT, {}, ids()),
        event("credits.adjusted", ACCOUNT, gift, ids()),
        event("auto_top_up.configured", ACCOUNT, policy, ids()),
        crossing,
        event("credits.purchased", ACCOUNT, {**top_up, **paid}, ids()),
        usage(ACCOUNT, ids(), "53"),
    )
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with producers_say_when(settings), sender(settings) as log:
        for number, each in enumerate(happened):
            log.send(each, at_ms=ms_of(midnight - timedelta(hours=1, minutes=-number)))


@contextmanager
def charger(settings: Settings, folder: Path) -> Iterator[None]:
    """`ledger consume charge-top-ups`, with its maintenance."""
    with (folder / "charger.log").open("wb") as out:
        command = ["-m", "ledger.cli", "consume", NAME]
        process = Program(*command, environment=environment(settings), stdout=out, stderr=out)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def test_it_tops_up_by_itself_when_the_day_turns(stack: Stack, tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        provider = stripe.StripeClient(doubles.STRIPE_KEY, base_addresses={"api": sandbox.stripe_url}).v1
        customer = provider.customers.create({"metadata": {"account": ACCOUNT}}).id
        method = provider.payment_methods.attach("pm_card_visa", {"customer": customer}).id
        settings = new_ledger(
            stack,
            **sandbox.stripe_settings,
            api_port=free_port(),
        )
        bootstrap(settings)
        with psycopg.connect(settings.database) as connection:
            customers.put(connection, ACCOUNT, "stripe", customer)
            connection.execute("INSERT INTO records.profiles (account_id, country) VALUES (%s, 'DE')", [ACCOUNT])
        yesterday(settings, method)
        with (
            projector(settings, tmp_path),
            api(settings, tmp_path, api_port=settings.api_port) as url,
            client(url, key(settings)) as http,
        ):
            machine = lambda: http.get(f"/v1/accounts/{ACCOUNT}/auto-top-up").json()  # noqa: E731
            balance = lambda: http.get(f"/v1/accounts/{ACCOUNT}/balance").json()["balance"]  # noqa: E731
            ask = lambda: http.post("/v1/authorizations", json={"account_id": ACCOUNT}).status_code  # noqa: E731
            eventually(lambda: ask() == 402)
            assert (machine()["state"], machine()["reason"], balance()) == ("capped", "day", "-0.3")
            assert not provider.charges.list().data
            with charger(settings, tmp_path):
                eventually(lambda: machine()["state"] == "armed")
            assert [(charge.amount, charge.paid) for charge in provider.charges.list().data] == [(5000, True)]
            assert (machine()["spent_today"], balance()) == ("50", "49.7")
            assert ask() == 201
