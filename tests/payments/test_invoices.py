"""Invoices: one per purchase, one credit note per refund, gapless, frozen, and known to the log."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.core.invoice_numbers import place_of
from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.log.event_appender import EventAppender
from ledger.log.publisher import Position
from ledger.settings import Settings
from schemas.envelope import Envelope
from schemas.events import CreditsPurchased, Invoice, InvoiceIssued
from schemas.identity import derived_id
from schemas.supplier import Supplier
from tests.support.invoicing import INDIAN, SUPPLIER, append, invoicing, issued, purchased, refunded, rows
from tests.support.ledgers import new_ledger
from tests.support.servers import api, client, key, projector
from tests.support.workers import wait_until_projected


@pytest.fixture(scope="module")
def settings(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A ledger whose projector runs."""
    settings = new_ledger(stack, supplier=SUPPLIER, stall_seconds=600.0)
    bootstrap(settings)
    with projector(settings, tmp_path_factory.mktemp("invoices")):
        yield settings


@pytest.fixture
def account(settings: Settings) -> str:
    name = f"acct_{os.urandom(6).hex()}"
    rows(
        settings,
        "INSERT INTO records.profiles (account_id, name, line1, city, postal_code, country) "
        "VALUES (%s, 'Åsa Müller', 'Straße 1', 'Bonn', '53111', 'DE')",
        name,
    )
    rows(
        settings,
        "INSERT INTO records.tax_ids (account_id, country, type, value) VALUES (%s, 'DE', 'eu_vat', 'DE136695976')",
        name,
    )
    return name


def test_a_purchase_is_invoiced_and_its_refund_credited(settings: Settings, account: str) -> None:
    bought = purchased(account, charged={"amount_minor": 1190, "tax_minor": 190})
    append(settings, bought, refunded(bought, "5", 595, 95))
    with invoicing(settings) as round_:
        round_()
        round_()
    invoice, note = issued(settings, account)
    assert (invoice["kind"], invoice["currency"], invoice["total_minor"], invoice["tax_minor"]) == (
        "invoice",
        "USD",
        1190,
        190,
    )
    assert invoice["content"]["customer"] == {
        "name": "Åsa Müller",
        "address": ["Straße 1", "53111 Bonn", "Germany"],
        "tax_ids": [{"label": "European VAT number", "value": "DE136695976"}],
        "email": "",
    }
    assert (note["kind"], note["total_minor"], note["tax_minor"]) == ("credit_note", 595, 95)
    assert note["content"]["corrects"]["number"] == invoice["number"]
    wait_until_projected(settings)
    on_the_log = rows(
        settings,
        "SELECT data FROM views.entries WHERE account_id = %s AND type = 'invoice.issued' ORDER BY seq",
        account,
    )
    assert [row["data"]["number"] for row in on_the_log] == [invoice["number"], note["number"]]


def test_refunds_give_back_each_part_of_the_tax_as_it_was_charged(settings: Settings) -> None:
    bought = purchased(f"acct_{os.urandom(6).hex()}", charged={"amount_minor": 1184, "tax_minor": 181})
    append(settings, bought, *[refunded(bought, "2", 399, 61) for _ in range(2)], refunded(bought, "6", 386, 59))
    with invoicing(settings.model_copy(update={"supplier": Supplier(**INDIAN)})) as round_:
        round_()
    charged, *returned = [
        [part["amount_minor"] for part in row["content"]["taxes"]] for row in issued(settings, bought.subject)
    ]
    assert charged == [91, 90]
    assert [sum(part) for part in zip(*returned, strict=True)] == charged


def test_an_issued_invoice_never_changes(settings: Settings, account: str) -> None:
    append(settings, purchased(account))
    with invoicing(settings) as round_:
        round_()
    (invoice,) = issued(settings, account)
    for change in (
        "UPDATE records.invoices SET total_minor = 1 WHERE number = %s",
        "UPDATE records.invoices SET recorded_at = NULL WHERE number = %s",
        "DELETE FROM records.invoices WHERE number = %s",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="never changes"):
            rows(settings, change, invoice["number"])


def test_what_the_customer_is_called_later_changes_nothing(settings: Settings, account: str) -> None:
    bought = purchased(account)
    append(settings, bought)
    with invoicing(settings) as round_:
        round_()
        rows(settings, "DELETE FROM records.profiles WHERE account_id = %s", account)
        append(settings, refunded(bought, "10", 1000))
        round_()
    assert [row["content"]["customer"]["name"] for row in issued(settings, account)] == ["Åsa Müller"] * 2


