"""What a router imports: it asks the gate before a request, and reports its usage afterwards.

`Ledger.authorize` holds what a request may cost, `Ledger.stream` does so around a stream of output. Usage goes to the
router's own disk first and is delivered by a thread, never lost in between.
"""

from ledger.client.authorizations import Authorization
from ledger.client.errors import (
    AuthorizationEnded,
    Closed,
    GateClosed,
    InsufficientCredits,
    InvalidAuthorization,
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
from ledger.client.streams import AsyncStream, Stream

__all__ = [
    "AsyncLedger",
    "AsyncStream",
    "Authorization",
    "AuthorizationEnded",
    "Closed",
    "GateClosed",
    "InsufficientCredits",
    "InvalidAuthorization",
    "InvalidEvent",
    "Ledger",
    "NotDelivered",
    "Refused",
    "RefusedEvent",
    "SpoolFull",
    "SpoolUnusable",
    "Stream",
    "UnsuitableOption",
    "UsedAfterFork",
]
