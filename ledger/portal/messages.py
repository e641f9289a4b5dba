"""Messages for customers: why something can't be done, and the state of auto top-up. No codes, no jargon."""

from collections.abc import Mapping

from ledger.core.errors import LedgerError
from ledger.core.top_up_attempts import SWITCHED_OFF
from ledger.payments.tax_ids import TaxIdMalformed
from ledger.portal.declines import decline_text

_ERRORS: Mapping[str, str] = {
    "billing_country_missing": "Choose the country of your billing address.",
    "country_unknown": "Choose a country from the list.",
    "email_malformed": "This does not look like an e-mail address.",
    "invoice_unknown": "There is no such invoice.",
    "locale_unknown": "Choose a format from the list.",
    "log_unavailable": "This takes a moment longer. Please try again.",
    "method_in_use": "Auto top-up charges this payment method. First choose another one there, or switch it off.",
    "no_address_for_links": "Payment links are sent by e-mail. Add an e-mail address to your billing details first.",
    "no_payment_method": "Add a payment method first; auto top-up charges it without asking you.",
    "no_rate_in_effect": "This payment method can't be used now. Please choose another one.",
    "payment_method_unknown": "This payment method is no longer saved. Please choose another one.",
    "provider_not_configured": "This payment method can't be used here. Please choose another one.",
    "provider_refuses": "The payment provider did not accept this. Please try another payment method.",
    "provider_unavailable": "The payment provider does not answer. Please try again in a moment.",
    "provider_unknown": "The payment provider does not answer. Please try again in a moment; you are charged once.",
    "purchase_unknown": "There is no such purchase.",
    "tax_id_check_digit_wrong": "This number can't be right; a character may be mistyped.",
    "tax_id_country_unknown": "Choose the country of the tax ID.",
    "tax_id_part_unknown": "A part of this number does not exist, such as a date or a region.",
    "tax_id_type_unknown": "Choose the type of the tax ID.",
    "time_zone_unknown": "Choose a time zone from the list.",
    "too_many_tax_ids": "You have five tax IDs. Remove one first.",
    "transaction_unknown": "There is no such transaction.",
}

# What the fold says about a policy.
REFUSALS: Mapping[str, str] = {
    "purchase_not_in_whole_cents": "Type whole cents.",
    "top_up_too_small": "This is less than the smallest top-up.",
    "top_up_cannot_reach_threshold": "This does not lift the balance to the threshold. Add more, or lower it.",
    "top_up_exceeds_cap": "One top-up would already be more than the limit.",
}

_REASONS: Mapping[str, str] = {
    "day": "the limit per day is reached; it continues tomorrow (UTC)",
    "month": "the limit per month is reached; it continues next month",
    "payment_mismatch": "the last payment did not fit; we are looking into it",
}


def error_text(error: LedgerError) -> str:
    """A sentence for an error; if this module has none, the error's own."""
    if isinstance(error, TaxIdMalformed):
        return f"This is not written as such a number is, for example {error.example}."
    return _ERRORS.get(error.code, str(error))


def standing_text(*, enabled: bool, state: str, reason: str | None) -> str:
    """The state of auto top-up, and the reason."""
    match state:
        case "in_flight":
            return "A top-up is under way."
        case "capped":
            return f"Paused: {_REASONS.get(reason or '', 'a limit is reached')}."
        case "suspended" if enabled or reason != SWITCHED_OFF:
            why = _REASONS.get(reason or "") or decline_text(reason or "").rstrip(".")
            return f"Stopped: {why[0].lower()}{why[1:]}. Use another payment method, or save to try again."
    return "On: it watches your balance." if enabled else "Off."
