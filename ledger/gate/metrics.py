"""Figures of the gate for operators: open holds, and charges that no hold covers, which bound all overdraft."""

from collections.abc import Sequence
from typing import NamedTuple

from ledger.gate.holds import SQL
from ledger.postgres.types import AsyncConnection

CAUSES = ("no_hold", "hold_ended", "above_hold")


class UncoveredCharges(NamedTuple):
    """Charges that no hold covers, by cause (`records.uncovered`): how many, and how much of them, in nanos."""

    cause: str
    charges: int
    nanos: int


class HoldFigures(NamedTuple):
    """`held`: the sum of the open holds, in nanos."""

    open_holds: int
    held: int
    uncovered: Sequence[UncoveredCharges]


async def hold_figures(connection: AsyncConnection) -> HoldFigures:
    """The current figures."""
    holds = await (await connection.execute(SQL["open_holds"])).fetchone()
    assert holds, "a count has a row"
    uncovered = await (await connection.execute(SQL["uncovered"])).fetchall()
    return HoldFigures(holds[0], holds[1], [UncoveredCharges(*row) for row in uncovered])
