"""Why a payment was declined, in words for the customer. For a code that is not here, only the bank knows more."""

_WORDS = {
    "authentication_failed": "Your bank could not confirm that it is you.",
    "authentication_required": "Your bank wants you to confirm the payment.",
    "card_expired": "The card has expired.",
    "card_not_supported": "The card does not support this payment.",
    "currency_not_supported": "The card does not support this currency.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The card's security code is wrong.",
    "insufficient_fund": "There is not enough money on the account.",
    "insufficient_funds": "There is not enough money on the card.",
    "never_begun": "The payment provider could not be reached.",
    "payment_cancelled": "The payment was cancelled.",
    "payment_intent_authentication_failure": "Your bank could not confirm that it is you.",
    "payment_timed_out": "The payment took too long.",
    "processing_error": "The bank could not process the payment.",
    "refused": "The payment provider did not accept the payment.",
    "switched_off": "Auto top-up was switched off.",
}


def decline_text(failure: str) -> str:
    """A sentence for a provider's code of a decline."""
    return _WORDS.get(failure, "The payment was declined.")
