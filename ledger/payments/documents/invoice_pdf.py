"""Renders an invoice as PDF/A: the same bytes for the same content, with selectable text.

It uses only the fonts of this package, and no time but the document's date.
"""

import json
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.dates import format_date
from babel.numbers import format_currency

from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.core.pricing import minor_digits
from ledger.payments.invoice_content import InvoiceContent, Party
from ledger.settings import Settings

if TYPE_CHECKING:
    from typst import Compiler, PDFStandard

_HERE = Path(str(files("ledger.payments.documents")))
_PROVIDERS = {"stripe": "Stripe", "razorpay": "Razorpay"}
_ONE_AT_A_TIME = threading.Lock()


class LogoUnreadable(LedgerError, exit_code=EXIT_CONFIG):
    message = "LEDGER_INVOICE_LOGO can't be printed: it must be a readable file in SVG, PNG or JPEG"


class DocumentNotSet(LedgerError):
    message = "The document can't be set; LEDGER_INVOICE_LOGO, if there is one, must be an image in SVG, PNG or JPEG"


def invoice_pdf(settings: Settings, content: InvoiceContent) -> bytes:
    """The document. Raises LogoUnreadable or DocumentNotSet."""
    import typst  # here, because it takes a tenth of a second to load, and most processes render no document

    logo = _logo(settings.invoice_logo)
    document = json.dumps(shown(content) | {"logo": logo, "colour": settings.invoice_colour}, ensure_ascii=False)
    issued = datetime.combine(date.fromisoformat(content.issued_on), datetime.min.time(), UTC)
    try:
        return _archivable_or_not(document, int(issued.timestamp()))
    except typst.TypstError as error:
        raise DocumentNotSet(str(error)) from None


def _archivable_or_not(document: str, timestamp: int) -> bytes:
    import typst

    try:
        return _compiled(document, timestamp, ["a-2u"])
    except typst.TypstError:  # a letter is in none of our fonts and becomes an empty box, which PDF/A forbids
        return _compiled(document, timestamp, [])


def _compiled(document: str, timestamp: int, standards: "list[PDFStandard]") -> bytes:
    with _ONE_AT_A_TIME:
        made = _compiler().compile(
            sys_inputs={"document": document}, format="pdf", pdf_standards=standards, timestamp=timestamp
        )
    assert isinstance(made, bytes), "one format, one file"
    return made


@cache
def _compiler() -> "Compiler":
    """Cached, because loading the fonts takes longest. Its root is that of the file system: a logo may be anywhere."""
    import typst

    return typst.Compiler(_HERE / "invoice.typ", root="/", font_paths=[_HERE / "fonts"], ignore_system_fonts=True)


def _logo(file: str) -> str | None:
    if not file:
        return None
    path = Path(file).resolve()
    try:
        with path.open("rb"):
            return str(path)
    except OSError as error:
        raise LogoUnreadable(f"{file}, {error.strerror}") from None


def shown(content: InvoiceContent) -> dict[str, Any]:
    """All texts of the document, as they are printed."""
    day = date.fromisoformat(content.issued_on)
    india = content.sac is not None
    title = "Credit note" if content.kind == "credit_note" else ("Tax invoice" if india else "Invoice")
    return {
        "title": title,
        "number": content.number,
        "date": {"year": day.year, "month": day.month, "day": day.day},
        "supplier": {"name": content.supplier.name, "lines": _lines(content.supplier)},
        "customer": {"name": content.customer.name, "lines": _lines(content.customer)},
        "to": "To" if content.kind == "credit_note" else "Bill to",
        "details": _details(content),
        "columns": ["Description", *(["SAC"] if india else []), "Credits", "Rate", f"Amount ({content.currency})"],
        "line": [
            content.description,
            *([content.sac] if india else []),
            content.credits,
            _rate(content),
            _money(content, content.net_minor),
        ],
        "sums": [
            ["Subtotal", _money(content, content.net_minor)],
            *([_tax(part.label, part.percent), _money(content, part.amount_minor)] for part in content.taxes),
            *([] if content.taxes else [["Tax", _money(content, 0)]]),
        ],
        "total": [_total(content), _money(content, content.total_minor)],
        "payment": _payment(content),
        "notes": _notes(content, india=india),
    }


def _lines(party: Party) -> list[str]:
    numbers = [" ".join(filter(None, (number.label, number.value))) for number in party.tax_ids]
    return [*party.address, *filter(None, [party.email]), *numbers]


def _details(content: InvoiceContent) -> list[tuple[str, str]]:
    details = [("Date", _day(content.issued_on))]
    if content.corrects:
        details.append(("For invoice", f"{content.corrects.number} of {_day(content.corrects.issued_on)}"))
    if content.place_of_supply:
        details.append(("Place of supply", content.place_of_supply))
        details.append(("Reverse charge", "No"))
    details.append(("Account", content.account_id))
    return details


def _payment(content: InvoiceContent) -> list[str]:
    done = "Refunded" if content.kind == "credit_note" else "Paid"
    provider = _PROVIDERS.get(content.provider, content.provider)
    return [
        f"{done} on {_day(content.paid_on)} through {provider}, reference {content.payment_reference}",
        f"Purchase {content.purchase_id}",
    ]


def _notes(content: InvoiceContent, *, india: bool) -> list[str]:
    rate = f"1 credit is 1.00 USD of usage; it was sold for {_rate(content)}." if content.fx_rate else ""
    signed = "This document was made by a computer and needs no signature." if india else ""
    return [note for note in (rate, content.note, signed) if note]


def _rate(content: InvoiceContent) -> str:
    """The price of one credit, without tax; empty if the purchase names none."""
    if content.fx_rate is None:
        return ""
    digits = max(minor_digits(content.currency), len(content.fx_rate.partition(".")[2]))
    return _currency(Decimal(content.fx_rate), content.currency, digits)


def _tax(label: str, percent: str | None) -> str:
    return f"{label} {percent} %" if percent else label


def _total(content: InvoiceContent) -> str:
    return "Total refunded" if content.kind == "credit_note" else "Total paid"


def _money(content: InvoiceContent, minor: int) -> str:
    digits = minor_digits(content.currency)
    return _currency(Decimal(minor).scaleb(-digits), content.currency, digits)


def _currency(amount: Decimal, currency: str, digits: int) -> str:
    """An amount in English notation, rupees grouped in lakhs."""
    locale, grouping = ("en_IN", "#,##,##0") if currency == "INR" else ("en", "#,##0")
    pattern = f"¤{grouping}.{'0' * digits}" if digits else f"¤{grouping}"
    return format_currency(amount, currency, pattern, locale=locale, currency_digits=False)


def _day(iso: str) -> str:
    return format_date(date.fromisoformat(iso), "d MMMM yyyy", locale="en")
