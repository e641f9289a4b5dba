"""Every way to pay ends in a document: a new card with a tax id, a saved card, rupees, an auto top-up, a refund."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.dev.stack import Stack
from tests.payments.payment_system import payment_system
from tests.payments.test_invoice_pdf import text_of
from tests.payments.top_up_charger import TopUpCharger, top_up_charger
from tests.support.invoicing import INDIAN, invoicing, rows
from tests.support.workers import wait_until_projected


@pytest.fixture(scope="module")
def charger(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TopUpCharger]:
    changes: dict[str, Any] = {"supplier": INDIAN, "invoice_year_begins": 4, "invoice_time_zone": "Asia/Kolkata"}
    folder = tmp_path_factory.mktemp("invoiced")
    changes |= {"stall_seconds": 600.0, "tax_percent": {"IN": "18"}}
    with payment_system(stack, folder, **changes) as running, top_up_charger(running) as found:
        yield found


def test_every_way_to_pay_ends_in_a_document(charger: TopUpCharger, tmp_path: Path) -> None:
    system = charger.system
    saved = charger.account()
    put = {"country": "DE", "type": "eu_vat", "value": "DE136695976"}
    german = system.account(name="Åsa Müller", address={"country": "DE", "city": "Köln", "line1": "Domplatz 1"})
    assert system.http.post(f"/v1/accounts/{german}/tax-ids", json=put).status_code == 201
    system.visit(system.pay(system.buy(german, "stripe")))
    by_card = system.buy(saved.name, "stripe", "25", payment_method_id=saved.method)
    indian = system.account(name="रमेश Traders", address={"country": "IN", "state": "Maharashtra", "city": "Mumbai"})
    system.visit(system.pay(system.buy(indian, "razorpay", "10")))
    saved.spend("50")
    charger.attempt(lambda: charger.charges.start(saved.trigger()))
    system.wait_until_settled()
    refunds = f"/v1/accounts/{saved.name}/purchases/{by_card['purchase_id']}/refunds"
    refund = system.http.post(refunds, json={"amount": "5"})
    assert refund.status_code == 201, refund.text
    system.wait_until_settled()
    with invoicing(system.settings) as round_:
        round_()
    wait_until_projected(system.settings)
    texts = {}
    for name in (german, saved.name, indian):
        for row in system.http.get(f"/v1/accounts/{name}/invoices").json()["data"]:
            pdf = system.http.get(row["url"]).content
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
    assert _invoiced(charger) == _paid(charger)


def _invoiced(charger: TopUpCharger) -> list[dict[str, object]]:
    return rows(
        charger.system.settings,
        "SELECT currency, sum(CASE kind WHEN 'invoice' THEN total_minor ELSE -total_minor END)::bigint AS minor, "
        "sum(CASE kind WHEN 'invoice' THEN tax_minor ELSE -tax_minor END)::bigint AS tax "
        "FROM records.invoices GROUP BY currency ORDER BY currency",
    )


def _paid(charger: TopUpCharger) -> list[dict[str, object]]:
    return rows(
        charger.system.settings,
        "SELECT currency, sum(clearing_minor)::bigint AS minor, sum(tax_minor)::bigint AS tax FROM views.entries "
        "WHERE type IN ('credits.purchased', 'credits.refunded') GROUP BY currency ORDER BY currency",
    )
