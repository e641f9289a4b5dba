"""Appends endings (of a key, of a tax id) to the log before the request is answered, so that no restore undoes them."""

from ledger.log.drafts import signed_draft
from ledger.log.publisher import LogUnavailable
from ledger.service.resources import Resources
from schemas.records import Ending
from schemas.topics import RECORDS


async def append_ending(resources: Resources, event: Ending) -> bool:
    """Appends an ending that `records` has noted already. False while Kafka is away: then a worker appends it later."""
    try:
        await resources.log.append_async([signed_draft(event, resources.settings.signing_key(), RECORDS)])
    except LogUnavailable:
        return False
    return True
