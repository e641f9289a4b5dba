"""What a router imports to report usage: on its own disk first, then delivered by a thread, never lost in between."""

from ledger.client.errors import (
    Closed,
    InvalidEvent,
    NotDelivered,
    Refused,
    SpoolFull,
    SpoolUnusable,
    UnsuitableOption,
    UsedAfterFork,
)
from ledger.client.ledger import AsyncLedger, Ledger
from ledger.client.spool import RefusedEvent

__all__ = [
    "AsyncLedger",
    "Closed",
    "InvalidEvent",
    "Ledger",
    "NotDelivered",
    "Refused",
    "RefusedEvent",
    "SpoolFull",
    "SpoolUnusable",
    "UnsuitableOption",
    "UsedAfterFork",
]
