"""Seats: each process of a Kafka group has the lowest free number, for as long as its connection to Postgres lasts.

The number makes the member's name in the group (`group.instance.id`). A process that was killed and started again gets
its old name, so that the broker moves no partition of another member. Nothing has to be configured, and two processes
never have the same name: the lock is in Postgres, which frees it when a process is gone.
"""

from itertools import count

from ledger.core.errors import LedgerError
from ledger.postgres.types import Connection

_TAKE = "SELECT pg_try_advisory_lock(hashtext(%s), %s)"


class SeatTaken(LedgerError):
    message = "Another process has taken this one's seat in the group while this one was away from Postgres"


class Seat:
    """One process's seat in a group; it has none before its first `claim`."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._number = 0

    @property
    def name(self) -> str:
        """The member's name in the group."""
        return f"seat-{self._number}"

    def claim(self, connection: Connection) -> None:
        """Takes a seat until the connection ends: its former seat, or a free one. Raises SeatTaken."""
        if not self._number:
            self._number = next(number for number in count(1) if self._free(connection, number))
        elif not self._free(connection, self._number):
            raise SeatTaken(f"{self.name} of {self._group}")

    def _free(self, connection: Connection, number: int) -> bool:
        row = connection.execute(_TAKE, [f"ledger-seat:{self._group}", number]).fetchone()
        return bool(row and row[0])
