"""What a consumer is, and what it is given: events whose form and signature have been checked."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ledger.log.decoding import AnyEvent


class Received(NamedTuple):
    """An event and where it stands. `topic` of schemas.topics; `key_id` signed it, and the book accepts that key."""

    topic: str
    partition: int
    offset: int
    log_time_ms: int
    event: AnyEvent
    key_id: str


class Consumer(Protocol):
    """Does one thing about the records of some topics, all of which must be signed. Its group is named after it."""

    @property
    def name(self) -> str: ...

    @property
    def at_once(self) -> int:
        """How many records may be handled at the same time, in threads; never two of one key."""

    @property
    def topics(self) -> Sequence[str]:
        """Names of schemas.topics."""

    def handle(self, received: Received) -> None:
        """Does what is to be done about one record, to its end: once it returns, the record may be committed.

        The same record may come again. What is raised ends the process, and the record comes again after its restart.
        """
