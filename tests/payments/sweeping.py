"""Stories in which no webhook arrives: what customers, banks and networks do, and what the sweep alone makes of it.

    buys pays swept | 10 | 100 | credited |

Columns: the steps; the account's balance; what the provider has of the price, in percent; the purchase's state; alerts.
The steps are those of `Story`, for both providers alike.
"""

import random
import threading
import uuid
from typing import Any

from kafka import TopicPartition

from consumers.payment_sweep import PaymentSweep
from ledger.guard.guard import Guard
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.payments.market import Market
from tests.payments.stories import Story, cells
from tests.scenarios.tables import in_columns
from tests.support.waiting import eventually
from tests.support.workers import log_reader, wait_until_projected

PRICE = {"stripe": 1000, "razorpay": 85000}
# Each round reads the lists; and a projector that the machine lets wait does not end itself, as nobody starts it again.
SETTINGS = {"sweep_lists_seconds": 0.000_001, "stall_seconds": 600.0}


def on_the_log(settings: Settings) -> int:
    """How many records ledger.events has, as Kafka says."""
    with log_reader(settings) as reader:
        places = [TopicPartition(settings.topic(EVENTS), number) for number in range(settings.event_partitions)]
        return sum(reader.end_offsets(places).values())


def sweep(market: Market, provider: str, **changes: Any) -> None:
    """One round of a process that has just started."""
    settings = market.settings.model_copy(update=changes)
    with Guard(settings) as guard, market.database() as connection:
        task = PaymentSweep(settings, market.gateways[provider], guard, threading.Event())
        task.once(connection)
        task.close()
    wait_until_projected(market.settings)


class SweptStory(Story):
    """One purchase of 10 credits."""

    def buys(self) -> None:
        """The customer may get no answer, and then no address to pay at."""
        super().buys()
        if not self.purchase:
            newest = "SELECT checkout_id::text FROM records.checkouts WHERE account_id = %s ORDER BY created_at DESC"
            purchase_id = self.market.rows(newest, self.account)[0]
            pay_url = f"{self.market.url}/pay/{purchase_id}"
            self.purchase = {"purchase_id": purchase_id, "provider": self.provider, "pay_url": pay_url}

    def anew(self) -> None:
        """What follows is another purchase."""
        self.purchase, self.request = {}, uuid.uuid4().hex

    def swept(self) -> None:
        """Three times; what was learned once has no second effect."""
        sweep(self.market, self.provider)
        learned = on_the_log(self.market.settings)
        for _ in range(2):
            sweep(self.market, self.provider)
        assert on_the_log(self.market.settings) == learned

    def minutes(self, number: str) -> None:
        """So many minutes pass."""
        self._pass(f"{number} minutes")

    def later(self) -> None:
        """An hour passes."""
        self._pass("1 hour")

    def weeks(self) -> None:
        """Twenty days pass."""
        self._pass("20 days")

    def expires(self) -> None:
        """Nobody pays on the page as long as it is open."""
        self.market.stripe.checkout.sessions.expire(self._row("reference"))

    def late(self) -> None:
        """Somebody pays at the provider itself, in a window that stood open."""
        if self.provider == "stripe":
            self.market.type_card(self._row("url"))
        else:
            self.market.act("razorpay", "payments", order_id=self._row("reference"))

    def vanishes(self) -> None:
        """The log acknowledged the purchase, and lost it before it was folded: only our row knows of it."""
        payment_id = self._payment_id()
        assert payment_id.isidentifier()
        credited = f"state = 'credited', payment_id = '{payment_id}', ended_at = clock_timestamp()"
        self._set(f"UPDATE records.checkouts SET {credited}")
        beyond = (
            "SELECT (SELECT min(through) FROM views.progress) > ended_at FROM records.checkouts WHERE checkout_id = %s"
        )
        eventually(lambda: self.market.rows(beyond, self.purchase["purchase_id"])[0])

    def refunds(self, percent: str) -> None:
        super().refunds(str(PRICE[self.provider] * int(percent) // 100))

    def disputes(self, percent: str) -> None:
        super().disputes(str(PRICE[self.provider] * int(percent) // 100))

    def line(self, steps: str) -> str:
        """The line, as it came true."""
        _, balance, taken, state, _, alerts = self.tell(steps)
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
        return next(iter(self.market.rows(known, self.purchase["purchase_id"])), self.reference)

    def _pass(self, interval: str) -> None:
        self._set(f"UPDATE records.checkouts SET created_at = created_at - interval '{interval}', asked_at = NULL")


def told(market: Market, provider: str, line: str) -> str:
    """The line as it came true."""
    return SweptStory(market, provider, random.Random(0)).line(cells(line)[0])
