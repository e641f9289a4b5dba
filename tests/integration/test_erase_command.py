"""`ledger erase`: personal data goes, what the law needs stays, and the command says which is which."""

import json
import os
import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.records import erasing, rebuilds
from ledger.settings import Settings
from tests.support.invoicing import SUPPLIER, append, invoicing, issued, purchased, rows
from tests.support.ledgers import new_ledger
from tests.support.programs import ledger
from tests.support.servers import key, projector

SECRET = "Ada Lovelace of Bonn"


@pytest.fixture(scope="module")
def settings(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = new_ledger(stack, supplier=SUPPLIER, stall_seconds=600.0)
    bootstrap(settings)
    with projector(settings, tmp_path_factory.mktemp("erase")):
        yield settings


@pytest.fixture
def account(settings: Settings) -> str:
    name = f"acct_{os.urandom(6).hex()}"
    rows(settings, "INSERT INTO records.profiles (account_id, name, email) VALUES (%s, %s, 'a@b.de')", name, SECRET)
    rows(
        settings,
        "INSERT INTO records.tax_ids (account_id, country, type, value) VALUES (%s, 'DE', 'x', %s)",
        name,
        SECRET,
    )
    rows(
        settings,
        "INSERT INTO records.idempotency (owner, key, request_hash, content) VALUES ('operator', %s, '', "
        "jsonb_build_object('account_id', %s::text, 'name', %s::text))",
        name,
        name,
        SECRET,
    )
    rows(
        settings,
        "INSERT INTO records.webhook_endpoints (account_id, url, description, secret) "
        "VALUES (%s, 'https://ada.example/', %s, 'whsec_AAAA')",
        name,
        SECRET,
    )
    rows(
        settings,
        "INSERT INTO records.portal_sessions (account_id, page, return_url, link_hash, link_until) "
        "VALUES (%s, 'overview', 'https://router.example/' || %s, %s, now())",
        name,
        SECRET,
        name.encode(),
    )
    rows(
        settings,
        "INSERT INTO records.checkouts (checkout_id, account_id, provider, credits, currency, amount_minor, tax_minor, "
        "fx_rate, description, return_url, state, ended_at) VALUES (gen_random_uuid(), %s, 'stripe', 1, 'USD', 1, 0, "
        "'1', '', 'https://router.example/' || %s, 'expired', now())",
        name,
        SECRET,
    )
    key(settings, account=name)
    return name


def erase(settings: Settings, account: str) -> subprocess.CompletedProcess[str]:
    return ledger(settings, "erase", account, "--yes", "--json")


def test_invoices_stay_and_all_else_goes(settings: Settings, account: str) -> None:
    append(settings, purchased(account))
    with invoicing(settings) as round_:
        round_()
    done = erase(settings, account)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["erased"]["profile"] == said["erased"]["tax_ids"] == said["erased"]["answers"] == 1
    assert said["erased"]["endpoints"] == said["erased"]["keys"] == said["erased"]["visits"] == 1
    assert said["erased"]["return_urls"] == 1
    assert said["kept"][0]["what"].startswith("1 invoices")
    (invoice,) = issued(settings, account)
    assert invoice["content"]["customer"]["name"] == SECRET
    for table, names in _found(settings):
        assert table == "invoices", (table, names)
    again = json.loads(erase(settings, account).stdout)
    assert not any(again["erased"].values())


def test_nobody_is_erased_before_the_invoice_has_the_name(settings: Settings, account: str) -> None:
    append(settings, purchased(account))
    refused = erase(settings, account)
    assert refused.returncode == 1
    assert "wait for their invoices" in refused.stderr
    assert rows(settings, "SELECT name FROM records.profiles WHERE account_id = %s", account) == [{"name": SECRET}]
    with invoicing(settings) as round_:
        round_()
    assert erase(settings, account).returncode == 0


OPEN = {
    "a purchase that is not paid yet": "UPDATE records.checkouts SET state = 'begun', ended_at = NULL "
    "WHERE account_id = %s",
    "a top-up that is under way": "INSERT INTO records.top_up_triggers (trigger_id, account_id, provider, credits, "
    "triggered_at, due_at) VALUES (gen_random_uuid(), %s, 'stripe', 1, now(), now())",
}


@pytest.mark.parametrize("change", OPEN.values(), ids=OPEN.keys())
def test_nobody_is_erased_whose_payment_may_still_come(settings: Settings, account: str, change: str) -> None:
    rows(settings, change, account)
    with psycopg.connect(settings.database) as connection:
        with pytest.raises(erasing.NotInvoicedYet, match="1 of them"):
            erasing.erase(connection, account, invoiced=True)
        assert erasing.erase(connection, account, invoiced=False).erased["profile"] == 1


def test_nobody_is_erased_while_the_views_are_half_built(settings: Settings, account: str) -> None:
    with psycopg.connect(settings.database) as connection:
        connection.execute("INSERT INTO records.rebuilds (targets, columns, outbox_position) VALUES ('{}', '{}', 0)")
        with pytest.raises(rebuilds.RebuildUnfinished):
            erasing.erase(connection, account, invoiced=True)
        connection.rollback()
        assert erasing.erase(connection, account, invoiced=True).erased["profile"] == 1


def _found(settings: Settings) -> Iterator[tuple[str, list[object]]]:
    """The tables that have the name anywhere."""
    tables = rows(settings, "SELECT tablename FROM pg_tables WHERE schemaname IN ('records', 'views')")
    for name in {row["tablename"] for row in tables}:
        schema = "records" if rows(settings, f"SELECT to_regclass('records.{name}') AS t")[0]["t"] else "views"
        found = rows(settings, f"SELECT 1 AS one FROM {schema}.{name} t WHERE t::text LIKE %s", f"%{SECRET}%")
        if found:
            yield name, list(found)
