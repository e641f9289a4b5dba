"""The billing page as a new customer meets it: buys, is topped up, filters, downloads; and axe looks at each page."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.billing.customer import portal
from tests.e2e.conftest import CHROMIUM, Window
from tests.payments.payment_system import CARD, GOOD, PaymentSystem
from tests.payments.test_invoice_pdf import text_of
from tests.support.events import event, priced_usage

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="the billing page was not tried in a browser; on Debian: apt-get install chromium"
)
TOKENS = {"input_tokens": 400_000, "units": {"cache_read_tokens": 150_000}, "output_tokens": 60_000}


def spend(system: PaymentSystem, account: str, credits: str) -> None:
    """Some of the traces that are included, and a model call at this cost plus ten percent."""
    used = [
        event("trace.recorded", account, {"trace_id": "tr_1", "count": 37}, "tr_1"),
        priced_usage(account, provider_cost=credits),
    ]
    send(system, used)


def call(system: PaymentSystem, account: str) -> None:
    """Two keys use three models, priced by the book."""
    keys = {("anthropic", "claude-sonnet-4-5"): "web", ("google", "gemini-2.5-flash"): "web"}
    keys |= {("openai", "gpt-4o-mini"): "batch"}
    calls = [
        priced_usage(account, provider=provider, model=model, api_key_id=key, **TOKENS)
        for (provider, model), key in keys.items()
        for _ in range(4)
    ]
    send(system, calls)
    system.wait_until_settled()


def send(system: PaymentSystem, batch: list[Any]) -> None:
    """As a router does."""
    answer = system.http.post("/v1/usage", json=batch, headers={"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202, answer.text


def type_card(page: Page, button: str) -> None:
    """The customer at Stripe's own page."""
    for name, text in {**CARD, "number": GOOD}.items():
        page.locator(f"[name={name}]").fill(text)
    page.get_by_role("button", name=button).click()


def save(page: Page, link: Locator, folder: Path) -> bytes:
    """What a link downloads."""
    with page.expect_download() as download:
        link.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_bytes()


def test_a_new_customer_buys_at_stripe_and_is_topped_up(system: PaymentSystem, window: Window, tmp_path: Path) -> None:
    account, page = system.account(name=None, address={"country": "DE"}), window.page
    page.goto(portal(system, account, return_url="https://router.example/dashboard"))
    expect(page.get_by_role("heading", name="Available credits")).to_be_visible()
    window.check("empty")

    page.locator("main").get_by_role("link", name="Add credits").first.click()
    page.get_by_label("$25").check()
    expect(page.locator("#price")).to_contain_text("$25.00")
    page.get_by_label("New card").check()
    page.get_by_label("Name or company").fill("Ada Lovelace Ltd")
    page.get_by_label("Address", exact=True).fill("Unter den Linden 1")
    page.get_by_label("City").fill("Berlin")
    page.get_by_label("Type", exact=True).select_option("DE:eu_vat")
    page.get_by_label("Number", exact=True).fill("DE136695977")
    window.check("add")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#tax_value-error")).to_have_text("This number can't be right; a character may be mistyped.")
    window.check("add-refused")
    page.get_by_label("Number", exact=True).fill("DE136695976")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Confirm your purchase")).to_be_visible()
    window.check("confirm")
    page.get_by_role("button", name="Continue to payment").click()
    page.wait_for_url(re.compile("/stripe/pay/"))
    type_card(page, "Pay")
    expect(page.get_by_role("heading", name="Credits added")).to_be_visible()
    expect(page.locator("#balance")).to_contain_text("$25.00")
    window.check("done")
    page.go_back()
    assert "Confirm your purchase" not in page.inner_text("body")

    page.goto(f"{system.url}/billing/payment-methods")
    expect(page.get_by_text("Visa ending in 4242", exact=True)).to_be_visible()
    window.check("methods")
    page.goto(f"{system.url}/billing/auto-top-up")
    page.get_by_label("Add credits automatically").check()
    page.get_by_label("If the balance drops below").fill("10")
    page.get_by_label("Add credits", exact=True).fill("20")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved. On: it watches your balance.")).to_be_visible()
    window.check("auto-top-up")

    page.goto(f"{system.url}/billing")
    spend(system, account, "15")  # 16.50 with its markup: 8.50 is below 10
    expect(page.locator("#balance")).to_contain_text("$28.50")  # by itself
    expect(page.locator("#lately")).to_contain_text("Auto top-up via Stripe ($20)")
    window.check("overview")
    page.goto(f"{system.url}/billing/history?view=purchases")
    expect(page.get_by_role("link", name="Auto Top-up", exact=True)).to_be_visible()
    invoices = page.get_by_role("link", name=re.compile("^Download Invoice"))
    expect(invoices).to_have_count(2)  # by itself, too
    window.check("purchases")
    assert "auto top-up" in text_of(save(page, invoices.first, tmp_path))
    assert "Ada Lovelace Ltd" in text_of(save(page, invoices.last, tmp_path))
    page.get_by_label("Type").select_option("Purchase")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name="Auto Top-up", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Purchase", exact=True).click()
    expect(page.get_by_role("link", name="Download Invoice")).to_be_visible()
    window.check("bought")
    call(system, account)
    page.goto(f"{system.url}/billing/history")
    window.check("history")
    page.get_by_label("Model").fill("gpt-4o-mini")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name=re.compile("auto mode"))).to_have_count(4)
    saved = save(page, page.get_by_role("link", name="Download CSV"), tmp_path).decode()
    types = [row["type"] for row in csv.DictReader(saved.splitlines())]
    assert types == ["deduction"] * 4
    page.get_by_role("link", name=re.compile("auto mode")).first.click()
    expect(page.get_by_role("heading", name="How the amount came about")).to_be_visible()
    window.check("explained")
    page.goto(f"{system.url}/billing/auto-top-up")
    expect(page.get_by_role("row", name=re.compile("Paid"))).to_have_count(1)
    window.check("topped-up")
    for name in ("usage", "prices", "details"):
        page.goto(f"{system.url}/billing/{name}")
        window.check(name)


