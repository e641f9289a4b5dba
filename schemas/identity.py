"""Which event is which: ids as UUIDs, content as a hash, derived ids as functions of what caused them.

Identity is (account, signed or not, id): a router can't occupy the id of a money event. Content is a hash of canonical
(type, data), so that the same event sent twice is a duplicate and another event under its id is an error.
"""

import hashlib
import os
import re
import threading
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
    at, random = f"{time.time_ns() // 1_000_000:012x}", random_bytes(10).hex()
    variant = "89ab"[int(random[3], 16) & 3]
    return f"{at[:8]}-{at[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[7:19]}"


def random_bytes(count: int) -> bytes:
    """So many of the system's random bytes, which are fetched many at a time: a call for ten costs as much."""
    with _lock:
        if len(_pool) < count:
            _pool.extend(os.urandom(4096))
        taken = bytes(_pool[-count:])
        del _pool[-count:]
        return taken


_pool, _lock = bytearray(), threading.Lock()
# Two processes must not go on with the same bytes.
os.register_at_fork(after_in_child=_pool.clear)


@lru_cache(maxsize=10_000)
def _namespace(name: str) -> uuid.UUID:
    return uuid.uuid5(LEDGER_NAMESPACE, name)
