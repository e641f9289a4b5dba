"""The billing page: every route below `/billing`, and the link that leads there. It calls what the API calls."""

from fastapi import APIRouter

from ledger.api.billing import (
    adding,
    auto_top_up,
    bought,
    details,
    history,
    invoices,
    overview,
    payment_methods,
    prices,
    sessions,
    usage,
)

router = APIRouter()
for part in (
    *(sessions, overview, adding, bought, history, invoices),
    *(usage, auto_top_up, payment_methods, prices, details),
):
    router.include_router(part.router)
