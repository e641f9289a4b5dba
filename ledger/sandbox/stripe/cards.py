"""Stripe's test cards: how the bank treats each.

A card has a number, and some have a ready-made payment method's id.
"""

from typing import Literal, NamedTuple


class Decline(NamedTuple):
    """Why a bank declines, in Stripe's words."""

    message: str
    code: str
    decline_code: str | None = None
    advice_code: str | None = None


class BankCard(NamedTuple):
    """One card. `authenticates`: when its bank asks for 3-D Secure. `saves`: whether it can be saved."""

    number: str
    brand: str = "visa"
    decline: Decline | None = None
    authenticates: Literal["never", "until_set_up", "always"] = "never"
    saves: bool = True


AUTHENTICATION_REQUIRED = Decline(
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
    "authentication_required",
)
AUTHENTICATION_FAILED = Decline(
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod "
    "to attempt to fulfill this PaymentIntent again.",
    "payment_intent_authentication_failure",
)
_GENERIC = Decline("Your card was declined.", "card_declined", "generic_decline", "try_again_later")
_FUNDS = Decline("Your card has insufficient funds.", "card_declined", "insufficient_funds", "try_again_later")
_LOST = Decline("Your card was declined.", "card_declined", "lost_card", "do_not_try_again")
_STOLEN = Decline("Your card was declined.", "card_declined", "stolen_card", "do_not_try_again")
_EXPIRED = Decline("Your card has expired.", "expired_card", "expired_card", "confirm_card_data")
_CVC = Decline("Your card's security code is incorrect.", "incorrect_cvc", "incorrect_cvc", "confirm_card_data")
_ERROR = Decline(
    "An error occurred while processing your card. Try again in a little bit.", "processing_error", None, None
)

CARDS = {
    card.number: card
    for card in (
        BankCard("4242424242424242"),
        BankCard("5555555555554444", "mastercard"),
        BankCard("4000000000000002", decline=_GENERIC, saves=False),
        BankCard("4000000000009995", decline=_FUNDS, saves=False),
        BankCard("4000000000009987", decline=_LOST, saves=False),
        BankCard("4000000000009979", decline=_STOLEN, saves=False),
        BankCard("4000000000000069", decline=_EXPIRED, saves=False),
        BankCard("4000000000000127", decline=_CVC, saves=False),
        BankCard("4000000000000119", decline=_ERROR, saves=False),
        BankCard("4000000000000341", decline=_GENERIC),
        BankCard("4000002500003155", authenticates="until_set_up"),
        BankCard("4000002760003184", authenticates="always"),
        BankCard("4000000000003220", authenticates="always"),
        BankCard("4000008260003178", authenticates="until_set_up", decline=_FUNDS),
    )
}
METHODS = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedLostCard": "4000000000009987",
    "pm_card_visa_chargeDeclinedStolenCard": "4000000000009979",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_chargeDeclinedIncorrectCvc": "4000000000000127",
    "pm_card_chargeDeclinedProcessingError": "4000000000000119",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_authenticationRequiredOnSetup": "4000002500003155",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_threeDSecure2Required": "4000000000003220",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
}
