"""Settles holds in the transaction that posts usage: usage ends the hold that it names.

What a charge has above its hold, and what was charged without a hold, is counted. The overdrafts of all accounts never
exceed that count.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.gate.holds import SQL
from ledger.postgres.types import Connection
from ledger.views.arrays import integers, texts


class Settlement(NamedTuple):
    """Usage that names a hold; `charge` in nanos."""

    hold_id: str
    account_id: str
    event_id: str
    charge: int


def count_unheld(connection: Connection, partition: int, charges: int, nanos: int) -> None:
    """Counts charges that name no hold: how many, and their sum."""
    if charges:
        connection.execute(SQL["count_unheld"], {"partition": partition, "charges": charges, "nanos": nanos})


def settle(connection: Connection, partition: int, usages: Sequence[Settlement], *, count: bool) -> None:
    """Ends the open holds that usage names. If several usages name one hold, the first ends it.

    Usage that names an ended hold, or a hold of another account, ends nothing. `count`: whether charges without a hold
    are counted. A second fold of the same usage must not count them again.
    """
    if not usages:
        return
    connection.execute(SQL["lock"], {"accounts": sorted({usage.account_id for usage in usages})})
    connection.execute(
        SQL["settle"],
        {
            "partition": partition,
            "count": count,
            "ids": texts(usage.hold_id for usage in usages),
            "accounts": texts(usage.account_id for usage in usages),
            "events": texts(usage.event_id for usage in usages),
            "charges": integers(usage.charge for usage in usages),
        },
    )
