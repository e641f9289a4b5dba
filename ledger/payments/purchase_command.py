"""Purchases begun by a process of its own, such as a command: the same as the API's, with the process's settings."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from pydantic import ValidationError

from ledger.core.book import Version
from ledger.core.errors import LedgerError
from ledger.guard.guard import Guard
from ledger.log.book import Follower
from ledger.log.connecting import check_may_write
from ledger.log.event_appender import EventAppender
from ledger.payments.gateways import gateways_of
from ledger.payments.provider_updates import ProviderUpdates
from ledger.payments.purchases import PurchaseRequest, Purchases, purchase_limits
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND, COMMAND_AUTOCOMMIT
from ledger.postgres.types import Connection
from ledger.records.checkouts import Checkout
from ledger.settings import Settings
from ledger.views.account_state import NoSuchAccount
from ledger.views.writing import load_accounts
from schemas.fields import faults_of
from schemas.http import NewPurchase
from schemas.money import parse_nanos

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
    gateways = gateways_of(settings)
    settings.signing_key()  # a missing one is said before anything is asked

    @contextmanager
    def database() -> Iterator[Connection]:
        with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
            yield connection

    with Guard(settings) as guard, closing(EventAppender(settings, guard, seconds=10, wait=True)) as event_log:
        yield Purchases(settings, gateways, database, ProviderUpdates(settings, gateways, database, event_log))
