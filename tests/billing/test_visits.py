"""Who gets in: a link once and soon, a cookie that only its browser has, forms that come from our own page."""

import os
import re
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.billing.customer import COOKIE, Customer, come_in, path_of, portal
from tests.payments.payment_system import PaymentSystem
from tests.support.events import usage
from tests.support.servers import api, client, key

REQUEST = "6f0f6f0e-3d0e-4a56-9b8a-1f0c1a0e2a11"
TEN = {"amount": "10", "currency": "USD", "amount_minor": "1000"}
FORMS = [
    "/add",
    "/purchases",
    "/details",
    "/auto-top-up",
    "/payment-methods/add",
    "/payment-methods/remove",
    "/payment-methods/default",
    "/details/tax-ids/remove",
    "/leave",
]
FRAME = {"Sec-Fetch-Dest": "iframe"}
PAGES = ["", "/history", "/history.csv", "/usage", "/add", "/auto-top-up", "/payment-methods", "/prices", "/details"]


def test_a_link_works_once(system: PaymentSystem) -> None:
    link = portal(system, system.account())
    assert httpx.get(link).status_code == 303
    again = httpx.get(link)
    assert (again.status_code, "set-cookie" in again.headers) == (410, False)
    assert "This link was used, or is too old. Open the billing page again from where you came from.<" in again.text


def test_a_link_is_over_after_five_minutes(system: PaymentSystem) -> None:
    account = system.account()
    link = portal(system, account)
    with psycopg.connect(system.settings.database) as connection:
        sql = (
            "UPDATE records.portal_sessions SET link_until = link_until - interval '301 seconds' WHERE account_id = %s"
        )
        connection.execute(sql, (account,))
    assert httpx.get(link).status_code == 410


def test_a_visit_is_over_after_two_hours(system: PaymentSystem) -> None:
    account = system.account()
    customer = come_in(system, account)
    assert customer.get("").status_code == 200
    with psycopg.connect(system.settings.database) as connection:
        sql = "UPDATE records.portal_sessions SET expires_at = expires_at - interval '2 hours' WHERE account_id = %s"
        connection.execute(sql, (account,))
    assert customer.get("").status_code == 401


def test_the_cookie_is_for_this_host_over_tls_and_not_for_scripts(system: PaymentSystem) -> None:
    said = httpx.get(portal(system, system.account())).headers["set-cookie"]
    name, *attributes = said.split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}


def test_a_link_leads_to_the_page_that_was_asked_for(system: PaymentSystem) -> None:
    assert httpx.get(portal(system, system.account(), page="history")).headers["location"] == "/billing/history"


def test_links_are_made_with_the_scope_only_and_for_accounts_that_are(system: PaymentSystem) -> None:
    account = system.account()
    body = {"account_id": account}
    with client(system.url, key(system.settings, "accounts:read")) as other:
        assert other.post("/v1/portal-sessions", json=body).status_code == 403
    with client(system.url, key(system.settings, account="acct_else")) as other:
        assert other.post("/v1/portal-sessions", json=body).status_code == 404
    assert system.http.post("/v1/portal-sessions", json={"account_id": "nobody-here"}).status_code == 404


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_a_visit(system: PaymentSystem, path: str) -> None:
    assert Customer(system.url, "a" * 43).get(path).status_code == 401
    assert httpx.get(f"{system.url}/billing{path}").status_code == 401


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_shown_and_runs_no_script_but_ours(system: PaymentSystem, path: str) -> None:
    answer = come_in(system, system.account()).get(path)
    assert answer.status_code == 200
    if path != "/history.csv":
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == (
            "'none'",
            "'self'",
            "'none'",
        )
        assert policy["style-src"] == "'self'"
    assert "no-store" in answer.headers["cache-control"]


def test_what_is_no_page_is_not_stored_either(system: PaymentSystem) -> None:
    customer = come_in(system, system.account())
    seen = re.search(r'/billing/live\?seen=([^&"]+)', customer.get("").text)
    assert seen
    unchanged, redirect = customer.get(f"/live?seen={seen[1]}"), customer.send("/details", country="FR")
    over = httpx.get(f"{system.url}/billing/live", headers={"HX-Request": "true"})
    assert [unchanged.status_code, redirect.status_code, over.headers["hx-redirect"]] == [204, 303, "/billing"]
    for answer in (unchanged, redirect, over):
        assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_token_or_from_elsewhere_does_nothing(system: PaymentSystem, path: str) -> None:
    customer, other = come_in(system, system.account()), come_in(system, system.account())
    token = customer.token()
    for form, origin in (
        ({}, ""),
        ({"csrf": other.token()}, ""),
        ({"csrf": "é"}, ""),
        ({"csrf": token}, "https://evil.example"),
        ({"csrf": token}, "null"),
        ({"csrf": token}, None),
    ):
        answer = customer.post(path, form, origin=origin)
        assert answer.status_code == 403, (form, origin)
    assert customer.get("").status_code == 200


def test_who_leaves_is_out(system: PaymentSystem) -> None:
    customer = come_in(system, system.account())
    customer.send("/leave")
    assert customer.get("").status_code == 401


