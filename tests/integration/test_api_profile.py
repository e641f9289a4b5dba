"""Who a customer is: what is kept, what is refused by name, and that none of it leaves the database."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ledger.log.topic_reader import topic_reader
from ledger.payments.buyers import load_buyer
from ledger.payments.gateway import Address, Buyer
from ledger.payments.taxes import BillingCountryMissing, billing_country
from ledger.records import erasing
from ledger.records.profiles import SQL
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.servers import api, client, key, projector
from tests.support.waiting import eventually

ADA = {
    "name": "Ada Lovelace Ltd",
    "email": "Ada@EXAMPLE.com",
    "address": {
        "line1": "Unter den Linden 1",
        "line2": None,
        "city": "Berlin",
        "state": None,
        "postal_code": "10117",
        "country": "DE",
    },
    "time_zone": "Europe/Berlin",
    "locale": "de_DE",
}
EMPTY_PROFILE = dict.fromkeys(ADA)
VAT = {"country": "DE", "type": "eu_vat", "value": "de 136 695 976"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture(scope="module")
def http(settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    """A client with the scopes of the billing page, and of who opens accounts."""
    with ExitStack() as stack:
        url = stack.enter_context(api(settings, folder))
        stack.enter_context(projector(settings, folder))
        scopes = ("billing:read", "billing:write", "accounts:write")
        http = stack.enter_context(client(url, key(settings, *scopes)))
        eventually(lambda: http.get("/readyz").status_code == 200)
        yield http


def account(http: httpx.Client, account_id: str) -> str:
    """The path of a new account."""
    assert http.post("/v1/accounts", json={"account_id": account_id}).status_code == 201
    return f"/v1/accounts/{account_id}"


def numbers(http: httpx.Client, path: str) -> list[str]:
    return [found["value"] for found in http.get(f"{path}/tax-ids").json()["data"]]


def test_a_profile_is_empty_until_it_is_put_and_replaced_as_a_whole(http: httpx.Client) -> None:
    path = account(http, "replaced") + "/profile"
    assert http.get(path).json() == {"account_id": "replaced", **EMPTY_PROFILE}
    kept = {"account_id": "replaced", **ADA, "email": "Ada@example.com", "locale": "de-DE"}
    for _ in range(2):
        answer = http.put(path, json=ADA)
        assert (answer.status_code, answer.json()) == (200, kept)
    assert http.get(path).json() == kept
    assert http.put(path, json={"name": "Ada"}).json() == {"account_id": "replaced", **EMPTY_PROFILE, "name": "Ada"}
    assert http.get(path).json()["address"] is None


WRONG: list[tuple[str, Any, str, str]] = [
    ("name", "", "invalid", "name"),
    ("name", "a\tb", "invalid", "name"),
    ("name", "x" * 257, "invalid", "name"),
    ("email", "ada at example.com", "email_malformed", "email"),
    ("email", "ada@localhost", "email_malformed", "email"),
    ("time_zone", "Berlin", "time_zone_unknown", "time_zone"),
    ("time_zone", "../../etc/passwd", "time_zone_unknown", "time_zone"),
    ("locale", "tlh", "locale_unknown", "locale"),
    ("locale", "de-XX", "locale_unknown", "locale"),
    ("locale", "../../etc/passwd", "invalid", "locale"),
    ("address", {"city": "Berlin"}, "invalid", "address.country"),
    ("address", {"country": "de"}, "invalid", "address.country"),
    ("address", {"country": "EU"}, "country_unknown", "address.country"),
    ("address", {"country": "XX"}, "country_unknown", "address.country"),
    ("address", {"country": "DE", "postal_code": "1" * 17}, "invalid", "address.postal_code"),
    ("address", {"country": "DE", "street": "x"}, "invalid", "address.street"),
    ("tax_id", "x", "invalid", "tax_id"),
]


@pytest.mark.parametrize(("field", "value", "code", "param"), WRONG)
def test_what_is_wrong_is_refused_by_name_and_changes_nothing(
    http: httpx.Client, field: str, value: Any, code: str, param: str
) -> None:
    path = "/v1/accounts/refused/profile"
    if http.get(path).status_code == 404:
        account(http, "refused")
        http.put(path, json=ADA)
    before = http.get(path).json()
    answer = http.put(path, json={**ADA, "name": "Other", field: value})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, code, param)
    assert error["message"].startswith(f"{param}: ")
    assert http.get(path).json() == before
    assert before["name"] == "Ada Lovelace Ltd"


def test_a_tax_id_is_checked_written_as_its_authority_does_and_deleted(http: httpx.Client) -> None:
    path = account(http, "taxed")
    added = http.post(f"{path}/tax-ids", json=VAT)
    assert added.status_code == 201
    body = added.json()
    assert (body["country"], body["type"], body["value"]) == ("DE", "eu_vat", "DE136695976")
    assert http.get(f"{path}/tax-ids").json() == {"data": [body], "next_cursor": None}
    assert http.post(f"{path}/tax-ids", json={**VAT, "value": "DE136695976"}).json() == body
    assert http.delete(f"{path}/tax-ids/{body['id']}").status_code == 204
    assert numbers(http, path) == []
    again = http.delete(f"{path}/tax-ids/{body['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "tax_id_unknown")


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"value": "DE136695978"}, "tax_id_check_digit_wrong", "value"),
        ({"value": "1234"}, "tax_id_malformed", "value"),
        ({"value": "1" * 41}, "invalid", "value"),
        ({"type": "us_ein"}, "tax_id_type_unknown", "type"),
        ({"country": "AQ"}, "tax_id_country_unknown", "country"),
        ({"country": "Germany"}, "invalid", "country"),
    ],
)
def test_a_wrong_tax_id_is_refused_with_its_reason(
    http: httpx.Client, change: dict[str, str], code: str, param: str
) -> None:
    if http.get("/v1/accounts/untaxed/profile").status_code == 404:
        account(http, "untaxed")
    answer = http.post("/v1/accounts/untaxed/tax-ids", json={**VAT, **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, code, param)
    assert change.get("value", "none") not in error["message"]
    assert numbers(http, "/v1/accounts/untaxed") == []


def test_an_idempotency_key_is_one_tax_id_until_it_is_erased(http: httpx.Client, settings: Settings) -> None:
    path, header = account(http, "keyed") + "/tax-ids", {"Idempotency-Key": "tax-1"}
    first, second = (http.post(path, json=VAT, headers=header) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    other = http.post(path, json={**VAT, "value": "DE 129 273 398"}, headers=header)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    with psycopg.connect(settings.database) as connection:
        assert erasing.erase(connection, first.json()["account_id"], invoiced=False).erased["answers"] == 1


def test_there_are_five_tax_ids_at_most_also_when_two_come_at_once(http: httpx.Client, settings: Settings) -> None:
    path = account(http, "many") + "/tax-ids"
    answers: list[httpx.Response] = []

    def add(value: str) -> None:
        answers.append(http.post(path, json={"country": "AE", "type": "ae_trn", "value": value}))

    for number in range(4):
        add(f"10000000000000{number}")
    late = threading.Thread(target=add, args=("200000000000000",))
    fifth = {"account_id": "many", "country": "AE", "type": "ae_trn", "value": "300000000000000"}
    with psycopg.connect(settings.database) as connection:
        connection.execute(SQL["lock"], fifth)
        connection.execute(SQL["add_tax_id"], fifth)
        late.start()
        late.join(0.5)
        assert late.is_alive()
    late.join()
    assert [answer.status_code for answer in answers] == [201] * 4 + [422]
    assert answers[-1].json()["error"]["code"] == "too_many_tax_ids"
    assert len(http.get(path).json()["data"]) == 5


def test_a_tax_id_is_its_account_s(http: httpx.Client, settings: Settings) -> None:
    mine, yours = account(http, "mine"), account(http, "yours")
    tax_id = http.post(f"{mine}/tax-ids", json=VAT).json()["id"]
    assert http.delete(f"{yours}/tax-ids/{tax_id}").status_code == 404
    own = {"Authorization": f"Bearer {key(settings, 'billing:read', 'billing:write', account='yours')}"}
    for method, path in (("GET", f"{mine}/profile"), ("DELETE", f"{mine}/tax-ids/{tax_id}")):
        assert http.request(method, path, headers=own).status_code == 404
    assert http.get(f"{yours}/profile", headers=own).status_code == 200
    assert numbers(http, mine) == ["DE136695976"]


def test_an_unknown_account_has_no_profile(http: httpx.Client) -> None:
    for method, path, body in (
        ("GET", "profile", None),
        ("PUT", "profile", ADA),
        ("GET", "tax-ids", None),
        ("POST", "tax-ids", VAT),
        ("DELETE", "tax-ids/00000000-0000-0000-0000-000000000000", None),
    ):
        answer = http.request(method, f"/v1/accounts/nobody/{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, "account_id")


def test_the_types_of_a_country_come_with_what_a_page_shows(http: httpx.Client) -> None:
    found = {country["country"]: country for country in http.get("/v1/tax-id-types").json()["data"]}
    assert found["IN"] == {
        "country": "IN",
        "name": "India",
        "types": [{"type": "in_gst", "label": "Indian GSTIN", "example": "27AAPFU0939F1ZV"}],
    }
    assert [kind["type"] for kind in found["DE"]["types"]] == ["de_stn", "eu_vat"]


def test_a_buyer_is_what_the_provider_may_know(http: httpx.Client, settings: Settings) -> None:
    path = account(http, "buyer")
    with psycopg.connect(settings.database) as connection:
        assert load_buyer(connection, "buyer") == Buyer("buyer")
        with pytest.raises(BillingCountryMissing, match=r"address\.country"):
            billing_country(load_buyer(connection, "buyer"))
    http.put(f"{path}/profile", json=ADA)
    http.post(f"{path}/tax-ids", json=VAT)
    with psycopg.connect(settings.database) as connection:
        who = load_buyer(connection, "buyer")
    address = Address("Unter den Linden 1", "", "Berlin", "", "10117", "DE")
    assert who == Buyer("buyer", "Ada Lovelace Ltd", "Ada@example.com", address, (("eu_vat", "DE136695976"),))
    assert billing_country(who) == "DE"


def test_one_row_deleted_erases_a_person(http: httpx.Client, settings: Settings) -> None:
    path = account(http, "erased")
    http.put(f"{path}/profile", json=ADA)
    http.post(f"{path}/tax-ids", json=VAT)
    with psycopg.connect(settings.database) as connection:
        connection.execute("DELETE FROM records.profiles WHERE account_id = 'erased'")
    assert http.get(f"{path}/profile").json() == {"account_id": "erased", **EMPTY_PROFILE}
    assert numbers(http, path) == []


def test_personal_data_is_neither_on_kafka_nor_in_our_logs(
    http: httpx.Client, settings: Settings, folder: Path
) -> None:
    path = account(http, "private")
    http.put(f"{path}/profile", json=ADA)
    http.put(f"{path}/profile", json={**ADA, "email": "ada@nowhere"})
    http.post(f"{path}/tax-ids", json=VAT)
    http.post(f"{path}/tax-ids", json={**VAT, "value": "DE136695978"})
    topic = settings.topic(EVENTS)
    with topic_reader(settings, topic) as reader:
        reader.seek("beginning")
        values = [record.value for fetched in reader.records(follow=False) for record in fetched]
    written = b"".join([(folder / "api.log").read_bytes(), (folder / "projector.log").read_bytes(), *values])
    assert b"/v1/accounts/private/profile" in written
    assert b"account.opened" in written
    for personal in (b"Lovelace", b"nowhere", b"Linden", b"136695976", b"136 695 976", b"136695978"):
        assert personal not in written
