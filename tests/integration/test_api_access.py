"""Who may do what, and the shape of every answer that is no success."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from ledger.core.scopes import SCOPES
from ledger.records import api_keys
from ledger.server.app import create_app
from ledger.settings import Settings
from tests.support.events import priced_usage
from tests.support.programs import ROOT
from tests.support.servers import api, client, key
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def http(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client without a key, of an API without a projector."""
    folder: Path = tmp_path_factory.mktemp("api")
    with api(settings, folder) as url, client(url, None) as http:
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


ROUTES = [
    ("POST", "/v1/usage", "usage:write", priced_usage("acct_1")),
    ("GET", "/v1/accounts", "accounts:read", None),
    ("POST", "/v1/accounts", "accounts:write", {"account_id": "acct_1"}),
    ("GET", "/v1/accounts/acct_1", "accounts:read", None),
    ("GET", "/v1/accounts/acct_1/balance", "accounts:read", None),
    ("GET", "/v1/accounts/acct_1/transactions", "accounts:read", None),
    ("GET", "/v1/accounts/acct_1/transactions.csv", "accounts:read", None),
    ("GET", "/v1/accounts/acct_1/usage-summary", "accounts:read", None),
    ("GET", "/v1/accounts/acct_1/auto-top-up", "accounts:read", None),
    ("PUT", "/v1/accounts/acct_1/auto-top-up", "accounts:write", {"enabled": False, "threshold": "5", "amount": "5"}),
    ("POST", "/v1/accounts/acct_1/adjustments", "adjustments:write", {"amount": "1", "reason_code": "gift"}),
    ("GET", "/v1/transactions/00000000-0000-0000-0000-000000000000", "accounts:read", None),
    ("GET", "/v1/accounts/acct_1/profile", "billing:read", None),
    ("PUT", "/v1/accounts/acct_1/profile", "billing:write", {"name": "Ada Lovelace"}),
    ("GET", "/v1/accounts/acct_1/tax-ids", "billing:read", None),
    (
        "POST",
        "/v1/accounts/acct_1/tax-ids",
        "billing:write",
        {"country": "DE", "type": "eu_vat", "value": "DE136695976"},
    ),
    ("DELETE", "/v1/accounts/acct_1/tax-ids/00000000-0000-0000-0000-000000000000", "billing:write", None),
    ("GET", "/v1/tax-id-types", "billing:read", None),
    ("GET", "/v1/accounts/acct_1/invoices", "billing:read", None),
    ("GET", "/v1/invoices/INV-2026-0000001.pdf", "billing:read", None),
    ("GET", "/v1/webhook-endpoints", "webhooks:write", None),
    ("POST", "/v1/webhook-endpoints", "webhooks:write", {"url": "https://10.0.0.1/"}),
    ("GET", "/v1/webhook-endpoints/00000000-0000-0000-0000-000000000000", "webhooks:write", None),
    ("GET", "/v1/webhook-endpoints/00000000-0000-0000-0000-000000000000/deliveries", "webhooks:write", None),
    ("POST", "/v1/accounts/acct_1/purchases", "purchases:write", {"amount": "10", "provider": "stripe"}),
    ("GET", "/v1/accounts/acct_1/purchases/p1", "billing:read", None),
    ("POST", "/v1/accounts/acct_1/purchases/p1/refunds", "refunds:write", {}),
    ("GET", "/v1/accounts/acct_1/payment-methods", "billing:read", None),
    (
        "POST",
        "/v1/accounts/acct_1/payment-methods",
        "billing:write",
        {"provider": "stripe", "return_url": "https://router.example"},
    ),
    ("PUT", "/v1/accounts/acct_1/payment-methods/pm_1/default", "billing:write", None),
    ("DELETE", "/v1/accounts/acct_1/payment-methods/pm_1", "billing:write", None),
    ("GET", "/v1/prices", "accounts:read", None),
    ("POST", "/v1/portal-sessions", "portal:write", {"account_id": "acct_1"}),
    ("POST", "/v1/authorizations", "authorizations:write", {"account_id": "acct_1"}),
    ("GET", "/metrics", "metrics:read", None),
    ("GET", "/v1/reports/months/2026-11", "reports:read", None),
    ("GET", "/v1/reports/months/2026-11.csv", "reports:read", None),
]


