"""The trial balance: the balance of every posting account, and whether each unit sums to zero, as it must."""

from collections import defaultdict
from importlib.resources import files
from typing import NamedTuple

from ledger.core.postings import CREDIT
from ledger.postgres.types import Connection
from schemas.money import format_nanos

_QUERY = files("ledger.views").joinpath("trial_balance.sql").read_bytes()


class TrialBalanceLine(NamedTuple):
    """`total`: nanos of CREDIT, or minor units of a currency; exact."""

    account: str
    unit: str
    total: int

    def shown(self) -> dict[str, str]:
        """As text: credits in decimal, money in minor units."""
        total = format_nanos(self.total) if self.unit == CREDIT else str(self.total)
        return {"account": self.account, "unit": self.unit, "total": total}


class TrialBalance(NamedTuple):
    """All lines, and by unit what they sum to."""

    lines: tuple[TrialBalanceLine, ...]
    sums: dict[str, int]

    @property
    def balanced(self) -> bool:
        """Whether every unit sums to zero."""
        return not any(self.sums.values())


def trial_balance(connection: Connection) -> TrialBalance:
    """The trial balance of all that is projected."""
    lines = tuple(TrialBalanceLine(account, unit, int(total)) for account, unit, total in connection.execute(_QUERY))
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.unit] += line.total
    return TrialBalance(lines, dict(sums))
