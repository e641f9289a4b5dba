"""Invoices as PDF: the same bytes, text of every script that can be selected, amounts as their country writes them."""

import io
from datetime import date
from typing import Any

import pypdf
import pytest

from ledger.payments import invoice_content
from ledger.payments.documents.invoice_pdf import DocumentNotSet, LogoUnreadable, invoice_pdf
from ledger.payments.gateway import Address, Buyer
from ledger.payments.invoice_content import InvoiceContent
from ledger.settings import Settings
from tests.support.invoicing import INDIAN, SUPPLIER

DAY = date(2026, 11, 22)
HERE = Address("Straße 1", "", "Bonn", "", "53111", "DE")
GERMAN = Settings(supplier=SUPPLIER, tax_percent={"DE": "19"})
FROM_INDIA = Settings(supplier=INDIAN, tax_percent={"IN": "18"})


def content(
    name: str = "Ada", address: Address | None = HERE, settings: Settings = GERMAN, tax_ids: Any = (), **changes: Any
) -> InvoiceContent:
    data = {
        "purchase_id": "0b6e7c1a-9d53-4c9f-8b6a-1e7701d2e3f4",
        "kind": "purchase",
        "credits": "10",
        "provider": "stripe",
        "provider_payment_id": "pi_1",
        "charged": {"currency": "USD", "amount_minor": 1190, "tax_minor": 190},
        "fx_rate": "1",
        **changes,
    }
    who = Buyer("acct_1", name, None, address, tax_ids)
    return invoice_content.invoice(settings, "INV-2026-0000001", DAY, DAY, who, data)


def text_of(pdf: bytes) -> str:
    """Without the places at which words that are wider than their column may be broken."""
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).replace("\u200b", "")


def test_the_same_invoice_has_the_same_bytes() -> None:
    assert invoice_pdf(GERMAN, content()) == invoice_pdf(GERMAN, content())
    assert invoice_pdf(GERMAN, content()) != invoice_pdf(GERMAN, content(name="Eve"))


def test_it_says_what_an_accountant_asks_for() -> None:
    text = text_of(invoice_pdf(GERMAN, content(tax_ids=(("eu_vat", "DE136695976"),))))
    for said in (
        "INV-2026-0000001",
        "22 November 2026",
        "Beispiel GmbH",
        "VAT DE136695976",
        "Straße 1",
        "$10.00",
        "VAT 19 %",
        "$1.90",
        "$11.90",
        "pi_1",
    ):
        assert said in text, text


def test_an_invoice_of_india_has_its_fields() -> None:
    where = Address("12 Residency Road", "", "Mumbai", "Maharashtra", "400001", "IN")
    charged = {"currency": "INR", "amount_minor": 15045000, "tax_minor": 2295000}
    numbers = (("in_gst", "27AAPFU0939F1ZV"),)
    sold = content("Acme", where, FROM_INDIA, numbers, charged=charged, credits="1500", fx_rate="85.00")
    text = text_of(invoice_pdf(FROM_INDIA, sold))
    for said in (
        "Tax invoice",
        "GSTIN 29AABCU9603R1ZX",
        "GSTIN 27AAPFU0939F1ZV",
        "998315",
        "27 Maharashtra",
        "IGST 18 %",
        "₹22,950.00",
        "₹1,50,450.00",
        "₹85.00",
    ):
        assert said in text, text


@pytest.mark.parametrize(
    "name",
    [
        "Åsa Öström",
        "株式会社東京データ",
        "张伟有限公司",
        "김철수",
        "شركة الخليج",
        "रमेश",
        "Ελένη",
        "Ольга",
        "ಕರ್ನಾಟಕ",
        "தமிழ்",
        "חברה",
        "ไทย",
    ],
)
def test_names_of_every_script_are_set(name: str) -> None:
    """PDF/A refuses a letter that no font has; without it the document would not say that it is one."""
    assert b"pdfaid" in invoice_pdf(GERMAN, content(name=name))


def test_a_letter_that_no_font_has_does_not_keep_the_customer_from_an_invoice() -> None:
    assert invoice_pdf(GERMAN, content(name="\U00012000 of Ur")).startswith(b"%PDF-")


def test_long_names_and_addresses_wrap() -> None:
    where = Address(
        "Longstreet" * 25, "x" * 256, "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", "", "", "GB"
    )
    lines = text_of(invoice_pdf(GERMAN, content("A" * 256, where))).splitlines()
    assert sum(line.count("A" * 10) * 10 for line in lines) > 200
    assert max(map(len, lines)) < 110


def test_a_logo_that_is_not_there_is_named() -> None:
    with pytest.raises(LogoUnreadable, match=r"/nowhere/logo\.svg"):
        invoice_pdf(Settings(supplier=SUPPLIER, invoice_logo="/nowhere/logo.svg"), content())


def test_a_logo_that_is_no_image_is_an_error_of_ours(tmp_path: Any) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"not an image")
    with pytest.raises(DocumentNotSet, match="decode"):
        invoice_pdf(Settings(supplier=SUPPLIER, invoice_logo=str(logo)), content())


def test_logo_and_colour_are_settings(tmp_path: Any) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="10"><rect width="40" height="10"/></svg>'
    )
    plain = invoice_pdf(GERMAN, content())
    assert invoice_pdf(Settings(supplier=SUPPLIER, invoice_logo=str(logo)), content()) != plain
    assert invoice_pdf(Settings(supplier=SUPPLIER, invoice_colour="#ff0000"), content()) != plain
