"""Checkout sessions: a hosted page where a customer pays or saves a card. Without either it expires."""

from typing import Any, Literal

from pydantic import Field

from ledger.sandbox.store import Document
from ledger.sandbox.stripe import setup_intents
from ledger.sandbox.stripe.errors import invalid
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import Currency, DatedListParams, Metadata, NestedParams, Params, Whole
from ledger.sandbox.stripe.payment_intents import CANCELABLE, Cancel, cancel
from ledger.sandbox.stripe.stripe_account import StripeAccount

EXPIRES_SECONDS_MIN, EXPIRES_SECONDS_MAX = 30 * 60, 24 * 3600


class Switch(NestedParams):
    """Something that is on or off."""

    enabled: bool


class CustomerUpdate(NestedParams):
    """Which fields of the customer the page may change."""

    address: Literal["auto", "never"] = "never"
    name: Literal["auto", "never"] = "never"


class ProductData(NestedParams):
    """The product of a line."""

    description: str | None = None
    metadata: Metadata = Field({})
    name: str = Field(min_length=1)
    tax_code: str | None = None


class PriceData(NestedParams):
    """The price of a line, in minor units."""

    currency: Currency
    product_data: ProductData
    tax_behavior: Literal["exclusive", "inclusive", "unspecified"] = "unspecified"
    unit_amount: Whole = Field(ge=0)


class LineItem(NestedParams):
    """One line of the purchase."""

    price_data: PriceData
    quantity: Whole = Field(1, ge=1)


class PaymentIntentData(NestedParams):
    """Fields of the payment that the session makes."""

    description: str | None = None
    metadata: Metadata = Field({})
    receipt_email: str | None = None
    setup_future_usage: Literal["off_session", "on_session"] | None = None
    statement_descriptor_suffix: str | None = Field(None, max_length=22)


class SetupIntentData(NestedParams):
    """Fields of the setup that the session makes."""

    description: str | None = None
    metadata: Metadata = Field({})


class InvoiceCreation(Switch):
    """Whether Stripe makes an invoice. The sandbox makes none."""

    invoice_data: dict[str, Any] = Field({})


class SavedMethods(NestedParams):
    """Whether the page offers to save the card."""

    allow_redisplay_filters: list[str] = Field([])
    payment_method_remove: Literal["disabled", "enabled"] = "disabled"
    payment_method_save: Literal["disabled", "enabled"] = "disabled"


class TaxIds(Switch):
    """Whether the page asks for a tax id."""

    required: Literal["if_supported", "never"] = "never"


class NewSession(Params):
    """Parameters of a new session."""

    adaptive_pricing: Switch | None = None
    allow_promotion_codes: bool = False
    allowed_payment_method_types: list[str] = Field(["card"])
    automatic_tax: Switch = Switch(enabled=False)
    billing_address_collection: Literal["auto", "required"] = "auto"
    cancel_url: str | None = None
    client_reference_id: str | None = Field(None, max_length=200)
    currency: Currency | None = None
    customer: str | None = None
    customer_creation: Literal["always", "if_required"] | None = None
    customer_email: str | None = None
    customer_update: CustomerUpdate | None = None
    expires_at: Whole | None = None
    invoice_creation: InvoiceCreation | None = None
    line_items: list[LineItem] = Field([])
    locale: str | None = None
    metadata: Metadata = Field({})
    mode: Literal["payment", "setup"]
    payment_intent_data: PaymentIntentData | None = None
    phone_number_collection: Switch | None = None
    saved_payment_method_options: SavedMethods | None = None
    setup_intent_data: SetupIntentData | None = None
    submit_type: Literal["auto", "book", "donate", "pay"] | None = None
    success_url: str
    tax_id_collection: TaxIds = TaxIds(enabled=False)
    ui_mode: Literal["hosted", "hosted_page"] = "hosted_page"


class Sessions(DatedListParams):
    """Parameters of a list of sessions: of a customer, of a payment, or by status."""

    customer: str | None = None
    payment_intent: str | None = None
    status: Literal["complete", "expired", "open"] | None = None


