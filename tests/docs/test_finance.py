"""The examples of the finance page, on a ledger whose October is the one that the page shows."""

from pathlib import Path
from typing import Any

import pytest

from ledger.dev.child_processes import environment_of
from ledger.settings import Settings
from tests.docs.pages import examples
from tests.docs.running import Reader
from tests.support.events import Event, Ids, event, purchase, usage
from tests.support.past import Past, at
from tests.support.servers import api, key

PAGE = "docs/how-to/finance.md"
IDS = Ids(99)


def bought(account: str, kind: str, credits: str, provider: str, currency: str, minor: int, tax: int) -> Event:
    made = purchase(account, IDS(), credits, f"pur_{account}")
    money = {"currency": currency, "amount_minor": minor, "tax_minor": tax}
    made["data"] |= {"kind": kind, "provider": provider, "charged": money}
    made["data"] |= {"trigger_id": IDS()} if kind == "auto_top_up" else {}
    return made


def new_event(type_: str, account: str, **data: Any) -> Event:
    return event(type_, account, data, IDS())


REFUNDED = {"currency": "USD", "amount_minor": 2_380, "tax_minor": 380}
STORY = [
    ("2026-09-15", bought("acme", "purchase", "100", "stripe", "USD", 11_900, 1_900)),
    ("2026-10-01", usage("acme", IDS(), "20")),
    ("2026-10-02", usage("acme", IDS(), "10", mode="tier", provider="anthropic", model="claude-sonnet-4-5")),
    ("2026-10-03", new_event("trace.recorded", "acme", trace_id="t1", count=160)),
    ("2026-10-04", bought("bolt", "auto_top_up", "10", "razorpay", "INR", 85_000, 12_966)),
    ("2026-10-05", usage("bolt", IDS(), "4")),
    (
        "2026-10-06",
        new_event(
            "credits.refunded",
            "acme",
            purchase_id="pur_acme",
            provider_refund_id="re_1",
            credits="20",
            charged=REFUNDED,
        ),
    ),
    ("2026-10-07", new_event("credits.adjusted", "acme", amount="1", reason_code="goodwill", actor_id="op_1")),
    ("2026-10-08", new_event("dispute.opened", "acme", purchase_id="pur_acme", credits="30")),
    ("2026-10-20", new_event("dispute.closed", "acme", purchase_id="pur_acme", outcome="won")),
    ("2026-10-21", new_event("dispute.opened", "bolt", purchase_id="pur_bolt", credits="10")),
    ("2026-10-28", new_event("dispute.closed", "bolt", purchase_id="pur_bolt", outcome="lost")),
    (
        "2026-10-31",
        new_event(
            "payout.received",
            "provider:stripe",
            provider="stripe",
            payout_id="po_1",
            currency="USD",
            amount_minor=7_000,
            fee_minor=375,
        ),
    ),
]


@pytest.fixture(scope="module")
def ledger(settings: Settings) -> Settings:
    past = Past(settings)
    past.happened((at(f"{day}T12:00:00+00:00"), each) for day, each in STORY)
    past.nothing_more_until(at("2026-11-02T09:00:00+00:00"))
    past.close()
    return settings


def test_the_examples_of_the_finance_page_do_what_it_says(
    ledger: Settings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with api(ledger, tmp_path_factory.mktemp("api")) as url:
        given = {name: value for name, value in environment_of(ledger).items() if name.startswith("LEDGER_")}
        given |= {"API": url, "KEY": key(ledger), "COLUMNS": "100"}
        reader = Reader(tmp_path, given, {})
        for example in examples(PAGE):
            reader.runs(example)
