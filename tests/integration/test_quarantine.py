"""Usage whose charge is not plausible waits for a person, over HTTP and on the terminal; nothing of it is lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.settings import Settings
from tests.support.commands import command
from tests.support.servers import served
from tests.support.waiting import eventually

ABSURD = {"input_tokens": 10**9, "output_tokens": 0}  # 2,500 credits before the markup


@pytest.fixture(scope="module")
def http(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("quarantine")
    with served(settings, folder) as http:
        yield http


def kept_aside(http: httpx.Client, account: str, **more: Any) -> str:
    """An account with 25 credits, and the id of absurd usage of it that waits for a decision."""
    assert http.post("/v1/accounts", json={"account_id": account}).status_code == 201
    gift = {"amount": "25", "reason_code": "gift"}
    assert http.post(f"/v1/accounts/{account}/adjustments", json=gift).status_code == 201
    data = {"request_id": "req_1", "provider": "openai", "model": "gpt-4o", "mode": "auto", **ABSURD, **more}
    event = {"type": "usage.recorded", "source": "router", "id": "a", "subject": account, "data": data}
    answer = http.post("/v1/usage", json=[{"specversion": "1.0", **event}])
    assert answer.status_code == 202, answer.text
    event_id = answer.json()["events"][0]["event_id"]
    eventually(lambda: waiting(http, account))
    return str(event_id)


def waiting(http: httpx.Client, account: str) -> list[dict[str, Any]]:
    return list(http.get("/v1/quarantine", params={"account_id": account}).json()["data"])


def balance(http: httpx.Client, account: str) -> str:
    return str(http.get(f"/v1/accounts/{account}/balance").json()["balance"])


def test_an_absurd_count_charges_nothing_until_it_is_accepted_once(http: httpx.Client) -> None:
    units = {"cache_read_tokens": 10**9}
    event_id = kept_aside(http, "acct_accept", units=units, metadata={"team": "a"})
    (waits,) = waiting(http, "acct_accept")
    assert (waits["charge"], waits["transaction"]["amount"]) == ("1375", "0")
    assert (waits["transaction"]["event_id"], waits["transaction"]["units"]) == (event_id, units)
    assert balance(http, "acct_accept") == "25"
    assert "ledger_quarantine_waiting 1" in http.get("/metrics").text
    path = f"/v1/accounts/acct_accept/quarantine/{event_id}"
    decided = http.post(path, json={"decision": "accepted", "reason_code": "customer_confirmed"})
    assert decided.status_code == 201, decided.text
    assert decided.json()["transaction"]["amount"] == "-1375"
    assert decided.json()["transaction"]["units"] == units
    assert balance(http, "acct_accept") == "-1350"
    assert waiting(http, "acct_accept") == []
    again = http.post(path, json={"decision": "dropped", "reason_code": "changed_my_mind"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_decided")
    explained = http.get(f"/v1/transactions/{decided.json()['transaction']['event_id']}").json()["explanation"]
    assert (explained["charge"], explained["cost"]) == ("1375", "1250")


def test_a_decision_about_what_nobody_kept_aside_is_refused(http: httpx.Client) -> None:
    path = "/v1/accounts/acct_accept/quarantine/00000000-0000-7000-8000-000000000000"
    answer = http.post(path, json={"decision": "accepted", "reason_code": "why"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_in_quarantine")
    answer = http.post(path, json={"decision": "postponed", "reason_code": "why"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "decision")


def test_a_person_at_the_terminal_lists_and_drops_it(http: httpx.Client, settings: Settings) -> None:
    event_id = kept_aside(http, "acct_drop")
    listed = json.loads(command(settings, "quarantine", "list", "--account", "acct_drop", "--json").stdout)
    assert [each["charge"] for each in listed["data"]] == ["2750"]
    shown = command(settings, "quarantine", "drop", "acct_drop", event_id, "--reason", "counted_wrong", "--yes")
    assert "never charged" in shown.stdout
    assert (waiting(http, "acct_drop"), balance(http, "acct_drop")) == ([], "25")
    refused = command(settings, "quarantine", "accept", "acct_drop", event_id, "--reason", "oh", "--yes")
    assert (refused.exit_code, "decided already" in refused.stderr) == (1, True)
