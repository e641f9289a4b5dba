"""The tax on a purchase: which country taxes it, at what rate, and how an invoice shows it.

The amount of the tax and its parts are in `ledger.core.taxes`, India's places of supply are in `ledger.core.gst`.
Rates are the setting LEDGER_TAX_PERCENT.
"""

from typing import NamedTuple

from ledger.core import gst
from ledger.core.errors import LedgerError
from ledger.core.taxes import TaxPart, tax_parts
from ledger.payments.gateway import Buyer
from ledger.payments.tax_id_types import TYPES
from ledger.settings import Settings
from schemas.supplier import Supplier

_WITH_VAT = {kind.country for kind in TYPES if kind.type == "eu_vat"} | {"CH", "GB", "NO"}


class BillingCountryMissing(LedgerError):
    message = "A payment through this provider needs the billing address's country; set it in the profile"


class InvoiceTax(NamedTuple):
    """The tax as an invoice shows it. `place_of_supply`: India's; None for other suppliers."""

    parts: list[TaxPart]
    place_of_supply: str | None


def billing_country(who: Buyer) -> str:
    """The country of the billing address. Raises BillingCountryMissing."""
    if who.address is None:
        raise BillingCountryMissing(field="profile.address.country")
    return who.address.country


def tax_country(settings: Settings, provider: str, who: Buyer) -> str | None:
    """The country that taxes a purchase; None if the buyer has none and needs none.

    Raises BillingCountryMissing: Stripe needs the country, and where tax is added a buyer can't avoid it by leaving
    the country out.
    """
    if provider == "stripe" or settings.tax_percent:
        return billing_country(who)
    return who.address.country if who.address else None


def tax_percent(settings: Settings, country: str | None) -> str:
    """The rate of a country in percent, as decimal text; "0" where no tax is added."""
    return settings.tax_percent.get(country or "", "0")


def invoice_tax(settings: Settings, who: Buyer, net_minor: int, tax_minor: int) -> InvoiceTax:
    """The parts of a tax that was charged, in minor units, with their names."""
    country = who.address.country if who.address else None
    supply = _indian_supply(settings.supplier, who)
    labels = supply.taxes if supply else ("VAT" if country in _WITH_VAT else "Tax",)
    parts = tax_parts(net_minor, tax_minor, tax_percent(settings, country), labels)
    return InvoiceTax(parts, supply.place if supply else None)


def _indian_supply(supplier: Supplier, who: Buyer) -> gst.Supply | None:
    """Where India taxes it, if the supplier is registered there."""
    if not supplier.gstin:
        return None
    gstin, address = dict(who.tax_ids).get("in_gst"), who.address
    return gst.supply(supplier.gstin, address and address.country, address and address.state, gstin)
