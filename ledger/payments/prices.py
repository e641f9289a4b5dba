"""The price of credits: in the provider's currency, at the rate of the day, with the tax of the buyer's country."""

from datetime import date

from ledger.core.pricing import Price, effective_rate, price_of
from ledger.payments.taxes import tax_percent
from ledger.settings import Settings


def price(settings: Settings, provider: str, credits: int, country: str | None, today: date) -> Price:
    """The price of `credits` nanos on a day (UTC). Raises NoRateInEffect or AmountIsZero."""
    percent = tax_percent(settings, country)
    if provider != "razorpay":
        return price_of(credits, "USD", "1", percent)
    rates = ((rate.since, rate.rupees) for rate in settings.razorpay_rates)
    return price_of(credits, "INR", effective_rate(rates, today), percent)
