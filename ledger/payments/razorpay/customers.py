"""Customers at Razorpay. They only fill in the form of Checkout.js, so values that Razorpay refuses are left out.

Razorpay distinguishes customers by e-mail address and telephone number. All buyers without an address share one
customer, so it gets no name either.
"""

import re

from ledger.payments.gateway import Buyer, ProviderRefuses
from ledger.payments.razorpay.api import Api
from ledger.payments.razorpay.translation import without_empty

_NAME = re.compile(r"[A-Za-z0-9 .'/@()]{3,50}")
_EMAIL_LENGTH = 64


def put_customer(api: Api, buyer: Buyer, customer_id: str | None) -> str:
    """Creates or updates the customer; returns its id.

    A customer that can't be changed (made with another key, or its new address is another customer's) is created anew.
    """
    fields = _accepted_fields(buyer)
    if customer_id is not None:
        if not fields:
            return customer_id
        try:
            return api.edit_customer(customer_id, fields).id
        except ProviderRefuses:
            pass
    # "0": if the address has a customer already, Razorpay returns it instead of refusing.
    return api.create_customer({**fields, "fail_existing": "0", "notes": {"ledger_account": buyer.account_id}}).id


def _accepted_fields(buyer: Buyer) -> dict[str, str]:
    if not buyer.email or len(buyer.email) > _EMAIL_LENGTH:
        return {}
    name = buyer.name if buyer.name and _NAME.fullmatch(buyer.name) else None
    return without_empty(name=name, email=buyer.email)
