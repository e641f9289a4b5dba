"""Who may append an event: usage and traces need no signature; every other one needs a key that the book accepts.

Whether a signature verifies is checked before (`signer_of` in ledger/log/validation.py).
"""

from ledger.core.book import Version
from ledger.core.errors import KeyNotValid, Unsigned
from schemas.events import ROUTER_TYPES
from schemas.recovery import RECOVERED_HEADER
from schemas.signatures import SIGNATURE_HEADER


def check_signer(event_type: str, key_id: str | None, version: Version, log_time_ms: int) -> None:
    """`key_id`: the key that signed the event; None if it is unsigned. Raises Unsigned or KeyNotValid."""
    if key_id is None:
        check_signed(event_type, key_id)
    elif not version.accepts_key(key_id, log_time_ms):
        raise KeyNotValid(key_id, field=SIGNATURE_HEADER)


def check_signed(event_type: str, key_id: str | None) -> None:
    """The part of the rule that needs no book. Raises Unsigned."""
    if key_id is None and event_type not in ROUTER_TYPES:
        raise Unsigned(event_type, field=SIGNATURE_HEADER)


def check_recoverer(key_id: str, version: Version, appended_ms: int) -> None:
    """`key_id`: the key that proves the former log time of an event that was appended again. Raises KeyNotValid."""
    if not version.accepts_key(key_id, appended_ms):
        raise KeyNotValid(key_id, field=RECOVERED_HEADER)
