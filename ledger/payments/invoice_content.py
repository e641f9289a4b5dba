"""The content of an invoice, fixed when it is issued: later changes of profile, settings or rates don't change it."""

from datetime import date
from typing import Any, Literal

from babel import Locale

from ledger.core.taxes import TaxPart, returned_parts
from ledger.payments.gateway import Address, Buyer
from ledger.payments.tax_id_types import TYPES
from ledger.payments.taxes import invoice_tax
from ledger.settings import Settings
from schemas.fields import Frozen
from schemas.money import format_nanos, parse_nanos
from schemas.supplier import Supplier

Kind = Literal["invoice", "credit_note"]
_LABELS = {(kind.country, kind.type): kind.label for kind in TYPES}


class TaxNumber(Frozen):
    """A tax id as it is printed: its name and its number."""

    label: str
    value: str


class Party(Frozen):
    """The customer or the supplier. `address`: its lines, the country last. Of customers only what the law requires."""

    name: str
    address: list[str]
    tax_ids: list[TaxNumber]
    email: str = ""


class Tax(Frozen):
    """A part of the tax. `percent` None: no percentage gives this amount."""

    label: str
    percent: str | None
    amount_minor: int


class Corrected(Frozen):
    """The invoice that a credit note corrects."""

    number: str
    issued_on: str


class InvoiceContent(Frozen):
    """The whole content of a document. Dates are ISO 8601, money is minor units of `currency`, credits decimal text.

    `fx_rate`: units of the currency for one credit. `place_of_supply` and `sac` are India's.
    """

    kind: Kind
    number: str
    issued_on: str
    paid_on: str
    corrects: Corrected | None = None
    purchase_id: str
    account_id: str
    description: str
    supplier: Party
    customer: Party
    credits: str
    currency: str
    fx_rate: str | None
    net_minor: int
    taxes: list[Tax]
    tax_minor: int
    total_minor: int
    provider: str
    payment_reference: str
    place_of_supply: str | None = None
    sac: str | None = None
    note: str = ""


def invoice(
    settings: Settings, number: str, issued_on: date, paid_on: date, who: Buyer, data: dict[str, Any]
) -> InvoiceContent:
    """The invoice of a purchase. `data`: of its `credits.purchased`."""
    supplier, charged = settings.supplier, data["charged"]
    total, tax = charged["amount_minor"], charged.get("tax_minor", 0)
    shown_tax = invoice_tax(settings, who, total - tax, tax)
    return InvoiceContent(
        kind="invoice",
        number=number,
        issued_on=issued_on.isoformat(),
        paid_on=paid_on.isoformat(),
        purchase_id=data["purchase_id"],
        account_id=who.account_id,
        description="Prepaid credits, auto top-up" if data["kind"] == "auto_top_up" else "Prepaid credits",
        supplier=_supplier(supplier),
        customer=_customer(who),
        credits=data["credits"],
        currency=charged["currency"],
        fx_rate=data.get("fx_rate"),
        net_minor=total - tax,
        taxes=[Tax(**part._asdict()) for part in shown_tax.parts],
        tax_minor=tax,
        total_minor=total,
        provider=data["provider"],
        payment_reference=data["provider_payment_id"],
        place_of_supply=shown_tax.place_of_supply,
        sac=supplier.sac if shown_tax.place_of_supply else None,
        note=supplier.note,
    )


def credit_note(
    of: InvoiceContent, before_minor: int, number: str, issued_on: date, paid_on: date, data: dict[str, Any]
) -> InvoiceContent:
    """The credit note of a refund, to the customer of its invoice. `data`: of its `credits.refunded`.

    `before_minor`: the tax that earlier credit notes of this invoice returned.
    """
    total, tax = data["charged"]["amount_minor"], data["charged"].get("tax_minor", 0)
    charged = [TaxPart(part.label, part.percent, part.amount_minor) for part in of.taxes]
    parts = returned_parts(charged, before_minor, tax)
    return of.model_copy(
        update={
            "kind": "credit_note",
            "number": number,
            "issued_on": issued_on.isoformat(),
            "paid_on": paid_on.isoformat(),
            "corrects": Corrected(number=of.number, issued_on=of.issued_on),
            "description": "Prepaid credits, refunded",
            "credits": format_nanos(parse_nanos(data["credits"])),
            "net_minor": total - tax,
            "taxes": [Tax(**part._asdict()) for part in parts],
            "tax_minor": tax,
            "total_minor": total,
            "payment_reference": data["provider_refund_id"],
        }
    )


def _supplier(supplier: Supplier) -> Party:
    country = [_country(supplier.country)] if supplier.country else []
    numbers = [TaxNumber(label="", value=text) for text in supplier.tax_ids]
    if supplier.gstin:
        numbers.insert(0, TaxNumber(label="GSTIN", value=supplier.gstin))
    return Party(name=supplier.name, address=[*supplier.address, *country], tax_ids=numbers, email=supplier.email)


def _customer(who: Buyer) -> Party:
    numbers = [TaxNumber(label=_label(type_, who.address), value=value) for type_, value in who.tax_ids]
    return Party(name=who.name or who.account_id, address=_lines(who.address), tax_ids=numbers)


def _label(type_: str, address: Address | None) -> str:
    """The name of a type of tax id; it can differ by country."""
    if type_ == "in_gst":
        return "GSTIN"
    named = {country: label for (country, type_of_label), label in _LABELS.items() if type_of_label == type_}
    return named.get(address.country if address else "") or next(iter(named.values()), type_)


def _lines(address: Address | None) -> list[str]:
    if address is None:
        return []
    town = " ".join(filter(None, (address.postal_code, address.city)))
    lines = (address.line1, address.line2, town, address.state, _country(address.country))
    return [line for line in lines if line]


def _country(code: str) -> str:
    return str(Locale("en").territories.get(code, code))