def test_a_restored_database_gives_no_number_twice(settings: Settings, account: str) -> None:
    """As if a backup from before the first purchase were restored: the log alone knows what was issued."""
    append(settings, *[purchased(account) for _ in range(3)])
    with invoicing(settings) as round_:
        round_()
    wait_until_projected(settings)
    before = issued(settings, account)
    every = "SELECT event_id, number FROM records.invoices ORDER BY number"
    numbers = rows(settings, every)
    _forget(settings)
    another = purchased(account)
    append(settings, another, *[_numbered_elsewhere(another, number) for number in ("2026-000001", "INV-2026-99")])
    with invoicing(settings) as round_:
        round_()
    after = issued(settings, account)
    assert [row["number"] for row in after[: len(before)]] == [row["number"] for row in before]
    assert [row["issued_on"] for row in after[: len(before)]] == [row["issued_on"] for row in before]
    assert rows(settings, every)[: len(numbers)] == numbers
    assert place_of(after[-1]["number"]).position == place_of(before[-1]["number"]).position + 1


def test_a_number_that_is_not_on_the_log_is_shown_to_nobody(settings: Settings, account: str) -> None:
    append(settings, purchased(account))
    with invoicing(settings) as round_:
        round_.task._event_log = Killed(settings, round_.task._event_log._guard)  # between the transaction and the log
        with pytest.raises(RuntimeError, match="killed"):
            round_()
    (waiting,) = issued(settings, account)
    assert waiting["recorded_at"] is None
    with invoicing(settings) as round_:
        round_()
    (done,) = issued(settings, account)
    assert done["number"] == waiting["number"]
    assert done["recorded_at"] is not None


def test_invoices_less_credit_notes_are_what_was_charged_less_what_was_refunded(
    settings: Settings, account: str
) -> None:
    rupees = purchased(
        account, charged={"currency": "INR", "amount_minor": 85000}, fx_rate="85.00", provider="razorpay"
    )
    append(settings, rupees, refunded(rupees, "3", 25500), purchased(account))
    with invoicing(settings) as round_:
        round_()
    invoiced = rows(
        settings,
        "SELECT currency, sum(CASE kind WHEN 'invoice' THEN total_minor ELSE -total_minor END)::bigint AS minor "
        "FROM records.invoices GROUP BY currency ORDER BY currency",
    )
    charged = rows(
        settings,
        "SELECT currency, sum(amount_minor - refunded_minor)::bigint AS minor FROM views.purchases "
        "GROUP BY currency ORDER BY currency",
    )
    assert invoiced == charged
    positions = rows(
        settings, "SELECT series, array_agg(position ORDER BY position) AS all FROM records.invoices GROUP BY 1"
    )
    for row in positions:
        assert row["all"] == list(range(1, len(row["all"]) + 1))


def test_each_account_reads_its_own_invoices(settings: Settings, account: str, tmp_path: Path) -> None:
    append(settings, *[purchased(account) for _ in range(3)])
    with invoicing(settings) as round_:
        round_()
    numbers = [row["number"] for row in reversed(issued(settings, account))]
    own, other = (key(settings, "billing:read", account=name) for name in (account, "acct_other"))
    with api(settings, tmp_path) as url, client(url, own) as mine, client(url, other) as theirs:
        page = mine.get(f"/v1/accounts/{account}/invoices", params={"limit": 2}).json()
        rest = mine.get(f"/v1/accounts/{account}/invoices", params={"cursor": page["next_cursor"]}).json()
        assert [row["number"] for row in page["data"] + rest["data"]] == numbers
        assert page["data"][0]["total"] == {"currency": "USD", "amount_minor": 1000, "tax_minor": 0}
        first, again = (mine.get(page["data"][0]["url"]) for _ in range(2))
        assert first.headers["content-type"] == "application/pdf"
        assert first.content.startswith(b"%PDF-")
        assert first.content == again.content
        assert theirs.get(page["data"][0]["url"]).json()["error"]["code"] == "invoice_unknown"
        assert theirs.get(f"/v1/accounts/{account}/invoices").status_code == 404
        assert mine.get("/v1/invoices/INV-2026-9999999.pdf").status_code == 404
        for cursor in ("Lg", "MC4A"):  # the second names a NUL
            refused = mine.get(f"/v1/accounts/{account}/invoices", params={"cursor": cursor})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_cursor")


def _numbered_elsewhere(of: CreditsPurchased, number: str) -> InvoiceIssued:
    """As a program of the supplier's own says it, whose numbers have another form."""
    data = Invoice(number=number, purchase_id=of.data.purchase_id)
    return InvoiceIssued(source="erp", id=derived_id(of.subject, number), subject=of.subject, data=data)


class Killed(EventAppender):
    def append_event(self, event: Envelope) -> Position:
        raise RuntimeError("killed")


def _forget(settings: Settings) -> None:
    """The tables as they were before anything was invoiced."""
    with psycopg.connect(settings.database) as connection:
        connection.execute(
            "TRUNCATE records.invoices, records.invoice_pdfs, records.invoice_series, records.fact_positions"
        )
