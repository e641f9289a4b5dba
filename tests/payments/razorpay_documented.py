"""What Razorpay documents of the requests that we make: each with its page and the fields that it takes.

Razorpay refuses a field that it does not know. So the gateway may send nothing that is not in this table.
"""

from typing import NamedTuple

_DOCS = "https://razorpay.com/docs"


class Documented(NamedTuple):
    """One request. `fields`: of the query or the body, those of an object with a dot; `notes` are free."""

    source: str
    fields: frozenset[str] = frozenset()


def _request(source: str, *fields: str) -> Documented:
    return Documented(f"{_DOCS}/{source}", frozenset(fields))


_LIST = ("from", "to", "count", "skip")

DOCUMENTED = {
    ("POST", "/v1/customers"): _request(
        "api/customers/create", "name", "contact", "email", "fail_existing", "gstin", "notes"
    ),
    ("PUT", "/v1/customers/ID"): _request("api/customers/edit", "name", "contact", "email", "notes"),
    ("GET", "/v1/customers/ID"): _request("api/customers/fetch-with-id"),
    ("POST", "/v1/orders"): _request(
        "payments/payments/capture-settings/api",
        "amount",
        "currency",
        "receipt",
        "notes",
        "payment.capture",
        "payment.capture_options.automatic_expiry_period",
        "payment.capture_options.manual_expiry_period",
        "payment.capture_options.refund_speed",
    ),
    ("GET", "/v1/orders"): _request("api/orders/fetch-all", "authorized", "receipt", *_LIST),
    ("GET", "/v1/orders/ID"): _request("api/orders/fetch-with-id"),
    ("GET", "/v1/orders/ID/payments"): _request("api/orders/fetch-payments"),
    ("GET", "/v1/payments"): _request("api/payments/fetch-all-payments", *_LIST),
    ("GET", "/v1/payments/ID"): _request("api/payments/fetch-with-id"),
    ("POST", "/v1/payments/ID/capture"): _request("api/payments/capture", "amount", "currency"),
    ("POST", "/v1/payments/ID/refund"): _request(
        "api/refunds/normal-refunds-idempotent", "amount", "speed", "notes", "receipt"
    ),
    ("GET", "/v1/payments/ID/refunds"): _request("api/refunds/fetch-multiple-refund-payment", *_LIST),
    ("GET", "/v1/refunds"): _request("api/refunds/fetch-all", *_LIST),
    ("GET", "/v1/disputes"): _request("api/disputes/fetch-all", *_LIST),
    ("GET", "/v1/settlements"): _request("api/settlements/fetch-all", *_LIST),
    ("POST", "/v1/payment_links"): _request(
        "api/payments/payment-links/create-standard",
        "amount",
        "currency",
        "accept_partial",
        "first_min_partial_amount",
        "description",
        "reference_id",
        "customer.name",
        "customer.email",
        "customer.contact",
        "expire_by",
        "notify.sms",
        "notify.email",
        "notes",
        "callback_url",
        "callback_method",
        "reminder_enable",
    ),
    ("GET", "/v1/payment_links"): _request(
        "api/payments/payment-links/fetch-all-standard", "payment_id", "reference_id"
    ),
    ("GET", "/v1/payment_links/ID"): _request("api/payments/payment-links/fetch-id-standard"),
    ("POST", "/v1/payment_links/ID/cancel"): _request("api/payments/payment-links/cancel-standard"),
}

CHECKOUT = Documented(
    f"{_DOCS}/payments/payment-gateway/web-integration/standard/integration-steps",
    frozenset(
        {
            "key",
            "order_id",
            "amount",
            "currency",
            "name",
            "description",
            "prefill.name",
            "prefill.email",
            "prefill.contact",
            "notes",
            "callback_url",
            "redirect",
        }
    ),
)
