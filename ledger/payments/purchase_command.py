"""Purchases begun by a process of its own, such as a command: the same as the API's, with the process's settings."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from pydantic import ValidationError

from ledger.core.book import Version
from ledger.core.errors import LedgerError
from ledger.guard.guard import Guard
from ledger.log.book import Follower
from ledger.log.connecting import check_may_write
from ledger.log.publisher import Publisher
from ledger.payments.gateways import gateways_of
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.purchases import PurchaseRequest, Purchases, purchase_limits
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND, COMMAND_AUTOCOMMIT
from ledger.postgres.types import Connection
from ledger.records.checkouts import Checkout
from ledger.settings import Settings
from ledger.views.standing import NoSuchAccount
from ledger.views.writing import load_accounts
from schemas.events import Event
from schemas.fields import faults_of
from schemas.http import NewPurchase
from schemas.money import parse_nanos
from schemas.topics import EVENTS

_BOOK_SECONDS = 10


class PurchaseMalformed(LedgerError):
    message = "This can't be bought"


def begin_purchase(settings: Settings, account_id: str, asked: dict[str, str]) -> Checkout:
    """Begins a purchase of an account that there is; `asked` as in NewPurchase.

    Raises FoldOnly, PurchaseMalformed, NoSuchAccount, and what Purchases.buy raises.
    """
    check_may_write(settings)
    try:
        body = NewPurchase.model_validate(asked)
    except ValidationError as error:
        raise PurchaseMalformed(str(faults_of(error))) from None
    with connect(settings.database, COMMAND) as connection:
        if account_id not in load_accounts(connection, [account_id]):
            raise NoSuchAccount(account_id)
    limits = purchase_limits(settings, _version_now(settings).event_nanos_max)
    wanted = PurchaseRequest(
        account_id, parse_nanos(body.amount), body.provider, body.payment_method_id, body.return_url
    )
    with _purchases(settings) as purchases:
        return purchases.buy(wanted, limits)


def _version_now(settings: Settings) -> Version:
    """The version of the book in force. Raises BookStale, BookEmpty, BookNotReadable or LogUnreadable."""
    with closing(Follower(settings)) as follower:
        follower.wait(_BOOK_SECONDS)
        return follower.book().at(time.time_ns() // 1_000_000)


@contextmanager
def _purchases(settings: Settings) -> Iterator[Purchases]:
    gateways, key = gateways_of(settings), settings.signing_key()

    @contextmanager
    def database() -> Iterator[Connection]:
        with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
            yield connection

    with Guard(settings) as guard, Publisher(settings, guard, delivery_seconds=10) as publisher:
        append = _Append(guard.check, lambda event: publisher.append_event(EVENTS, event, key).position())
        yield Purchases(settings, gateways, database, ProviderUpdates(settings, gateways, database, append))


class _Append(NamedTuple):
    check: Callable[[], None]
    append: Callable[[Event], object]

    def __call__(self, event: Event) -> object:
        return self.append(event)