def test_a_customer_pays_in_rupees_at_razorpay(system: PaymentSystem, window: Window) -> None:
    account, page = system.account(address={"country": "IN"}, time_zone="Asia/Kolkata"), window.page
    link = portal(system, account, page="add")
    page.goto(link)
    page.get_by_label("Custom", exact=True).check()
    page.get_by_label("Custom amount").fill("12.50")
    expect(page.locator("#price")).to_contain_text("$12.50")
    page.get_by_label("Razorpay").check()
    expect(page.locator("#price")).to_contain_text("₹1,062.50")
    page.get_by_role("button", name="Continue").click()
    window.check("confirm-rupees")
    page.get_by_role("button", name="Continue to payment").click()
    expect(page.get_by_role("button", name="Pay with Razorpay")).to_be_visible()
    window.check("razorpay")
    page.get_by_role("button", name="Pay with Razorpay").click()
    checkout = page.frame_locator("iframe.razorpay-checkout-frame")
    checkout.get_by_label("Expiry").fill("12/34")
    checkout.get_by_label("CVV").fill("123")
    checkout.get_by_role("button", name=re.compile("^Pay")).click()
    expect(page.get_by_role("heading", name="Credits added")).to_be_visible()
    expect(page.locator("#balance")).to_contain_text("$12.50")
    page.goto(f"{system.url}/billing/history")
    expect(page.get_by_text("Credit top-up via Razorpay (₹1,062.50)")).to_be_visible()

    page.goto(f"{system.url}/billing/payment-methods")
    expect(page.get_by_text("No payment method is saved yet.")).to_be_visible()
    page.get_by_role("button", name="Add a card").click()
    page.wait_for_url(re.compile("/stripe/pay/"))
    type_card(page, "Save card")
    expect(page.get_by_text("Visa ending in 4242", exact=True)).to_be_visible()
    page.goto(f"{system.url}/billing/badge")
    expect(page.get_by_role("link", name="Credits $12.50")).to_be_visible()
    window.check("badge")
    page.goto(link)
    expect(page.get_by_role("heading", name="This link is over")).to_be_visible()
    window.check("closed")


def test_the_keyboard_alone_buys(system: PaymentSystem, window: Window) -> None:
    account, page = system.account(), window.page
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    page.goto(portal(system, account, page="add"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("$10")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.get_by_label("Number", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pay $5.00")).to_be_visible()
    page.get_by_role("button", name="Pay $5.00").press("Enter")
    expect(page.get_by_role("heading", name="Credits added")).to_be_visible()
    expect(page.locator("#balance")).to_contain_text("$10.00")


def test_without_scripts_it_is_bought_all_the_same(system: PaymentSystem, window: Window) -> None:
    account, browser = system.account(), window.page.context.browser
    system.visit(system.pay(system.buy(account, "stripe", "5")))
    system.wait_until_settled()
    assert browser
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(portal(system, account, page="add"))
    page.get_by_label("$10").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Pay $10.00").click()
    expect(page.get_by_role("heading", name="Credits added")).to_be_visible()
    context.close()
