"""What is known of every request before it is read: its id, and how large its body may be."""

import re
from collections.abc import Mapping

from ledger.web.errors import ApiError
from schemas.identity import random_bytes

BATCH_BYTES_MAX = 8 * 1024 * 1024
BODY_BYTES_MAX = 65_536
WEBHOOK_BYTES_MAX = 512 * 1024
GONE = 499  # nginx notes the same: the client left before its request was there
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The caller's own, when it can be echoed safely, else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return str(given, "ascii")
    return f"req_{random_bytes(16).hex()}"


def too_large(limit: int) -> ApiError:
    """The answer to a body that is larger than any request's."""
    return ApiError(413, "too_large", f"The body is larger than {limit} bytes.")
