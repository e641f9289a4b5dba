"""Which event is which: ids as UUIDs, content as a hash, derived ids as functions of what caused them.

Identity is (account, signed or not, id): a router can't occupy the id of a money event. Content is a hash of canonical
(type, data), so that the same event sent twice is a duplicate and another event under its id is an error.
"""

import hashlib
import re
import secrets
import time
import uuid
from functools import lru_cache

from schemas.envelope import Envelope
from schemas.fields import json_of

LEDGER_NAMESPACE = uuid.UUID("6f1b6e1c-6c0b-5f0e-9d5c-2f6a3f0a7c11")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def event_id_of(source: str, raw_id: str) -> str:
    """The event's UUID as canonical text: `raw_id` itself when it is one, else uuid5(source, raw_id)."""
    if _UUID(raw_id):
        return raw_id.lower()
    return str(uuid.uuid5(_namespace(source), raw_id))


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its usual form."""
    return _UUID(text) is not None


def content_of(event: Envelope) -> str:
    """32 hex digits over canonical (type, data): data in declared order, absent fields left out."""
    return hashlib.blake2b(event.type.encode() + json_of(event.data), digest_size=16).hexdigest()  # type: ignore[attr-defined]


def derived_id(account_id: str, *parts: str) -> str:
    """The id of something that follows from an event of the account: equal parts, equal id."""
    return str(uuid.uuid5(_namespace(account_id), "/".join(parts)))


def time_ordered_id() -> str:
    """A new UUID of version 7: ids made one after the other are neighbours in an index."""
    at = time.time_ns() // 1_000_000
    bits = secrets.randbits(74)
    number = (at & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & 0x3FFF_FFFF_FFFF_FFFF
    return str(uuid.UUID(int=number))


@lru_cache(maxsize=10_000)
def _namespace(name: str) -> uuid.UUID:
    return uuid.uuid5(LEDGER_NAMESPACE, name)
