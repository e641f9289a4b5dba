"""Usage meets holds, in the transaction that posts it: it ends the hold that it names; what no hold covers is counted.

No account is ever owed more than that count: `overdraft ≤ Σ (charge − hold) + what was charged without a hold`.
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
    """Ends the open holds that usage names; of an account's usages of a hold, by the first.

    Usage that names an ended hold, or one of another account, ends nothing. `count`: whether what no hold covers is
    counted; a second fold of the same usage must not count it again.
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
