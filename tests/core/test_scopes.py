"""The scopes are one list, and a customer has none of an operator's."""

from typing import get_args

from ledger.core.scopes import CUSTOMER_SCOPES, SCOPES, Scope, is_scope


def test_each_scope_says_what_it_allows() -> None:
    assert tuple(SCOPES) == get_args(Scope)
    assert all(SCOPES.values())
    assert not is_scope("accounts:delete")


def test_a_customer_may_not_do_what_an_operator_or_a_router_does() -> None:
    assert set(SCOPES) > CUSTOMER_SCOPES
    others = {
        "adjustments:write",
        "refunds:write",
        "reports:read",
        "metrics:read",
        "usage:write",
        "authorizations:write",
    }
    assert not CUSTOMER_SCOPES & others
