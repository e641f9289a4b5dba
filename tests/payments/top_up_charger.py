"""Accounts that top themselves up in a system, and a charger whose clock, crashes and losses a test decides."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from consumers.charge_top_ups import Charging
from consumers.top_up_maintenance import TopUpMaintenance
from consumers.top_up_metrics import count
from ledger.guard.guard import Guard
from ledger.log.publisher import LogUnavailable, Publisher
from ledger.payments.customers import put_customer
from ledger.payments.top_up_charges import TopUpCharges
from ledger.records.top_up_triggers import NewTrigger
from schemas.events import Event
from schemas.topics import EVENTS
from tests.payments.payment_system import PaymentSystem
from tests.support.events import Ids, usage
from tests.support.guarding import Unguarded
from tests.support.waiting import eventually
from tests.support.workers import wait_until_projected

LEASE_SECONDS = 0.3
HOUR = 3600


class Killed(BaseException):
    """The process ends here: nothing after this happens, nothing is cleaned up."""


class Account:
    """One account with a card and a policy, and all that the outside can see of it."""

    def __init__(self, charger: "TopUpCharger", name: str, customer: str, method: str) -> None:
        self.charger, self.system, self.name = charger, charger.system, name
        self.customer, self.method = customer, method

    def spend(self, credits: str) -> None:
        """Usage at this cost plus ten percent, folded when this returns."""
        body = usage(self.name, self.charger.ids(), credits)
        headers = {"Content-Type": "application/cloudevents+json"}
        answer = self.system.http.post("/v1/usage", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        wait_until_projected(self.system.settings)

    def configure(self, **policy: Any) -> None:
        answer = self.system.http.put(f"/v1/accounts/{self.name}/auto-top-up", json=policy)
        assert answer.status_code == 200, answer.text

    def machine(self) -> dict[str, Any]:
        """GET …/auto-top-up."""
        found: dict[str, Any] = self.system.http.get(f"/v1/accounts/{self.name}/auto-top-up").json()
        return found

    def trigger(self) -> NewTrigger:
        """What the account is in flight with, as ledger.topups says it."""
        [row] = self.charger.rows(
            "SELECT trigger_id::text, trigger_credits, top_up_provider, payment_method_id FROM views.accounts "
            "WHERE account_id = %s AND state = 'in_flight'",
            self.name,
        )
        credits, provider, method = row["trigger_credits"], row["top_up_provider"], row["payment_method_id"]
        return NewTrigger(row["trigger_id"], self.name, provider, method, credits, self.charger.now())

    def row(self) -> dict[str, Any]:
        """The last trigger's row; empty without one."""
        sql = "SELECT * FROM records.top_up_triggers WHERE account_id = %s ORDER BY triggered_at DESC LIMIT 1"
        found = self.charger.rows(sql, self.name)
        return found[0] if found else {}

    def charges(self) -> list[Any]:
        """What the bank was asked for, as the provider counts it."""
        return list(self.system.stripe.charges.list({"customer": self.customer, "limit": 100}).data)

    @property
    def paid(self) -> int:
        return sum(charge.status == "succeeded" for charge in self.charges())

    def credits(self) -> list[dict[str, Any]]:
        """The auto top-ups on the log."""
        return [data for data in self.system.entries(self.name) if data["kind"] == "auto_top_up"]

    def failures(self) -> list[tuple[str, bool]]:
        """What the log says of declines."""
        found = self.system.entries(self.name, "auto_top_up.failed")
        return [(data["reason_code"], data["suspended"]) for data in found]

    def add_card(self, card: str = "pm_card_visa") -> None:
        """The customer adds a card and makes it the default."""
        self.method = self.system.stripe.payment_methods.attach(card, {"customer": self.customer}).id
        default: Any = {"default_payment_method": self.method}
        self.system.stripe.customers.update(self.customer, {"invoice_settings": default})

    def change_card(self, number: str) -> None:
        """The bank issues another card under the saved one."""
        path = f"/sandbox/stripe/payment_methods/{self.method}"
        assert self.system.sandbox.control.put(path, json={"number": number}).is_success


