"""What a purchase is charged: in the provider's currency, at today's rate, with the tax of the buyer's country."""

from datetime import date

from ledger.core.pricing import Price, effective_rate, price_of
from ledger.payments.buyers import billing_country
from ledger.payments.gateway import Buyer
from ledger.settings import Settings


def country_of(settings: Settings, provider: str, who: Buyer) -> str | None:
    """The country that taxes the purchase; None where it makes no difference.

    Raises BillingCountryMissing: Stripe needs the country, and where tax is added nobody may go without by keeping it.
    """
    if provider == "stripe" or settings.tax_percent:
        return billing_country(who)
    return who.address.country if who.address else None


def price(settings: Settings, provider: str, credits: int, country: str | None, today: date) -> Price:
    """The price of so many nanos on a day (UTC). Raises NoRateInEffect or AmountIsZero."""
    tax_percent = settings.tax_percent.get(country or "", "0")
    if provider != "razorpay":
        return price_of(credits, "USD", "1", tax_percent)
    rates = ((rate.since, rate.rupees) for rate in settings.razorpay_rates)
    return price_of(credits, "INR", effective_rate(rates, today), tax_percent)