def test_another_accounts_ids_are_not_there(system: PaymentSystem) -> None:
    victim, customer = system.account(), come_in(system, system.account())
    purchase = system.buy(victim, "stripe")
    system.visit(system.pay(purchase))
    system.wait_until_settled()
    [event_id] = system.rows("SELECT event_id::text FROM views.entries WHERE account_id = %s AND amount > 0", victim)
    [card] = system.http.get(f"/v1/accounts/{victim}/payment-methods").json()["data"]
    assert customer.get(f"/purchases/{purchase['purchase_id']}").status_code == 404
    assert customer.get(f"/history/{event_id}").status_code == 404
    method = card["payment_method_id"]
    assert customer.send("/payment-methods/remove", method=method).status_code == 422
    assert customer.send("/payment-methods/default", method=method).status_code == 422
    bought = customer.send("/purchases", request=REQUEST, **TEN, pay=f"stripe:{method}")
    assert bought.status_code == 404
    confirm = f"/add/confirm?request={REQUEST}&amount=10&pay=stripe:{method}"
    assert path_of(customer.get(confirm)) == "/add"
    [left] = system.http.get(f"/v1/accounts/{victim}/payment-methods").json()["data"]
    assert left == card


def test_a_purchase_of_another_account_is_not_found_by_its_request(system: PaymentSystem) -> None:
    request = "6f0f6f0e-3d0e-4a56-9b8a-1f0c1a0e2a12"
    one, other = come_in(system, system.account()), come_in(system, system.account())
    first = one.send("/purchases", request=request, **TEN, pay="stripe:")
    second = other.send("/purchases", request=request, **TEN, pay="stripe:")
    assert path_of(first) != path_of(second)


def test_script_in_a_name_or_a_filter_is_text(system: PaymentSystem) -> None:
    name, city = '<script>alert("x")</script>', '"><img src=x onerror=y>'
    customer = come_in(system, system.account(name=name, address={"country": "DE", "city": city}))
    confirm = "/add/confirm?request=6f0f6f0e-3d0e-4a56-9b8a-1f0c1a0e2a13&amount=10&pay=stripe:"
    for path in ("/details", "/add", confirm):
        page = customer.get(path).text
        assert "&lt;script&gt;alert" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    typed = customer.get('/history?model="><script>alert(1)</script>&from="><b>').text
    assert "<script>alert" not in typed
    assert "<b>" not in typed


def test_script_in_a_description_is_text(system: PaymentSystem) -> None:
    account = system.account()
    body = {**usage(account, os.urandom(8).hex(), "0.01", model="<script>alert(1)</script>")}
    answer = system.http.post("/v1/usage", json=body, headers={"Content-Type": "application/cloudevents+json"})
    assert answer.status_code == 202, answer.text
    system.wait_until_settled()
    customer = come_in(system, account)
    for path in ("", "/history", "/usage"):
        page = customer.get(path).text
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page


def test_a_frame_is_allowed_to_whom_the_settings_name(system: PaymentSystem, tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    account, there = system.account(), ["https://router.example"]
    with api(system.settings, tmp_path, embed_origins=there, brand_logo=str(logo), brand_color="#ffee00") as url:
        made = system.http.post(f"{url}/v1/portal-sessions", json={"account_id": account, "page": "badge"}).json()
        entered = httpx.get(made["url"])
        attributes = entered.headers["set-cookie"].split("; ")[1:]
        assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=None", "Partitioned"}
        customer = Customer(url, entered.headers["set-cookie"].partition(";")[0].partition("=")[2])
        badge = customer.get("/badge")
        assert "frame-ancestors https://router.example" in badge.headers["content-security-policy"]
        assert "$0.00" in badge.text
        assert httpx.get(f"{url}/billing/logo").headers["content-type"] == "image/svg+xml"
        assert "--on-accent: #000000" in httpx.get(f"{url}/billing/brand.css").text


def test_in_a_frame_the_provider_opens_in_a_window_of_its_own(system: PaymentSystem) -> None:
    customer = come_in(system, system.account())
    form = {"csrf": customer.token(), "request": REQUEST, **TEN, "pay": "stripe:"}
    begun = customer.post("/purchases", form, **FRAME)
    page = customer.get(path_of(begun), **FRAME).text
    assert 'http-equiv="refresh" content="0' not in page
    [again] = re.findall(r'id="purchase" hx-get="/billing([^"]+)"', page)
    followed = customer.get(again, **{"Sec-Fetch-Dest": "empty", "HX-Request": "true"}).text
    for shown in (page, followed):
        assert re.search(r'href="[^"]+/pay/[0-9a-f-]+" target="_blank"', shown)


def test_in_a_frame_a_card_is_added_in_a_window_of_its_own_that_needs_no_cookie(system: PaymentSystem) -> None:
    customer = come_in(system, system.account())
    page = customer.post("/payment-methods/add", {"csrf": customer.token(), "provider": "stripe"}, **FRAME).text
    assert 'http-equiv="refresh"' not in page
    [url] = re.findall(r'href="(http[^"]+/stripe/pay/cs_[^"]+)" target="_blank" rel="noopener', page)
    back = system.visit(system.type_card(url))
    assert (back.status_code, "You may close this window" in back.text) == (200, True)
    assert "ending in 4242" in customer.get("/payment-methods").text
