"""Every route of the billing page."""

from fastapi import APIRouter

from ledger.portal import (
    add_credits,
    auto_top_up,
    details,
    enter,
    history,
    invoices,
    overview,
    pay,
    payment_methods,
    prices,
    purchases,
    usage,
)

router = APIRouter()
for part in (
    *(enter, overview, add_credits, purchases, history, invoices),
    *(usage, auto_top_up, payment_methods, prices, details, pay),
):
    router.include_router(part.router)
