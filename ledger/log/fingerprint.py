"""Which record was folded last, in a form that another record at the same offset does not have."""

import hashlib

from ledger.log.record import Record


def fingerprint(record: Record) -> str:
    """32 hex digits over offset, append time, key and value."""
    digest = hashlib.blake2b(f"{record.offset}/{record.timestamp}/".encode(), digest_size=16)
    digest.update(record.key or b"")
    digest.update(b"/")
    digest.update(record.value or b"")
    return digest.hexdigest()
