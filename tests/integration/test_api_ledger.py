"""The API beside a real projector: writes and their verdicts, balances, history and what it explains."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.events import Charged, CreditsPurchased, Purchase
from schemas.topics import EVENTS
from tests.support.events import priced_usage
from tests.support.servers import api, client, key, served
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture(scope="module")
def http(settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    """An operator's client, once everything is ready."""
    with served(settings, folder) as http:
        yield http


def account(http: httpx.Client, account_id: str, credits: str | None = None, **more: str) -> str:
    """A new account, perhaps with credits."""
    assert http.post("/v1/accounts", json={"account_id": account_id, **more}).status_code == 201
    if credits:
        adjust(http, account_id, credits)
    return account_id


def adjust(http: httpx.Client, account_id: str, amount: str, reason: str = "gift", **headers: str) -> httpx.Response:
    body = {"amount": amount, "reason_code": reason}
    return http.post(f"/v1/accounts/{account_id}/adjustments", json=body, headers=headers)


def record(http: httpx.Client, *events: dict[str, Any]) -> list[str]:
    """Records usage, waits until it shows, and returns the events' ids."""
    answer = http.post("/v1/usage", json=list(events))
    assert answer.status_code == 202, answer.text
    ids = [event["event_id"] for event in answer.json()["events"]]
    for event in answer.json()["events"]:
        path = f"/v1/transactions/{event['event_id']}?account_id={event['account_id']}&signed=false"
        eventually(lambda path=path: http.get(path).status_code == 200)
    return ids


def purchase(settings: Settings, account_id: str, number: int, trigger_id: str | None = None) -> None:
    """Credits that were paid for, as the payment consumers will say it."""
    data = Purchase(
        purchase_id=f"p{number}",
        kind="auto_top_up" if trigger_id else "purchase",
        credits="10",
        provider="razorpay",
        provider_payment_id=f"pay_{account_id}_{number}",
        charged=Charged(currency="INR", amount_minor=85_000),
        trigger_id=trigger_id,
    )
    event = CreditsPurchased(source="test", id=f"{account_id}/{number}", subject=account_id, data=data)
    with Publisher(settings) as publisher:
        publisher.append_event(EVENTS, event, settings.signing_key()).position()


def history(http: httpx.Client, account_id: str, **parameters: Any) -> list[dict[str, Any]]:
    """All lines, page after page."""
    lines: list[dict[str, Any]] = []
    while True:
        answer = http.get(f"/v1/accounts/{account_id}/transactions", params=parameters)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        lines += page["data"]
        if page["next_cursor"] is None:
            return lines
        assert page["data"]
        parameters["cursor"] = page["next_cursor"]


def test_an_account_is_opened_once(http: httpx.Client) -> None:
    opened = http.post("/v1/accounts", json={"account_id": "opened", "package": "team"})
    assert opened.status_code == 201
    body = opened.json()
    assert (body["balance"], body["package"]) == ("0", {"name": "team", "included_traces": 10_000})
    assert (body["limits"], body["traces"]["used"]) == ({"routing_profiles": 1}, 0)
    again = http.post("/v1/accounts", json={"account_id": "opened"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "account_already_opened")
    assert again.json()["error"]["param"] == "account_id"


def test_an_adjustment_answers_with_its_transaction(http: httpx.Client) -> None:
    account(http, "adjusted")
    answer = adjust(http, "adjusted", "12.34", "goodwill_credit")
    line = answer.json()
    assert answer.status_code == 201
    assert (line["amount"], line["balance_after"], line["type"]) == ("12.34", "12.34", "manual")
    assert (line["description"], line["amount_text"]) == ("Adjustment: goodwill credit", "+$12.34")
    assert http.get("/v1/accounts/adjusted/balance").json()["balance"] == "12.34"


def test_the_same_key_has_the_same_answer_and_one_entry(http: httpx.Client) -> None:
    account(http, "repeated")
    first, second = (adjust(http, "repeated", "5", **{"Idempotency-Key": "once-1"}) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert len(history(http, "repeated")) == 1


def test_the_same_key_with_another_request_is_a_conflict(http: httpx.Client) -> None:
    account(http, "conflicting")
    assert adjust(http, "conflicting", "5", **{"Idempotency-Key": "once-2"}).status_code == 201
    for other in (
        adjust(http, "conflicting", "6", **{"Idempotency-Key": "once-2"}),
        http.post("/v1/accounts", json={"account_id": "x"}, headers={"Idempotency-Key": "once-2"}),
    ):
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
        assert other.json()["error"]["param"] == "Idempotency-Key"


def test_the_same_key_at_once_makes_one_entry(http: httpx.Client) -> None:
    account(http, "hurried")
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(adjust(http, "hurried", "5", **{"Idempotency-Key": "once-3"})))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["event_id"] for answer in answers}) == 1
    assert http.get("/v1/accounts/hurried/balance").json()["balance"] == "5"