class TopUpCharger:
    """The charger of a system, in this process: `crash` is raised by the next append, before it or after it."""

    def __init__(self, system: PaymentSystem, publisher: Publisher) -> None:
        self.system, self._publisher = system, publisher
        self.ahead = timedelta()
        self.ids = Ids(time.time_ns() % 10**9)
        self.before: list[BaseException] = []
        self.after: list[BaseException] = []
        settings, gateways = system.settings, system.gateways
        self.charges = TopUpCharges(settings, gateways, system.database, Unguarded(self._append), count, self.now)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def _append(self, event: Event) -> None:
        if self.before:
            raise self.before.pop()
        self._publisher.append_event(EVENTS, event, self.system.settings.signing_key()).position()
        if self.after:
            raise self.after.pop()

    def attempt(self, work: Callable[[], None]) -> None:
        """Does it as a process does that may be killed or find Kafka away."""
        try:
            work()
        except Killed:
            time.sleep(LEASE_SECONDS)  # until its lease is over
        except LogUnavailable:
            pass
        wait_until_projected(self.system.settings)

    def continue_due(self, account: Account) -> None:
        """Continues the account's last trigger, if it is due."""
        trigger_id = str(account.row().get("trigger_id"))
        if trigger_id in self.charges.due(1000):
            self.attempt(lambda: self.charges.advance(trigger_id))

    def pass_time(self, seconds: int) -> None:
        """For us and for the provider alike."""
        self.ahead += timedelta(seconds=seconds)
        self.system.sandbox.control.post("/sandbox/clock", json={"seconds": seconds}).raise_for_status()

    def account(self, card: str = "pm_card_visa", credits: str = "30", **policy: Any) -> Account:
        """With credits, a card, and a policy that tops up 50 below 20."""
        name = self.system.account()
        customer = put_customer(self.system.database, self.system.gateways["stripe"], name)
        method = self.system.stripe.payment_methods.attach(card, {"customer": customer}).id
        self.system.stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
        adjustment = {"amount": credits, "reason_code": "gift"}
        answer = self.system.http.post(f"/v1/accounts/{name}/adjustments", json=adjustment)
        assert answer.status_code == 201, answer.text
        account = Account(self, name, customer, method)
        account.configure(**{"enabled": True, "threshold": "20", "amount": "50", "provider": "stripe", **policy})
        return account

    @contextmanager
    def maintenance(self, ahead: timedelta = timedelta(), **changes: Any) -> Iterator[TopUpMaintenance]:
        """What time brings, by a clock that is so far ahead; `changes` of the settings."""
        clock = lambda: self.now() + ahead  # noqa: E731
        settings = self.system.settings.model_copy(update=changes)
        with Guard(settings) as guard:
            charging = Charging(settings, self.system.gateways, guard, clock)
            with closing(TopUpMaintenance(charging, clock)) as maintenance:
                yield maintenance

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.system.settings.database, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def lose(self, account: Account) -> None:
        """Postgres is restored from before the trigger: what we wrote of it is gone."""
        self.rows(
            "WITH lost AS (DELETE FROM records.top_up_triggers WHERE account_id = %s RETURNING trigger_id) "
            "DELETE FROM records.top_up_attempts WHERE trigger_id IN (SELECT trigger_id FROM lost)",
            account.name,
        )

    def wait_for_state(self, account: Account, state: str) -> None:
        """Waits until the account's auto top-up is in this state."""
        eventually(lambda: account.machine()["state"] == state)


@contextmanager
def top_up_charger(system: PaymentSystem) -> Iterator[TopUpCharger]:
    """A charger, until the block ends."""
    with Publisher(system.settings) as publisher:
        yield TopUpCharger(system, publisher)
