"""Time-ordered ids (UUID version 7), so that the rows of new events land on pages that are in memory already."""

import random
import time
import uuid

_random = random.Random()


def uuid7(milliseconds: int | None = None, source: random.Random = _random) -> str:
    """A new id as canonical text; with a time and a seeded source the same one every time."""
    at = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    bits = source.getrandbits(74)
    number = (at & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & 0x3FFF_FFFF_FFFF_FFFF
    return str(uuid.UUID(int=number))
