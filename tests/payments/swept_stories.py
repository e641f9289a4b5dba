"""Stories in which no webhook arrives, and the payment sweep alone finds out what happened.

    buys pays sweep | 10 | 100 | credited |

Columns: the steps; the account's balance; how much of the price the provider has, in percent; the purchase's state;
alerts. The steps are those of `stories.py`, with amounts in percent of the price, and these:

    sweep                   three rounds of the payment sweep; the second and third must append nothing
    minutes-pass:N, an-hour-passes, weeks-pass      our row becomes so much older; `weeks-pass`: twenty days
    page-expires            the provider closes its page
    pays-late               the customer pays in a window that was left open
    another-purchase        what follows is a new purchase
    log-loses-purchase      the log acknowledged the purchase and then lost it; our row says that it is credited
"""

import random
import threading
import uuid
from typing import Any

from kafka import TopicPartition

from consumers.payment_sweep import PaymentSweep
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.payments.payment_system import PaymentSystem
from tests.payments.stories import Story, cells
from tests.scenarios.tables import in_columns
from tests.support.waiting import eventually
from tests.support.workers import log_reader, wait_until_projected

PRICE = {"stripe": 1000, "razorpay": 85000}
# Each round reads the lists. A projector that a busy machine delays does not end itself: nothing would restart it.
SETTINGS = {"sweep_lists_seconds": 0.000_001, "stall_seconds": 600.0}


def on_the_log(settings: Settings) -> int:
    """How many records ledger.events has, as Kafka says."""
    with log_reader(settings) as reader:
        places = [TopicPartition(settings.topic(EVENTS), number) for number in range(settings.event_partitions)]
        return sum(reader.end_offsets(places).values())


def sweep(system: PaymentSystem, provider: str, **changes: Any) -> None:
    """One round of a process that has just started."""
    settings = system.settings.model_copy(update=changes)
    with system.database() as connection:
        task = PaymentSweep(settings, system.gateways[provider], system.guard, threading.Event())
        task.do_round(connection)
        task.close()
    wait_until_projected(system.settings)


class SweptStory(Story):
    """One purchase of 10 credits."""

    def buys(self) -> None:
        """The customer may get no answer, and then no address to pay at."""
        super().buys()
        if not self.purchase:
            newest = "SELECT checkout_id::text FROM records.checkouts WHERE account_id = %s ORDER BY created_at DESC"
            purchase_id = self.system.rows(newest, self.account)[0]
            pay_url = f"{self.system.url}/pay/{purchase_id}"
            self.purchase = {"purchase_id": purchase_id, "provider": self.provider, "pay_url": pay_url}

    def another_purchase(self) -> None:
        """What follows is another purchase."""
        self.purchase, self.request = {}, uuid.uuid4().hex

    def sweep(self) -> None:
        """Three rounds; what was appended once is not appended again."""
        sweep(self.system, self.provider)
        length = on_the_log(self.system.settings)
        for _ in range(2):
            sweep(self.system, self.provider)
        assert on_the_log(self.system.settings) == length

    def minutes_pass(self, number: str) -> None:
        """`number` minutes pass."""
        self._pass(f"{number} minutes")

    def an_hour_passes(self) -> None:
        """An hour passes."""
        self._pass("1 hour")

    def weeks_pass(self) -> None:
        """Twenty days pass."""
        self._pass("20 days")

    def page_expires(self) -> None:
        """The provider closes its page before anybody has paid."""
        self.system.stripe.checkout.sessions.expire(self._row("reference"))

    def pays_late(self) -> None:
        """The customer pays at the provider itself, in a window that was left open."""
        if self.provider == "stripe":
            self.system.type_card(self._row("url"))
        else:
            self.system.act("razorpay", "payments", order_id=self._row("reference"))

    def log_loses_purchase(self) -> None:
        """The log acknowledged the purchase, and lost it before it was folded: only our row knows of it."""
        payment_id = self._payment_id()
        assert payment_id.isidentifier()
        credited = f"state = 'credited', payment_id = '{payment_id}', ended_at = clock_timestamp()"
        self._set(f"UPDATE records.checkouts SET {credited}")
        beyond = (
            "SELECT (SELECT min(through) FROM views.progress) > ended_at FROM records.checkouts WHERE checkout_id = %s"
        )
        eventually(lambda: self.system.rows(beyond, self.purchase["purchase_id"])[0])

    def refunds(self, percent: str) -> None:
        super().refunds(str(PRICE[self.provider] * int(percent) // 100))

    def disputes(self, percent: str) -> None:
        super().disputes(str(PRICE[self.provider] * int(percent) // 100))

    def played_line(self, steps: str) -> str:
        """The line as it came out."""
        _, balance, taken, state, _, alerts = self.play(steps)
        percent = 100 * int(taken) // PRICE[self.provider]
        return in_columns([[steps, balance, str(percent), state, alerts]])

    def _payment(self) -> Any:
        self.reference = self._known()
        return super()._payment()

    def _payment_id(self) -> str:
        """Perhaps nothing was begun."""
        return super()._payment_id() if self._known() else ""

    def _known(self) -> Any:
        """The row may have been lost since, or be written again by what the provider kept."""
        known = "SELECT coalesce(reference, payment_id) FROM records.checkouts WHERE checkout_id = %s"
        return next(iter(self.system.rows(known, self.purchase["purchase_id"])), self.reference)

    def _pass(self, interval: str) -> None:
        self._set(f"UPDATE records.checkouts SET created_at = created_at - interval '{interval}', asked_at = NULL")


def played(system: PaymentSystem, provider: str, line: str) -> str:
    """The line as it came out."""
    return SweptStory(system, provider, random.Random(0)).played_line(cells(line)[0])