def test_a_refusal_is_kept_under_its_key(http: httpx.Client) -> None:
    account(http, "refused")
    answers = [adjust(http, "refused", "0", **{"Idempotency-Key": "once-4"}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [(422, "amount_is_zero")] * 2
    assert answers[0].json()["error"]["param"] == "amount"


@pytest.mark.parametrize("name", ["owner-a", "operator"])
def test_the_same_key_of_two_owners_is_two_keys(http: httpx.Client, settings: Settings, name: str) -> None:
    account(http, name)
    shared = {"Idempotency-Key": f"shared-{name}"}
    own = {"Authorization": f"Bearer {key(settings, account=name)}", **shared}
    assert adjust(http, name, "1", **shared).status_code == 201
    assert adjust(http, name, "1", **own).status_code == 201
    assert http.get(f"/v1/accounts/{name}/balance").json()["balance"] == "2"


def test_a_write_that_is_not_projected_in_time_is_pending(
    http: httpx.Client, settings: Settings, tmp_path: Path
) -> None:
    account(http, "pending")
    with api(settings, tmp_path, verdict_seconds=0) as url, client(url, key(settings)) as hasty:
        answer = adjust(hasty, "pending", "3", **{"Idempotency-Key": "once-5"})
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    later = adjust(http, "pending", "3", **{"Idempotency-Key": "once-5"})
    assert (later.status_code, later.json()["event_id"]) == (201, answer.json()["event_id"])
    assert http.get("/v1/accounts/pending/balance").json()["balance"] == "3"


def test_an_auto_top_up_triggers_at_once_when_the_balance_is_low(http: httpx.Client) -> None:
    account(http, "topped", "20")
    path = "/v1/accounts/topped/auto-top-up"
    assert http.get(path).json()["enabled"] is False
    policy = {"enabled": True, "threshold": "50", "amount": "200", "cap_day": "500", "provider": "stripe"}
    answer = http.put(path, json=policy)
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in policy} == policy
    assert (body["state"], body["sizing"], body["spent_today"]) == ("in_flight", "fixed", "0")
    assert body["trigger_id"]
    assert http.get(path).json()["trigger_id"] == body["trigger_id"]


def test_a_policy_that_the_fold_refuses_names_its_field(http: httpx.Client) -> None:
    account(http, "mistaken", "-100")
    path = "/v1/accounts/mistaken/auto-top-up"
    refusals = [
        ({"threshold": "50", "amount": "1"}, "top_up_too_small", "amount"),
        ({"threshold": "50", "amount": "60"}, "top_up_cannot_reach_threshold", "amount"),
        ({"threshold": "5", "amount": "200", "cap_day": "10"}, "top_up_exceeds_cap", "cap_day"),
        ({"threshold": "5", "amount": 200}, "invalid", "amount"),
    ]
    for fields, code, param in refusals:
        answer = http.put(path, json={"enabled": True, **fields})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (422, code, param)
        assert error["message"].startswith(f"{param}: ")


def test_a_request_runs_while_there_is_money(http: httpx.Client) -> None:
    account(http, "spending", "1")
    for amount, status in ((None, 201), ("0.95", 201), ("0.000000001", 402), (None, 402)):
        body = {"account_id": "spending"} | ({"amount": amount} if amount else {})
        assert http.post("/v1/authorizations", json=body).status_code == status
    account(http, "spent", "1")
    adjust(http, "spent", "-1")
    assert http.post("/v1/authorizations", json={"account_id": "spent"}).status_code == 402


def test_a_balance_is_known_at_every_moment(http: httpx.Client) -> None:
    account(http, "timed")
    moments = []
    for amount in ("1", "2", "4"):
        moments.append(adjust(http, "timed", amount).json()["time"])
        time.sleep(0.02)
    path = "/v1/accounts/timed/balance"
    assert [http.get(path, params={"at": at}).json()["balance"] for at in moments] == ["1", "3", "7"]
    before = http.get(path, params={"at": "2020-01-01T00:00:00+02:00"}).json()
    assert (before["balance"], before["as_of"]) == ("0", "2019-12-31T22:00:00Z")
    assert http.get(path + f"?at={moments[1].replace('Z', '+00:00')}").json()["balance"] == "3"
    now = http.get(path, params={"at": "2999-01-01T00:00:00Z"}).json()
    assert (now["balance"], now["held"], now["available"]) == ("7", "0", "7")
    assert now["as_of"] < "2999"


@pytest.fixture(scope="module")
def busy(http: httpx.Client, settings: Settings) -> str:
    """An account with all kinds of history, many lines of it at the same log time."""
    account(http, "busy", "100")
    purchase(settings, "busy", 1)
    models = ["gpt-4o"] * 9 + ["gpt-4o-mini"]
    batch = [priced_usage("busy", model=models[n % 10], api_key_id=f"key-{n % 3}") for n in range(300)]
    trace = priced_usage("busy") | {"type": "trace.recorded", "data": {"trace_id": "t1", "count": 103}}
    record(http, *batch[:150])
    purchase(settings, "busy", 2)
    record(http, *batch[150:], trace)
    assert http.put(
        "/v1/accounts/busy/auto-top-up", json={"enabled": False, "threshold": "5", "amount": "5"}
    ).is_success
    eventually(lambda: len(history(http, "busy", type="checkout")) == 2)
    return "busy"


@pytest.mark.parametrize("limit", [7, 100, 500])
def test_pages_hold_every_line_exactly_once_newest_first(http: httpx.Client, busy: str, limit: int) -> None:
    lines = history(http, busy, limit=limit)
    assert len({line["event_id"] for line in lines}) == len(lines) == 304
    assert len({line["time"] for line in lines}) < len(lines)
    balances = [line["balance_after"] for line in lines]
    assert balances[0] == http.get(f"/v1/accounts/{busy}/balance").json()["balance"]
    for newer, older in itertools.pairwise(lines):
        assert newer["time"] >= older["time"]
        assert _nanos(newer["balance_after"]) - _nanos(newer["amount"]) == _nanos(older["balance_after"])


def _nanos(text: str) -> int:
    from schemas.money import parse_nanos

    return -parse_nanos(text[1:]) if text.startswith("-") else parse_nanos(text)


def test_filters_keep_what_they_name(http: httpx.Client, busy: str) -> None:
    lines = history(http, busy, limit=500)

    def kept(**fields: str) -> list[dict[str, Any]]:
        return [line for line in lines if all(line[name] == value for name, value in fields.items())]

    for fields in (
        {"type": "checkout"},
        {"type": "deduction"},
        {"type": "manual"},
        {"model": "gpt-4o-mini"},
        {"api_key_id": "key-2"},
        {"model": "gpt-4o", "api_key_id": "key-1"},
        {"model": "none"},
        {"type": "manual", "model": "gpt-4o"},
        {"type": "deduction", "model": "gpt-4o"},
    ):
        for limit in (11, 500):
            assert history(http, busy, limit=limit, **fields) == kept(**fields), fields
    times = sorted({line["time"] for line in lines})
    since, to = times[1], times[-1]
    within = [line for line in lines if since <= line["time"] < to]
    assert within
    assert history(http, busy, **{"from": since, "to": to, "limit": 20}) == within
    minis = [line for line in within if line["model"] == "gpt-4o-mini"]
    assert history(http, busy, **{"from": since, "to": to, "limit": 3, "model": "gpt-4o-mini"}) == minis


def test_the_purchases_view_shows_purchases_only(http: httpx.Client, busy: str) -> None:
    lines = history(http, busy, view="purchases")
    assert [(line["type"], line["amount"], line["purchase_id"]) for line in lines] == [
        ("Purchase", "10", "p2"),
        ("Purchase", "10", "p1"),
    ]
    assert lines[0]["description"] == "Credit top-up via Razorpay (₹850)"
    assert (lines[0]["currency"], lines[0]["amount_minor"]) == ("INR", 85_000)
    assert history(http, busy, view="purchases", type="Auto Top-up") == []
    assert history(http, busy, view="purchases", type="Purchase") == lines


def test_a_charge_is_explained_to_the_last_digit(http: httpx.Client) -> None:
    account(http, "explained", "1")
    first, second, third = record(
        http,
        priced_usage("explained", units={"cache_read_tokens": 400}, mode="tier"),
        priced_usage("explained", provider_cost="0.01"),
        priced_usage("explained") | {"type": "trace.recorded", "data": {"trace_id": "t", "count": 102}},
    )
    charge = http.get(f"/v1/transactions/{first}").json()
    explanation = charge["explanation"]
    assert [tuple(each.values()) for each in explanation["lines"]] == [
        ("input_tokens", "600", "2.5", 1_000_000, None, None, "0.0015"),
        ("output_tokens", "100", "10", 1_000_000, None, None, "0.001"),
        ("cache_read_tokens", "400", "1.25", 1_000_000, None, None, "0.0005"),
    ]
    assert (explanation["book_cost"], explanation["call_cost"], explanation["priced_as"]) == (
        *("0.003", "0.003"),
        "openai/gpt-4o",
    )
    assert (explanation["cost"], explanation["markup"], explanation["charge"]) == ("0.003", "0.00024", "0.00324")
    assert (explanation["markup_rate"], explanation["priced_by"]) == ("0.08", "book")
    assert (charge["book_version"], charge["amount"], charge["amount_text"]) == (1, "-0.00324", "-$0.003240")
    brought = http.get(f"/v1/transactions/{second}").json()["explanation"]
    assert (brought["priced_by"], brought["cost"], brought["charge"]) == ("provider_cost", "0.01", "0.011")
    assert (brought["book_cost"], brought["difference"], brought["call_cost"]) == ("0.0035", "0.0065", "0.01")
    traces = http.get(f"/v1/transactions/{third}").json()
    (traces_line,) = traces["explanation"]["lines"]
    assert tuple(traces_line.values()) == ("trace", "2", "0.0005", 1, None, None, "0.001")
    assert (traces["description"], traces["amount"]) == ("102 traces, 100 of them included", "-0.001")
    shown = http.get("/v1/accounts/explained").json()
    assert (shown["traces"]["used"], shown["traces"]["included"]) == (102, 100)


def test_an_id_of_two_accounts_is_ambiguous_for_an_operator_only(http: httpx.Client, settings: Settings) -> None:
    event_id = "019aa3f2-1111-7000-8000-000000000001"
    record(http, *(priced_usage(name) | {"id": event_id} for name in ("twin-a", "twin-b")))
    path = f"/v1/transactions/{event_id}"
    assert (http.get(path).status_code, http.get(path).json()["error"]["param"]) == (422, "account_id")
    assert http.get(path, params={"account_id": "twin-b"}).json()["account_id"] == "twin-b"
    own = {"Authorization": f"Bearer {key(settings, account='twin-a')}"}
    assert http.get(path, headers=own).json()["account_id"] == "twin-a"
    assert http.get(path, headers=own, params={"account_id": "twin-b"}).status_code == 404


def test_usage_is_summed_up(http: httpx.Client, busy: str) -> None:
    def groups(*by: str) -> list[dict[str, Any]]:
        parameters = {"group_by": list(by)} if by else {}
        data: list[dict[str, Any]] = http.get(f"/v1/accounts/{busy}/usage-summary", params=parameters).json()["data"]
        return data

    assert sum(group["requests"] for group in groups()) == 300
    by_model = {group["model"]: group for group in groups("model")}
    assert by_model["gpt-4o-mini"]["requests"] == 30
    assert by_model["gpt-4o"]["charge"] == "1.0395"
    assert by_model["gpt-4o"]["day"] is None
    assert [group["requests"] for group in groups("api_key")] == [0, 100, 100, 100]
    (day,) = groups("day")
    lines = history(http, busy, type="deduction", limit=500)
    assert _nanos(day["charge"]) == -sum(_nanos(line["amount"]) for line in lines)
    for traces in (by_model[""], groups("api_key")[0], day):
        assert (traces["traces"], traces["free_traces"]) == (103, 100)
    assert (by_model[""]["charge"], by_model[""]["requests"]) == ("0.0015", 0)


def test_accounts_are_listed_once_each_in_order(http: httpx.Client, busy: str) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = http.get("/v1/accounts", params={"limit": 3, **cursor}).json()
        found += [row["account_id"] for row in page["data"]]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == sorted(set(found))
    assert busy in found


def test_metrics_tell_of_requests_and_of_the_ledger(http: httpx.Client, busy: str) -> None:
    text = http.get("/metrics").text
    assert 'ledger_http_request_seconds_count{method="POST",route="/v1/usage",status="202"}' in text
    assert 'ledger_projected_through_age_seconds{partition="0"}' in text
    assert 'ledger_records_total{outcome="posted",type="usage.recorded"}' in text
    assert "ledger_outbox_waiting " in text
    # No alarm sees the increase of a series that begins with what it is to alarm of.
    assert 'ledger_records_total{outcome="dead_letter",type="unreadable"} 0.0' in text
    assert 'ledger_records_total{outcome="forwarded",type="trace.recorded"} 0.0' in text
    assert 'ledger_http_failures_total{status="503"} ' in text
    assert 'ledger_gate_decision_seconds_count{outcome="gate_unavailable"} 0.0' in text
    assert 'ledger_uncovered_charges_total{cause="hold_ended"} 0.0' in text
    ready = http.get("/readyz").json()
    assert (ready["ready"], ready["missing"]) == (True, [])


def test_logs_are_json_and_hold_no_secret(http: httpx.Client, folder: Path, settings: Settings) -> None:
    import json

    token = http.headers["Authorization"].rsplit("_", 1)[-1]
    lines = (folder / "api.log").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    secrets = [token, *(secret.get_secret_value() for secret in settings.signing_keys.values())]
    assert not [line for line in lines for secret in secrets if secret in line]
