"""Customers at Razorpay: what fills in Checkout.js, and nothing else. So what Razorpay doesn't take is left out.

Razorpay tells customers apart by e-mail address and telephone number. Buyers without an address would share one
customer, so theirs gets no name either.
"""

import re

from ledger.payments.gateway import Buyer, ProviderRefuses
from ledger.payments.razorpay.api import Api
from ledger.payments.razorpay.translation import known

_NAME = re.compile(r"[A-Za-z0-9 .'/@()]{3,50}")
_EMAIL_LENGTH = 64


def put_customer(api: Api, buyer: Buyer, customer_id: str | None) -> str:
    """Makes the customer, or brings it up to date; returns its id.

    One that can't be changed (made with another key, or its new address is another customer's) is made anew.
    """
    taken = _taken(buyer)
    if customer_id is not None:
        if not taken:
            return customer_id
        try:
            return api.edit_customer(customer_id, taken).id
        except ProviderRefuses:
            pass
    # "0": a customer with this address is returned, not refused.
    return api.create_customer({**taken, "fail_existing": "0", "notes": {"ledger_account": buyer.account_id}}).id


def _taken(buyer: Buyer) -> dict[str, str]:
    if not buyer.email or len(buyer.email) > _EMAIL_LENGTH:
        return {}
    name = buyer.name if buyer.name and _NAME.fullmatch(buyer.name) else None
    return known(name=name, email=buyer.email)
