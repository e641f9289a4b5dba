"""Customers and their tax ids."""

from typing import Any

from pydantic import Field

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.errors import missing
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import Address, ListParams, Metadata, NestedParams, Params, Unset
from ledger.sandbox.stripe.payment_methods import attach, method_of
from ledger.sandbox.stripe.stripe_account import StripeAccount


class InvoiceSettings(NestedParams):
    """The customer's default payment method."""

    default_payment_method: Unset = None


class CustomerParams(Params):
    """A customer's fields. A field that is absent stays unchanged."""

    address: Address | None = None
    description: Unset = None
    email: Unset = None
    invoice_settings: InvoiceSettings | None = None
    metadata: Metadata | None = None
    name: Unset = None
    phone: Unset = None
    preferred_locales: list[str] | None = None


class NewTaxId(Params):
    """A tax id. `type`: Stripe's name of it, such as eu_vat."""

    type: str = Field(pattern="^[a-z]{2,3}_[a-z_]+$")
    value: str = Field(min_length=1, max_length=64)


class NewCustomer(CustomerParams):
    """A customer, together with a payment method and tax ids."""

    payment_method: str | None = None
    tax_id_data: list[NewTaxId] = Field([])


_EMPTY: dict[str, Any] = {
    "address": None,
    "balance": 0,
    "currency": None,
    "default_source": None,
    "delinquent": False,
    "description": None,
    "email": None,
    "metadata": {},
    "name": None,
    "phone": None,
    "preferred_locales": [],
    "shipping": None,
    "tax_exempt": "none",
    "test_clock": None,
}
_SETTINGS = {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None}


def create(account: StripeAccount, params: NewCustomer) -> Document:
    """Creates a customer."""
    customer = account.make("customer", **_EMPTY, invoice_settings=dict(_SETTINGS))
    if params.payment_method:
        attach(account, method_of(account, params.payment_method), customer["id"])
    _change(account, customer, params)
    for tax_id in params.tax_id_data:
        create_tax_id(account, tax_id, customer["id"])
    account.emit("customer.created", customer)
    return customer


def update(account: StripeAccount, params: CustomerParams, customer: str) -> Document:
    """Changes the fields that are given."""
    found = account.get("customer", customer)
    before = dict(found)
    _change(account, found, params)
    previous = {name: before[name] for name in params.model_fields_set if name in before}
    account.emit("customer.updated", found, previous)
    return found


def retrieve(account: StripeAccount, _params: Params, customer: str) -> Document:
    """One customer."""
    return account.get("customer", customer)


def _change(account: StripeAccount, customer: Document, params: CustomerParams) -> None:
    given = params.model_dump(exclude_unset=True, exclude={"expand", "payment_method", "tax_id_data"})
    settings, metadata = given.pop("invoice_settings", None), given.pop("metadata", None)
    if settings and settings["default_payment_method"]:
        _owned(account, settings["default_payment_method"], customer["id"])
    customer |= given | ({"address": params.address.model_dump()} if params.address else {})
    customer["invoice_settings"] |= settings or {}
    customer["metadata"] = merged(customer["metadata"], metadata)
    account.put(customer)


def _owned(account: StripeAccount, method_id: str, customer_id: str) -> None:
    method = account.get("payment_method", method_id, "invoice_settings[default_payment_method]")
    if method["customer"] != customer_id:
        raise missing("payment_method", method_id, "invoice_settings[default_payment_method]", status=400)


def merged(metadata: dict[str, str], given: dict[str, str] | None) -> dict[str, str]:
    """The metadata with the given changes. An empty text removes its key."""
    return {key: text for key, text in {**metadata, **(given or {})}.items() if text}


def create_tax_id(account: StripeAccount, params: NewTaxId, customer: str) -> Document:
    """Adds a tax id to a customer."""
    account.get("customer", customer)
    tax_id = account.make(
        "tax_id",
        country=params.type.split("_")[0].upper(),
        customer=customer,
        owner={"type": "customer", "customer": customer},
        type=params.type,
        value=params.value,
        verification={"status": "pending", "verified_address": None, "verified_name": None},
    )
    account.emit("customer.tax_id.created", tax_id)
    return tax_id


def list_tax_ids(account: StripeAccount, params: ListParams, customer: str) -> Document:
    """A customer's tax ids."""
    account.get("customer", customer)
    return account.page(f"/v1/customers/{customer}/tax_ids", account.find("tax_id", customer=customer), params)


def delete_tax_id(account: StripeAccount, _params: Params, customer: str, id: str) -> Document:
    """Deletes a tax id."""
    tax_id = account.get("tax_id", id)
    if tax_id["customer"] != customer:
        raise missing("tax_id", id)
    account.sandbox.store.remove("stripe.tax_id", id)
    account.emit("customer.tax_id.deleted", tax_id)
    return {"id": id, "object": "tax_id", "deleted": True}


OPERATIONS = (
    Operation("customers.create", "POST", "/v1/customers", NewCustomer, create),
    Operation("customers.retrieve", "GET", "/v1/customers/{customer}", Params, retrieve),
    Operation("customers.update", "POST", "/v1/customers/{customer}", CustomerParams, update),
    Operation("customers.tax_ids.create", "POST", "/v1/customers/{customer}/tax_ids", NewTaxId, create_tax_id),
    Operation("customers.tax_ids.list", "GET", "/v1/customers/{customer}/tax_ids", ListParams, list_tax_ids),
    Operation("customers.tax_ids.delete", "DELETE", "/v1/customers/{customer}/tax_ids/{id}", Params, delete_tax_id),
)
