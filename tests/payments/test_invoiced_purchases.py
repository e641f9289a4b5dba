"""Every way to pay ends in a document: a new card with a tax id, a saved card, rupees, an auto top-up, a refund."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.dev.stack import Stack
from tests.payments.market import market
from tests.payments.test_invoice_pdf import text_of
from tests.payments.topping_up import Topping, topping
from tests.support.invoicing import INDIAN, invoicing, rows
from tests.support.workers import wait_until_projected


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topping]:
    changes: dict[str, Any] = {"supplier": INDIAN, "invoice_year_begins": 4, "invoice_time_zone": "Asia/Kolkata"}
    folder = tmp_path_factory.mktemp("invoiced")
    changes |= {"stall_seconds": 600.0, "tax_percent": {"IN": "18"}}
    with market(stack, folder, **changes) as running, topping(running) as found:
        yield found


def test_every_way_to_pay_ends_in_a_document(shop: Topping, tmp_path: Path) -> None:
    market = shop.market
    saved = shop.account()
    put = {"country": "DE", "type": "eu_vat", "value": "DE136695976"}
    german = market.account(name="Åsa Müller", address={"country": "DE", "city": "Köln", "line1": "Domplatz 1"})
    assert market.http.post(f"/v1/accounts/{german}/tax-ids", json=put).status_code == 201
    market.visit(market.pay(market.buy(german, "stripe")))
    by_card = market.buy(saved.name, "stripe", "25", payment_method_id=saved.method)
    indian = market.account(name="रमेश Traders", address={"country": "IN", "state": "Maharashtra", "city": "Mumbai"})
    market.visit(market.pay(market.buy(indian, "razorpay", "10")))
    saved.spend("50")
    shop.attempt(lambda: shop.charges.start(saved.trigger()))
    market.settled()
    refunds = f"/v1/accounts/{saved.name}/purchases/{by_card['purchase_id']}/refunds"
    refund = market.http.post(refunds, json={"amount": "5"})
    assert refund.status_code == 201, refund.text
    market.settled()
    with invoicing(market.settings) as round_:
        round_()
    wait_until_projected(market.settings)
    texts = {}
    for name in (german, saved.name, indian):
        for row in market.http.get(f"/v1/accounts/{name}/invoices").json()["data"]:
            pdf = market.http.get(row["url"]).content
            (tmp_path / f"{row['number']}.pdf").write_bytes(pdf)
            texts[name, row["kind"], row["total"]["amount_minor"]] = text_of(pdf)
    assert set(texts) == {
        (german, "invoice", 1000),
        (saved.name, "invoice", 2500),
        (saved.name, "invoice", 5000),
        (saved.name, "credit_note", 500),
        (indian, "invoice", 100300),
    }
    assert "DE136695976" in texts[german, "invoice", 1000]
    assert "auto top-up" in texts[saved.name, "invoice", 5000]
    assert "₹1,003.00" in texts[indian, "invoice", 100300]
    assert "IGST 18 %" in texts[indian, "invoice", 100300]
    assert "27 Maharashtra" in texts[indian, "invoice", 100300]
    assert _invoiced(shop) == _paid(shop)


def _invoiced(shop: Topping) -> list[dict[str, object]]:
    return rows(
        shop.market.settings,
        "SELECT currency, sum(CASE kind WHEN 'invoice' THEN total_minor ELSE -total_minor END)::bigint AS minor, "
        "sum(CASE kind WHEN 'invoice' THEN tax_minor ELSE -tax_minor END)::bigint AS tax "
        "FROM records.invoices GROUP BY currency ORDER BY currency",
    )


def _paid(shop: Topping) -> list[dict[str, object]]:
    return rows(
        shop.market.settings,
        "SELECT currency, sum(clearing_minor)::bigint AS minor, sum(tax_minor)::bigint AS tax FROM views.entries "
        "WHERE type IN ('credits.purchased', 'credits.refunded') GROUP BY currency ORDER BY currency",
    )
