"""What to do after a decline of Stripe's, by the codes that Stripe documents.

A code that is not listed here is soft: the number of retries is bounded elsewhere, and a card that would work later is
not given up.
"""

from collections.abc import Mapping

from ledger.payments.gateway import Decline

_AUTHENTICATION = frozenset(
    {
        "authentication_required",
        "authentication_not_handled",
        "mobile_device_authentication_required",
        "payment_intent_authentication_failure",
    }
)
# The customer has to use another card or correct its details. Banks and card networks penalise retries.
_HARD = frozenset(
    {
        "card_not_supported",
        "currency_not_supported",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "highest_risk_level",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_zip",
        "invalid_account",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "not_permitted",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
    }
)


def failure_code(failure: Mapping[str, str]) -> str:
    """The most exact code of a failure. `failure`: a payment's last error; unknown fields are absent."""
    return failure.get("decline_code") or failure.get("code") or "unknown"


def decline_of(failure: Mapping[str, str]) -> Decline:
    """What to do after the failure. The bank's advice never to try again outweighs every code."""
    codes, advice = {failure.get("code"), failure.get("decline_code")}, failure.get("advice_code")
    if advice == "do_not_try_again":
        return "hard"
    if codes & _AUTHENTICATION:
        return "authentication_required"
    if codes & _HARD or advice == "confirm_card_data":
        return "hard"
    return "soft"