@pytest.mark.parametrize(("method", "path", "scope", "body"), ROUTES, ids=[f"{r[0]} {r[1]}" for r in ROUTES])
def test_a_route_needs_a_key_with_its_scope(
    http: httpx.Client, settings: Settings, method: str, path: str, scope: str, body: object
) -> None:
    assert http.request(method, path, json=body).status_code == 401
    others = [other for other in SCOPES if other != scope]
    answer = http.request(method, path, json=body, headers=bearer(key(settings, *others)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")
    assert scope in answer.json()["error"]["message"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic bGs6", "Bearer lk_0000_x", "Bearer lk_é", "token"])
def test_what_is_no_key_is_unauthorized(http: httpx.Client, header: str) -> None:
    answer = http.get("/v1/prices", headers={"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["type"] == "authentication_error"


def test_another_secret_under_a_known_id_is_unauthorized(http: httpx.Client, settings: Settings) -> None:
    token = key(settings)
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert http.get("/v1/prices", headers=bearer(token)).status_code == 200
    assert http.get("/v1/prices", headers=bearer(forged)).status_code == 401


def test_a_revoked_key_ends_within_seconds(http: httpx.Client, settings: Settings) -> None:
    with psycopg.connect(settings.database) as connection:
        made = api_keys.create(connection, ["accounts:read"], description="to be revoked")
    assert http.get("/v1/prices", headers=bearer(made.token)).status_code == 200
    with psycopg.connect(settings.database) as connection:
        assert api_keys.revoke(connection, made.key_id)
        assert not api_keys.revoke(connection, made.key_id)
        listed = {key.key_id: key for key in api_keys.listed(connection)}
    assert listed[made.key_id].revoked_at is not None
    eventually(lambda: http.get("/v1/prices", headers=bearer(made.token)).status_code == 401, 10)


def test_the_secret_of_a_key_is_nowhere_in_the_database(settings: Settings) -> None:
    token = key(settings)
    with psycopg.connect(settings.database) as connection:
        rows = connection.execute("SELECT api_keys::text FROM records.api_keys").fetchall()
    assert rows
    assert not [row for (row,) in rows if token.rsplit("_", 1)[-1] in row]


def test_for_an_account_s_key_other_accounts_do_not_exist(http: httpx.Client, settings: Settings) -> None:
    own = bearer(key(settings, account="acct_own"))
    for method, path, _, body in ROUTES:
        if "acct_1" in path or (isinstance(body, dict) and body.get("account_id") == "acct_1"):
            answer = http.request(method, path, json=body, headers=own)
            assert (path, answer.status_code) == (path, 404)
    assert http.get("/v1/accounts", headers=own).json() == {"data": [], "next_cursor": None}


def test_an_unknown_scope_is_refused(settings: Settings) -> None:
    with psycopg.connect(settings.database) as connection, pytest.raises(api_keys.UnknownScope):
        api_keys.create(connection, ["everything:write"])


@pytest.mark.parametrize("body", [{"account_id": "nobody"}, {"account_id": "nobody", "amount": "0.01"}])
def test_while_nothing_is_projected_no_request_is_granted_or_refused(
    http: httpx.Client, settings: Settings, body: dict[str, str]
) -> None:
    answer = http.post("/v1/authorizations", json=body, headers=bearer(key(settings, "authorizations:write")))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "projection_behind")
    assert answer.headers["Content-Type"] == "application/json"


SHAPES = [
    ("GET", "/nothing", {}, 404, "not_found", None),
    ("DELETE", "/v1/prices", {}, 405, "method_not_allowed", None),
    ("GET", "/v1/accounts/acct_1/balance", {}, 404, "account_unknown", "account_id"),
    ("GET", "/v1/accounts/acct_1/transactions", {}, 404, "account_unknown", "account_id"),
    ("GET", "/v1/accounts/acct_1/usage-summary", {}, 404, "account_unknown", "account_id"),
    ("GET", "/v1/accounts/a%00b/balance", {}, 422, "invalid", "account_id"),
    ("GET", "/v1/accounts/provider:stripe/balance", {}, 422, "invalid", "account_id"),
    ("GET", "/v1/accounts/acct_1/balance", {"params": {"at": "noon"}}, 422, "invalid", "at"),
    ("GET", "/v1/accounts/acct_1/balance", {"params": {"at": "2026-11-21T10:00:00"}}, 422, "invalid", "at"),
    ("GET", "/v1/accounts/acct_1/transactions", {"params": {"limit": 0}}, 422, "invalid", "limit"),
    ("GET", "/v1/accounts/acct_1/transactions", {"params": {"view": "all"}}, 422, "invalid", "view"),
    (
        "GET",
        "/v1/accounts/acct_1/transactions",
        {"params": {"type": "Purchase"}},
        422,
        "unknown_transaction_type",
        "type",
    ),
    ("GET", "/v1/accounts/acct_1/transactions", {"params": {"cursor": "x"}}, 400, "invalid_cursor", "cursor"),
    ("GET", "/v1/accounts/acct_1/transactions", {"params": {"cursor": "LTEuLTE"}}, 400, "invalid_cursor", "cursor"),
    (
        "GET",
        "/v1/accounts/acct_1/transactions",
        {"params": {"cursor": "OTk5OTk5OTk5OTk5OTk5LjE"}},
        400,
        "invalid_cursor",
        "cursor",
    ),
    ("GET", "/v1/accounts", {"params": {"cursor": "é"}}, 400, "invalid_cursor", "cursor"),
    ("GET", "/v1/accounts", {"params": {"cursor": "YQBi"}}, 400, "invalid_cursor", "cursor"),
    ("GET", "/v1/accounts/acct_1/usage-summary", {"params": {"from": "1999-01-01"}}, 422, "range_too_long", "from"),
    ("GET", "/v1/accounts/acct_1/usage-summary", {"params": {"to": "0001-01-05"}}, 422, "invalid", "to"),
    ("GET", "/v1/invoices/abc.pdf", {}, 422, "invalid", "number"),
    ("GET", "/v1/transactions/seven", {}, 422, "invalid", "event_id"),
    ("GET", "/v1/transactions/00000000-0000-0000-0000-000000000000", {}, 404, "transaction_unknown", "event_id"),
    ("POST", "/v1/accounts", {"content": b"{"}, 400, "invalid_json", None),
    ("POST", "/v1/accounts", {"content": b"[" * 60_000}, 400, "invalid_json", None),
    ("POST", "/v1/accounts", {"content": b"{}" + b" " * 70_000}, 413, "too_large", None),
    ("POST", "/v1/accounts", {"content": b'{"account_id": "\\ud800"}'}, 422, "invalid", "account_id"),
    ("POST", "/v1/accounts", {"content": b'{"\\ud800": 1, "account_id": "a"}'}, 422, "invalid", None),
    ("POST", "/v1/accounts", {"json": {"account_id": 7}}, 422, "invalid", "account_id"),
    ("POST", "/v1/accounts", {"json": {"account_id": "a", "x": 1}}, 422, "invalid", "x"),
    ("POST", "/v1/accounts", {"json": {"account_id": "a", "package": "gold"}}, 422, "unknown_package", "package"),
    (
        "POST",
        "/v1/accounts/acct_1/adjustments",
        {"json": {"amount": "1e3", "reason_code": "x"}},
        422,
        "invalid",
        "amount",
    ),
    (
        "POST",
        "/v1/accounts/acct_1/adjustments",
        {"json": {"amount": "1", "reason_code": "x"}},
        404,
        "account_unknown",
        "account_id",
    ),
    ("POST", "/v1/authorizations", {"json": {"account_id": "a", "amount": "-1"}}, 422, "invalid", "amount"),
]


@pytest.mark.parametrize(("method", "path", "more", "status", "code", "param"), SHAPES)
def test_every_refusal_has_the_one_shape(
    http: httpx.Client,
    settings: Settings,
    method: str,
    path: str,
    more: dict[str, object],
    status: int,
    code: str,
    param: str | None,
) -> None:
    headers = bearer(key(settings)) | {"X-Request-Id": "mine-7", "Content-Type": "application/json"}
    answer = http.request(method, path, headers=headers, **more)
    assert answer.headers["X-Request-Id"] == "mine-7"
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert set(error) == {"message", "type", "code", "param", "request_id"}
    assert error["request_id"] == "mine-7"
    assert answer.json().keys() == {"error"}


async def _asked(app: ASGIApp) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger") as client:
        return await client.get("/v1/prices", headers={"X-Request-Id": "mine-7"})


def test_what_nobody_thought_of_has_the_one_shape_too_and_is_logged(settings: Settings) -> None:
    with capture_logs() as logged:  # no route expects to be asked before the application has started
        answer = asyncio.run(_asked(create_app(settings)))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["request_id"]) == (500, "internal_error", "mine-7")
    assert answer.headers["X-Request-Id"] == "mine-7"
    assert [line["exc_info"] for line in logged if line["event"] == "request_failed"] == [True]


def test_a_request_id_that_can_not_be_echoed_is_replaced(http: httpx.Client) -> None:
    for given in ("a b", "x" * 129):
        assert http.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"].startswith("req_")


def test_it_lives_but_is_not_ready_without_a_projector(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    eventually(lambda: http.get("/readyz").json()["missing"] == ["projection"])
    answer = http.get("/readyz")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_the_openapi_document_describes_every_route(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {operation["summary"] for operation in operations}
    assert all(operation["description"] for operation in operations)
    assert "UsageRecorded" in document["components"]["schemas"]
    assert http.get("/docs").status_code == 200


def test_prices_are_the_book_s(http: httpx.Client, settings: Settings) -> None:
    prices = http.get("/v1/prices", headers=bearer(key(settings, "accounts:read"))).json()
    assert prices["markups"] == {"auto": "0.1", "tier": "0.08"}
    assert prices["trace_price"] == "0.0005"
    gpt = next(price for price in prices["prices"] if price["model"] == "gpt-4o")
    assert gpt["rates"] == {"input_tokens": "2.5", "output_tokens": "10", "cache_read_tokens": "1.25"}
    assert {package["name"]: package["included_traces"] for package in prices["packages"]}["free"] == 100


def test_every_route_stands_in_the_reference(http: httpx.Client) -> None:
    page = (ROOT / "docs" / "reference" / "http.md").read_text()
    paths = http.get("/openapi.json").json()["paths"]
    assert [path for path in paths if f"{path}`" not in page] == []
    assert [scope for scope in SCOPES if f"`{scope}`" not in page] == []
