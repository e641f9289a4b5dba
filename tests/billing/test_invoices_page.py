"""Invoices on the page: each purchase downloads its own, a refund its credit note; other accounts get neither."""

import re

import httpx
import pytest

from tests.billing.customer import Customer, come_in
from tests.payments.payment_system import PaymentSystem
from tests.payments.test_invoice_pdf import text_of
from tests.support.invoicing import invoicing
from tests.support.workers import wait_until_projected

PDF_LINK = r'href="/billing(/invoices/[^"]+\.pdf)"'


@pytest.fixture(scope="module")
def account(system: PaymentSystem) -> str:
    """Bought 10 and 25 credits, and got 5 of the latter back. All of it has a document."""
    name = system.account(name="Ada Lovelace Ltd")
    system.visit(system.pay(system.buy(name, "stripe")))
    larger = system.buy(name, "stripe", "25")
    system.visit(system.pay(larger))
    system.wait_until_settled()
    back = system.http.post(f"/v1/accounts/{name}/purchases/{larger['purchase_id']}/refunds", json={"amount": "5"})
    assert back.status_code == 201, back.text
    system.wait_until_settled()
    with invoicing(system.settings) as round_:
        round_()
    wait_until_projected(system.settings)
    return name


def download(customer: Customer, path: str) -> str:
    """The text of the document."""
    answer = customer.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert "no-store" in answer.headers["cache-control"]
    return text_of(answer.content)


def test_each_purchase_downloads_its_own_invoice(system: PaymentSystem, account: str) -> None:
    customer = come_in(system, account)
    newest, oldest = re.findall(PDF_LINK, customer.get("/history?view=purchases").text)
    assert "$25.00" in download(customer, newest)
    text = download(customer, oldest)
    assert "$10.00" in text
    assert "$25.00" not in text
    assert "Ada Lovelace Ltd" in text


def test_a_purchase_and_a_refund_say_which_document_they_have(system: PaymentSystem, account: str) -> None:
    customer = come_in(system, account)
    for type_, name, number in (("manual", "Credit Note", "CN-"), ("checkout", "Invoice", "INV-")):
        line = re.search(r'href="/billing(/history/[^"]+)"', customer.get(f"/history?type={type_}").text)
        assert line
        page = customer.get(line[1]).text
        assert f"Download {name}" in page
        link = re.search(PDF_LINK, page)
        assert link
        assert number in download(customer, link[1])


def test_another_accounts_invoice_is_not_there(system: PaymentSystem, account: str) -> None:
    link = re.search(PDF_LINK, come_in(system, account).get("/history?view=purchases").text)
    assert link
    other = come_in(system, system.account()).get(link[1])
    unknown = come_in(system, account).get("/invoices/INV-2026-9999999.pdf")
    assert (other.status_code, unknown.status_code) == (404, 404)
    assert other.text == unknown.text
    assert "There is no such invoice." in other.text
    assert httpx.get(f"{system.url}/billing{link[1]}").status_code == 401


def test_a_purchase_without_a_document_yet_says_so(system: PaymentSystem) -> None:
    account = system.account()
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    page = come_in(system, account).get("/history?view=purchases").text
    assert "Ready in a moment" in page
    assert "/billing/invoices/" not in page
