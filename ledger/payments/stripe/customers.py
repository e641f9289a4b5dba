"""Customers at Stripe: their names and addresses, their tax ids, and their saved payment methods."""

from typing import cast

import stripe
from stripe.params import (
    CustomerCreateParams,
    CustomerCreateParamsTaxIdDatum,
    CustomerUpdateParams,
    CustomerUpdateParamsAddress,
)

from ledger.payments.gateway import Address, Buyer, Method, ProviderRefuses
from ledger.payments.stripe import translation
from ledger.payments.stripe.client import Stripe

_PAGE = 100
TaxId = tuple[str, str]


class Customers:
    """The customers of one account at Stripe."""

    def __init__(self, api: Stripe) -> None:
        self._api = api

    def put(self, buyer: Buyer, customer_id: str | None) -> str:
        """Sends Stripe what we know. What we don't know stays as the customer gave it to Stripe."""
        with self._api.translating_errors() as client:
            if customer_id is None:
                return self._create(client, buyer)
            try:
                client.v1.customers.update(customer_id, _described(buyer))
            except stripe.InvalidRequestError as error:
                if error.code != "resource_missing":
                    raise
                return self._create(client, buyer)
            self._put_tax_ids(client, customer_id, buyer.tax_ids)
            return customer_id

    def methods(self, customer_id: str) -> list[Method]:
        """The saved methods; empty for a customer that was deleted at Stripe."""
        with self._api.translating_errors() as client:
            customer = client.v1.customers.retrieve(customer_id)
            if getattr(customer, "deleted", False):
                return []
            settings = customer.invoice_settings
            default = translation.id_of(settings.default_payment_method) if settings else None
            found = client.v1.customers.payment_methods.list(customer_id, {"limit": _PAGE})
            return [translation.method_of(method, default) for method in found.auto_paging_iter()]

    def set_default(self, customer_id: str, method_id: str) -> None:
        """Stripe itself refuses a method of another customer."""
        with self._api.translating_errors() as client:
            client.v1.customers.update(customer_id, {"invoice_settings": {"default_payment_method": method_id}})

    def detach(self, customer_id: str, method_id: str) -> None:
        with self._api.translating_errors() as client:
            if translation.id_of(client.v1.payment_methods.retrieve(method_id).customer) != customer_id:
                raise ProviderRefuses("the method is not this customer's", field="payment_method_id")
            client.v1.payment_methods.detach(method_id)

    def _create(self, client: stripe.StripeClient, buyer: Buyer) -> str:
        """Creates the customer and its tax ids in one request, so that a wrong tax id leaves no customer behind."""
        tax_ids: list[CustomerCreateParamsTaxIdDatum] = [
            {"type": kind, "value": number} for kind, number in buyer.tax_ids
        ]
        # The fields are the same in both types, which mypy can't see.
        params = cast("CustomerCreateParams", {**_described(buyer), "tax_id_data": tax_ids})
        return client.v1.customers.create(params).id

    def _put_tax_ids(self, client: stripe.StripeClient, customer_id: str, wanted: tuple[TaxId, ...]) -> None:
        """Adds before it removes, so that a number which Stripe refuses leaves the old one in place."""
        kept = client.v1.customers.tax_ids.list(customer_id, {"limit": _PAGE})
        there = {_plain(found.type, found.value): found.id for found in kept.auto_paging_iter()}
        for kind, number in wanted:
            if _plain(kind, number) not in there:
                client.v1.customers.tax_ids.create(customer_id, {"type": kind, "value": number})
        for tax_id in there.keys() - {_plain(*one) for one in wanted}:
            client.v1.customers.tax_ids.delete(customer_id, there[tax_id])


def _described(buyer: Buyer) -> CustomerUpdateParams:
    fields: CustomerUpdateParams = {"metadata": {"account": buyer.account_id}}
    if buyer.name is not None:
        fields["name"] = buyer.name
    if buyer.email is not None:
        fields["email"] = buyer.email
    if buyer.address is not None:
        fields["address"] = _address(buyer.address)
    return fields


def _address(address: Address) -> CustomerUpdateParamsAddress:
    return {
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "state": address.state,
        "postal_code": address.postal_code,
        "country": address.country,
    }


def _plain(kind: str, number: str) -> TaxId:
    """A tax id in one notation, without spaces and dots."""
    return kind, "".join(filter(str.isalnum, number)).upper()