def create(account: StripeAccount, params: NewSession) -> Document:
    """Creates a session."""
    _refuse(account, params)
    total = sum(item.price_data.unit_amount * item.quantity for item in params.line_items)
    setup = params.setup_intent_data or SetupIntentData()
    session = account.make("checkout.session", **_fields(account, params))
    changes: Document = {"url": f"{account.pages}/pay/{session['id']}"}
    if params.mode == "payment":
        changes |= {"amount_subtotal": total, "amount_total": total, "payment_status": "unpaid"}
        changes |= {"currency": params.line_items[0].price_data.currency}
        given = (params.payment_intent_data or PaymentIntentData()).model_dump()
    else:
        intent = setup_intents.make(account, params.customer, setup.metadata, setup.description)
        changes |= {"setup_intent": intent["id"]}
        given = {}
    names = [item.price_data.product_data.name for item in params.line_items]
    update = (params.customer_update or CustomerUpdate()).model_dump()
    account.sandbox.store.put(
        "stripe.page", {"id": session["id"], "intent": given, "names": names, "customer_update": update}
    )
    return account.put(session | changes)


def _refuse(account: StripeAccount, params: NewSession) -> None:
    if params.customer:
        account.get("customer", params.customer, "customer")
    if params.mode == "payment" and not params.line_items:
        raise invalid("Missing required param: line_items.", "line_items", "parameter_missing")
    if params.mode == "setup" and (params.line_items or params.payment_intent_data):
        raise invalid("You can not pass `line_items` or `payment_intent_data` in `setup` mode.", "line_items")
    if params.mode == "setup" and not params.customer and not params.currency:
        raise invalid("Missing required param: currency.", "currency", "parameter_missing")
    if params.customer_update and not params.customer:
        raise invalid("`customer_update` can only be used with `customer`.", "customer_update")
    if len({item.price_data.currency for item in params.line_items}) > 1:
        raise invalid("All line items must have the same currency.", "line_items")
    _refuse_expiry(params.expires_at, account.now)


def _refuse_expiry(expires_at: int | None, now: int) -> None:
    if expires_at is None or now + EXPIRES_SECONDS_MIN <= expires_at <= now + EXPIRES_SECONDS_MAX:
        return
    bound = "at least 30 minutes" if expires_at < now + EXPIRES_SECONDS_MIN else "less than 24 hours"
    raise invalid(f"The `expires_at` timestamp must be {bound} from Checkout Session creation.", "expires_at")


def _fields(account: StripeAccount, params: NewSession) -> Document:
    same = (
        "adaptive_pricing",
        "allow_promotion_codes",
        "allowed_payment_method_types",
        "billing_address_collection",
        "cancel_url",
        "client_reference_id",
        "currency",
        "customer",
        "customer_creation",
        "customer_email",
        "invoice_creation",
        "locale",
        "metadata",
        "mode",
        "saved_payment_method_options",
        "submit_type",
        "success_url",
        "tax_id_collection",
        "ui_mode",
    )
    return {
        **params.model_dump(include=set(same)),
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {"enabled": params.automatic_tax.enabled, "liability": None, "status": None},
        "custom_fields": [],
        "customer_details": None,
        "expires_at": params.expires_at or account.now + EXPIRES_SECONDS_MAX,
        "invoice": None,
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required",
        "setup_intent": None,
        "shipping_options": [],
        "status": "open",
        "subscription": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": None,
    }


def expire(account: StripeAccount, _params: Params, session: str) -> Document:
    """Expires an open session."""
    found = account.get("checkout.session", session)
    if found["status"] != "open":
        raise invalid(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {found["status"]}.'
        )
    return end(account, found)


def end(account: StripeAccount, session: Document) -> Document:
    """Expires the session, and cancels a payment that was tried in it."""
    if session["payment_intent"]:
        intent = account.get("payment_intent", session["payment_intent"])
        if intent["status"] in CANCELABLE:
            cancel(account, Cancel(), intent["id"])
    expired = account.put(session | {"status": "expired", "url": None})
    account.emit("checkout.session.expired", expired)
    return expired


def end_overdue(account: StripeAccount) -> None:
    """Expires all sessions whose time is over."""
    for each in account.find("checkout.session", status="open"):
        if each["expires_at"] <= account.now:
            end(account, each)


def retrieve(account: StripeAccount, _params: Params, session: str) -> Document:
    """One session."""
    return account.get("checkout.session", session)


def list_(account: StripeAccount, params: Sessions) -> Document:
    """Sessions, newest first."""
    asked = params.model_dump(include={"customer", "payment_intent", "status"}, exclude_none=True)
    return account.page("/v1/checkout/sessions", account.find("checkout.session", **asked), params)


OPERATIONS = (
    Operation("checkout.sessions.create", "POST", "/v1/checkout/sessions", NewSession, create),
    Operation("checkout.sessions.list", "GET", "/v1/checkout/sessions", Sessions, list_),
    Operation("checkout.sessions.retrieve", "GET", "/v1/checkout/sessions/{session}", Params, retrieve),
    Operation("checkout.sessions.expire", "POST", "/v1/checkout/sessions/{session}/expire", Params, expire),
)
