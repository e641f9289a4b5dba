"""The identity of events: ids as UUIDs, content as a hash, and ids that are derived from a cause.

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
    """The id of something that an event of the account causes: the same parts give the same id."""
    return str(uuid.uuid5(_namespace(account_id), "/".join(parts)))


def time_ordered_id(milliseconds: int | None = None, random: bytes | None = None) -> str:
    """A UUID of version 7: ids that are made one after the other are next to each other in an index.

    `milliseconds`: since 1970, else now. `random`: ten bytes, else of the system. With both it is the same id again.
    """
    at = f"{time.time_ns() // 1_000_000 if milliseconds is None else milliseconds:012x}"
    digits = (random_bytes(10) if random is None else random).hex()
    variant = "89ab"[int(digits[3], 16) & 3]
    return f"{at[:8]}-{at[8:]}-7{digits[:3]}-{variant}{digits[4:7]}-{digits[7:19]}"


def random_bytes(count: int) -> bytes:
    """`count` random bytes of the system, fetched in larger portions, because each call of the system is slow."""
    with _lock:
        if len(_pool) < count:
            _pool.extend(os.urandom(4096))
        taken = bytes(_pool[-count:])
        del _pool[-count:]
        return taken


def _begin_anew() -> None:
    """Called in the child after a fork: two processes must not use the same bytes."""
    _pool.clear()
    _lock.release()


_pool, _lock = bytearray(), threading.Lock()
if hasattr(os, "register_at_fork"):
    # A new lock, too: a thread that the child does not have may hold the old one.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_begin_anew)


@lru_cache(maxsize=10_000)
def _namespace(name: str) -> uuid.UUID:
    return uuid.uuid5(LEDGER_NAMESPACE, name)
