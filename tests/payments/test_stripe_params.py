"""Every parameter that the gateway sends is one that the installed client knows for that operation.

The client sends whatever it is given, and Stripe refuses what it doesn't know: a parameter that was renamed or misspelt
would be found by the first customer.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, urlsplit

import pytest
from stripe import RequestOptions, StripeContext, params
from typing_extensions import is_typeddict

from ledger.payments.gateway import Address, Buyer
from ledger.payments.stripe.client import Transport
from tests.payments.stripe_shop import RETURN_URL, StripeShop, new_terms
from tests.support.sandbox import running_sandbox

OPERATIONS = {
    "POST /v1/customers": params.CustomerCreateParams,
    "POST /v1/customers/ID": params.CustomerUpdateParams,
    "GET /v1/customers/ID": params.CustomerRetrieveParams,
    "GET /v1/customers/ID/payment_methods": params.CustomerPaymentMethodListParams,
    "GET /v1/customers/ID/tax_ids": params.CustomerTaxIdListParams,
    "POST /v1/customers/ID/tax_ids": params.CustomerTaxIdCreateParams,
    "DELETE /v1/customers/ID/tax_ids/ID": params.CustomerTaxIdDeleteParams,
    "POST /v1/checkout/sessions": params.checkout.SessionCreateParams,
    "GET /v1/checkout/sessions/ID": params.checkout.SessionRetrieveParams,
    "POST /v1/payment_intents": params.PaymentIntentCreateParams,
    "GET /v1/payment_intents": params.PaymentIntentListParams,
    "GET /v1/payment_intents/ID": params.PaymentIntentRetrieveParams,
    "POST /v1/payment_intents/ID/cancel": params.PaymentIntentCancelParams,
    "GET /v1/payment_methods/ID": params.PaymentMethodRetrieveParams,
    "POST /v1/payment_methods/ID/detach": params.PaymentMethodDetachParams,
    "POST /v1/refunds": params.RefundCreateParams,
    "GET /v1/refunds": params.RefundListParams,
    "GET /v1/disputes": params.DisputeListParams,
    "GET /v1/payouts": params.PayoutListParams,
    "GET /v1/balance_transactions": params.BalanceTransactionListParams,
}
# Types that annotations of RequestOptions name, and that the modules of those who inherit them lack.
_INHERITED = {"Mapping": Mapping, "StripeContext": StripeContext}


class Sent(NamedTuple):
    """One parameter: `payment_intent_data[metadata][a]` is ("payment_intent_data", "metadata", "a")."""

    operation: str
    path: tuple[str, ...]


@pytest.fixture(scope="module")
def sent() -> set[Sent]:
    """What the gateway sends when it is asked for everything that it can do."""
    found: set[Sent] = set()

    class Recording(Transport):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            method, url, _, body = args
            found.update(_sent(method, url, body))
            return super().request(*args, **kwargs)

    with running_sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ledger.payments.stripe.client.Transport", Recording)
        _everything(StripeShop(sandbox))
    return found


def _sent(method: str, url: str, body: str | None) -> Iterator[Sent]:
    parts = urlsplit(url)
    path = re.sub(r"/(cus|cs|pi|pm|txi)_\w+", "/ID", parts.path.removeprefix("/stripe"))
    operation = f"{method.upper()} {path}"
    yield Sent(operation, ())
    for name, _ in parse_qsl(body if body is not None else parts.query, keep_blank_values=True):
        yield Sent(operation, tuple(re.findall(r"[^\[\]]+", name)))


def _everything(shop: StripeShop) -> None:
    gateway, long_ago = shop.gateway, datetime(2020, 1, 1, tzinfo=UTC)
    address = Address("Main St 1", "2nd floor", "Bonn", "NW", "53113", "DE")
    buyer = Buyer("acct_1", "Jo", "jo@example.com", address, (("eu_vat", "DE123456789"),))
    customer = gateway.put_customer(buyer, None)
    gateway.put_customer(buyer._replace(tax_ids=(("ch_uid", "CHE-123.456.789 HR"),)), customer)
    page = shop.begin(new_terms(), customer, None)
    assert page.url is not None
    shop.pay(page.url, "4242424242424242")
    gateway.payment(page.reference)
    gateway.add_method(customer, RETURN_URL)
    [method] = gateway.methods(customer)
    gateway.set_default(customer, method.method_id)
    shop.begin(new_terms(), customer, method.method_id)
    charged = shop.charge(new_terms(), customer, method.method_id, "everything")
    gateway.cancel(charged.payment_id)
    gateway.refund(charged.payment_id, 100, "everything back")
    shop.does("payouts")
    for listed in (gateway.payments, gateway.refunds, gateway.disputes, gateway.payouts):
        list(listed(long_ago))
    gateway.detach(customer, method.method_id)


def test_all_operations_are_looked_at(sent: set[Sent]) -> None:
    assert {one.operation for one in sent} == OPERATIONS.keys()


def test_every_parameter_is_one_of_the_operation(sent: set[Sent]) -> None:
    assert len(sent) > 60
    unknown = sorted(one for one in sent if not knows(OPERATIONS[one.operation], one.path))
    assert not unknown


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (("payment_intent_data", "metadata", "anything"), True),
        (("line_items", "0", "price_data", "product_data", "name"), True),
        (("line_items", "0", "price_data", "product_data", "nam"), False),
        (("line_items", "price_data"), False),
        (("payment_method_types", "0"), False),
        (("mode", "payment"), False),
        (("idempotency_key",), False),
    ],
)
def test_the_client_knows(path: tuple[str, ...], known: bool) -> None:
    assert knows(params.checkout.SessionCreateParams, path) is known


def knows(kind: Any, path: tuple[str, ...]) -> bool:
    """Whether the type of an operation's parameters has this one."""
    if not path:
        return True
    if is_typeddict(kind):
        if path[0] in RequestOptions.__annotations__:
            return False  # they go into headers
        hints = get_type_hints(kind, localns=_INHERITED)
        return path[0] in hints and knows(hints[path[0]], path[1:])
    if get_origin(kind) is dict:
        return len(path) == 1
    if get_origin(kind) is list:
        return path[0].isdigit() and knows(get_args(kind)[0], path[1:])
    return any(knows(choice, path) for choice in get_args(kind) if not isinstance(choice, str))
