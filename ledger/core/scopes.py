"""The scopes of callers: what each API key may be allowed to do, and what a customer may do at the billing page."""

from collections.abc import Mapping
from typing import Literal, TypeGuard

Scope = Literal[
    "usage:write",
    "accounts:read",
    "accounts:write",
    "adjustments:write",
    "authorizations:write",
    "billing:read",
    "billing:write",
    "metrics:read",
    "portal:write",
    "purchases:write",
    "refunds:write",
    "reports:read",
    "webhooks:write",
]

# Each scope, and what it allows.
SCOPES: Mapping[Scope, str] = {
    "usage:write": "record model calls and traces",
    "accounts:read": "read accounts, balances, histories and prices",
    "accounts:write": "open accounts, change packages, set auto top-up",
    "adjustments:write": "correct a balance",
    "authorizations:write": "hold credits for a request, extend and release the hold",
    "billing:read": "read purchases, payment methods, profiles and invoices",
    "billing:write": "change payment methods, profiles and tax ids",
    "metrics:read": "read the metrics",
    "portal:write": "make links to the billing page",
    "purchases:write": "buy credits",
    "refunds:write": "refund a purchase",
    "reports:read": "read reports over all accounts",
    "webhooks:write": "manage webhook endpoints",
}

# An allow-list: a scope that is added above is not a customer's until it is added here, too.
CUSTOMER_SCOPES: frozenset[Scope] = frozenset(
    {"accounts:read", "accounts:write", "billing:read", "billing:write", "purchases:write"}
)


def is_scope(text: str) -> TypeGuard[Scope]:
    """Whether there is a scope of this name."""
    return text in SCOPES
