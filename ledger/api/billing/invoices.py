"""Where a purchase's invoice is downloaded: the one place of the page that knows about invoices."""

from collections.abc import Sequence

from ledger.api.billing.visits import Visit
from ledger.views.history import Line

Links = dict[str, str]


async def invoice_links(visit: Visit, lines: Sequence[Line]) -> Links:
    """The invoices of purchases, by the purchase's id; what has none is not there."""
    return {}
