"""Razorpay's entities, with its own names, and only the fields that we read. Amounts are in minor units.

Other fields are dropped here, so that no personal data goes further.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _texts(notes: Any) -> Any:
    """Notes as texts. Razorpay gives an empty list for no notes, and numbers as numbers."""
    return {name: str(text) for name, text in notes.items()} if isinstance(notes, dict) else {}


Notes = Annotated[dict[str, str], BeforeValidator(_texts)]


class Entity(BaseModel):
    """An entity with an id. Times are seconds since 1970."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    id: str


class Customer(Entity):
    name: str | None = None
    email: str | None = None


class Order(Entity):
    """`status`: created, attempted or paid. `receipt`: the purchase's id without hyphens."""

    amount: int
    currency: str
    status: str
    receipt: str | None = None
    notes: Notes = {}
    created_at: int


class Payment(Entity):
    """`status`: created, authorized, captured, refunded or failed. `captured`: true even if it was refunded since."""

    amount: int
    currency: str
    status: str
    captured: bool | None = None
    order_id: str | None = None
    created_at: int
    error_code: str | None = None
    error_reason: str | None = None


class LinkPayment(BaseModel):
    """A captured payment of a payment link."""

    payment_id: str


class Link(Entity):
    """`status`: created, partially_paid, paid, cancelled or expired. `payments`: the captured ones."""

    amount: int
    currency: str
    status: str
    short_url: str | None = None
    reference_id: str | None = None
    notes: Notes = {}
    payments: list[LinkPayment] | None = None
    created_at: int


class Refund(Entity):
    """`status`: pending, processed or failed."""

    payment_id: str
    amount: int
    currency: str
    status: str
    notes: Notes = {}
    created_at: int


class Dispute(Entity):
    """`status`: open, under_review, won, lost or closed. `phase`: fraud and retrieval are inquiries."""

    payment_id: str
    amount: int
    currency: str
    status: str
    phase: str
    created_at: int


class Settlement(Entity):
    """`status`: created, processed or failed. It has no currency: Razorpay settles in rupees."""

    amount: int
    status: str
    fees: int
    tax: int
    created_at: int
