"""What a customer ends is said on the log before the answer, so that no restore brings it back."""

from typing import Any

from ledger.log.drafts import signed_draft
from ledger.log.publisher import LogUnavailable
from ledger.service.resources import Resources
from schemas.records import Ending
from schemas.topics import RECORDS

# Of a request that ends something.
WAITS: dict[int | str, dict[str, Any]] = {
    202: {"description": "It is ended here, and not on the log yet: a worker appends it when Kafka is back."}
}


async def say(resources: Resources, event: Ending) -> int:
    """Appends what is noted already; the answer's status: 204, or 202 while Kafka is away: a worker appends it then."""
    try:
        await resources.log.append_async([signed_draft(event, resources.settings.signing_key(), RECORDS)])
    except LogUnavailable:
        return 202
    return 204
