"""The client that a router imports: it asks the gate before a model call, and reports the usage after it.

`Ledger.authorize` holds what a call may cost; `Ledger.stream` does the same around a stream of output. The client
writes usage to the router's own disk first, and a thread delivers it, so no usage is lost in between.
"""

from ledger.client.answers import ProviderUsage, UsageReader, usage_of
from ledger.client.authorizations import Authorization
from ledger.client.errors import (
    AuthorizationEnded,
    Closed,
    EventsRejected,
    GateClosed,
    InsufficientCredits,
    InvalidAuthorization,
    InvalidEvent,
    NotDelivered,
    SpoolFull,
    SpoolUnusable,
    UnreadableAnswer,
    UnsuitableOption,
    UsedAfterFork,
)
from ledger.client.ledger import AsyncLedger, Ledger
from ledger.client.spool import RejectedEvent
from ledger.client.streams import AsyncStream, Stream

__all__ = [
    "AsyncLedger",
    "AsyncStream",
    "Authorization",
    "AuthorizationEnded",
    "Closed",
    "EventsRejected",
    "GateClosed",
    "InsufficientCredits",
    "InvalidAuthorization",
    "InvalidEvent",
    "Ledger",
    "NotDelivered",
    "ProviderUsage",
    "RejectedEvent",
    "SpoolFull",
    "SpoolUnusable",
    "Stream",
    "UnreadableAnswer",
    "UnsuitableOption",
    "UsageReader",
    "UsedAfterFork",
    "usage_of",
]
