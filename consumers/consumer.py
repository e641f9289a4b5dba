"""The interface of a consumer, which handles events whose form and signature have been checked."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ledger.log.decoding import AnyEvent


class Received(NamedTuple):
    """An event that a valid key has signed, and its position. `topic`: of schemas.topics."""

    topic: str
    partition: int
    offset: int
    log_time_ms: int
    event: AnyEvent


class Consumer(Protocol):
    """Handles the signed records of some topics. Its Kafka group has its name."""

    @property
    def name(self) -> str: ...

    @property
    def at_once(self) -> int:
        """How many records may be handled at the same time, in threads; never two of one key."""

    @property
    def topics(self) -> Sequence[str]:
        """Names of schemas.topics."""

    def handle(self, received: Received) -> None:
        """Handles one record completely: when this returns, the record may be committed.

        The same record may come again. An exception ends the process, and the record comes again after its restart.
        """
