"""Payment methods: the public part of cards. What only the bank knows is stored beside them."""

from typing import Any, Literal

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.cards import CARDS, METHODS, BankCard
from ledger.sandbox.stripe.errors import declined, invalid
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import ListParams, Params
from ledger.sandbox.stripe.stripe_account import StripeAccount

# Per method: the card's number, whether its bank has agreed to payments without the customer, whether it is used up.
_SECRET = "stripe.card"
_EXPIRES = (12, 2034)


class Attach(Params):
    """The customer for whom the method is saved."""

    customer: str


class MethodsOf(ListParams):
    """Parameters of a list of a customer's methods."""

    type: Literal["card"] | None = None


class Methods(MethodsOf):
    """Parameters of a list of methods. The customer is required, because Stripe lists only customers' methods."""

    customer: str


def make_method(
    account: StripeAccount, number: str, expires: tuple[int, int] = _EXPIRES, name: str | None = None, **billing: Any
) -> Document:
    """Makes a payment method of a test card, not saved yet. `expires`: month and year."""
    details = {"address": None, "email": None, "name": name, "phone": None, "tax_id": None, **billing}
    card = {
        "brand": CARDS[number].brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": CARDS[number].brand,
        "exp_month": expires[0],
        "exp_year": expires[1],
        "fingerprint": f"sandbox{number[-9:]}",
        "funding": "credit",
        "generated_from": None,
        "last4": number[-4:],
        "networks": {"available": [CARDS[number].brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    method = account.make(
        "payment_method",
        allow_redisplay="unspecified",
        billing_details=details,
        card=card,
        customer=None,
        metadata={},
        type="card",
    )
    _note(account, method["id"], number=number, set_up=False, used=False)
    return method


def method_of(account: StripeAccount, id_: str, param: str | None = "payment_method") -> Document:
    """The method that a parameter names. For a ready-made test method a new one is made."""
    if id_ in METHODS:
        return make_method(account, METHODS[id_])
    return account.get("payment_method", id_, param)


def attach(account: StripeAccount, method: Document, customer_id: str) -> Document:
    """Saves a method for a customer. Raises ApiError if the bank declines."""
    card = card_of(account, method)
    if card.decline and not card.saves:
        raise declined(
            card.decline.message,
            card.decline.code,
            decline_code=card.decline.decline_code,
            advice_code=card.decline.advice_code,
        )
    if method["customer"] not in (None, customer_id):
        raise invalid("The payment method you provided has already been attached to a customer.")
    refuse_used(account, method)
    if method["customer"] is None:
        account.put(method | {"customer": customer_id})
        method["customer"] = customer_id
        account.emit("payment_method.attached", method)
    return method


def card_of(account: StripeAccount, method: Document) -> BankCard:
    """The test card, which says how the bank behaves."""
    return CARDS[_bank_record(account, method["id"])["number"]]


def needs_authentication(account: StripeAccount, method: Document) -> bool:
    """Whether the bank asks for 3-D Secure before it pays."""
    card = card_of(account, method)
    agreed = _bank_record(account, method["id"])["set_up"]
    return card.authenticates == "always" or (card.authenticates == "until_set_up" and not agreed)


def mark_set_up(account: StripeAccount, method: Document) -> None:
    """Records that the customer has agreed to later charges."""
    _note(account, method["id"], set_up=True)


def mark_used(account: StripeAccount, method: Document) -> None:
    """Records that an unsaved method has paid: it can't pay again."""
    if method["customer"] is None:
        _note(account, method["id"], used=True)


def refuse_used(account: StripeAccount, method: Document) -> None:
    """Raises ApiError if the method has paid without being saved, or was detached."""
    if _bank_record(account, method["id"])["used"]:
        raise invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a "
            "Customer, and may not be used again.",
            "payment_method",
        )


def behave_like(account: StripeAccount, id_: str, number: str) -> Document:
    """Makes the bank treat a saved card like another test card from now on, such as a lost one."""
    method = account.get("payment_method", id_)
    _note(account, id_, number=number)
    return method


def retrieve(account: StripeAccount, _params: Params, payment_method: str) -> Document:
    """One method."""
    return account.get("payment_method", payment_method)


def attach_named(account: StripeAccount, params: Attach, payment_method: str) -> Document:
    """Saves a method for a customer."""
    account.get("customer", params.customer, "customer")
    return attach(account, method_of(account, payment_method, None), params.customer)


def detach(account: StripeAccount, _params: Params, payment_method: str) -> Document:
    """Removes a saved method from its customer. It can't be used again."""
    method = account.get("payment_method", payment_method)
    if method["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = account.get("customer", method["customer"])
    if customer["invoice_settings"]["default_payment_method"] == payment_method:
        customer["invoice_settings"]["default_payment_method"] = None
        account.put(customer)
    account.put(method | {"customer": None})
    _note(account, payment_method, used=True)
    account.emit("payment_method.detached", method | {"customer": None}, {"customer": method["customer"]})
    return method | {"customer": None}


def list_for_customer(account: StripeAccount, params: MethodsOf, customer: str) -> Document:
    """A customer's methods."""
    account.get("customer", customer)
    url = f"/v1/customers/{customer}/payment_methods"
    return account.page(url, account.find("payment_method", customer=customer), params)


def list_(account: StripeAccount, params: Methods) -> Document:
    """A customer's methods; the customer is a parameter."""
    account.get("customer", params.customer, "customer")
    return account.page("/v1/payment_methods", account.find("payment_method", customer=params.customer), params)


def _bank_record(account: StripeAccount, id_: str) -> Document:
    found = account.sandbox.store.get(_SECRET, id_)
    assert found is not None
    return found


def _note(account: StripeAccount, id_: str, **changes: Any) -> None:
    known = account.sandbox.store.get(_SECRET, id_) or {"id": id_}
    account.sandbox.store.put(_SECRET, known | changes)


OPERATIONS = (
    Operation("payment_methods.list", "GET", "/v1/payment_methods", Methods, list_),
    Operation("payment_methods.retrieve", "GET", "/v1/payment_methods/{payment_method}", Params, retrieve),
    Operation("payment_methods.attach", "POST", "/v1/payment_methods/{payment_method}/attach", Attach, attach_named),
    Operation("payment_methods.detach", "POST", "/v1/payment_methods/{payment_method}/detach", Params, detach),
    Operation(
        "customers.payment_methods.list",
        "GET",
        "/v1/customers/{customer}/payment_methods",
        MethodsOf,
        list_for_customer,
    ),
)
