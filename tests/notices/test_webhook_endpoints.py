"""Webhook endpoints over HTTP: each account has its own, a secret is shown once, nothing private can be entered."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import get_args

import httpx
import psycopg
import pytest
from standardwebhooks import Webhook

from ledger.notices import kinds
from ledger.notices.delivery import NoticeSender
from ledger.records import notices
from ledger.records.notices import Notice
from ledger.settings import Settings
from schemas.http import NoticeType
from tests.support.servers import api, client, key
from tests.support.webhook_receiver import receiver

ACCOUNT, NOTICE = "acct_1", "0b6e7c1a-9d53-4c9f-8b6a-1e7701d2e3f4"
ENDPOINTS = "/v1/webhook-endpoints"


@pytest.fixture(scope="module")
def url(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("endpoints")
    with api(settings, folder, webhook_networks=["127.0.0.0/8"]) as running:
        yield running


@pytest.fixture
def mine(url: str, settings: Settings) -> Iterator[httpx.Client]:
    with client(url, key(settings, account=ACCOUNT)) as http:
        yield http


def test_every_type_can_be_asked_for() -> None:
    assert set(get_args(NoticeType)) == set(kinds.TYPES)


def test_from_the_secret_to_the_log_and_again(settings: Settings, mine: httpx.Client) -> None:
    with receiver() as there:
        made = mine.post(ENDPOINTS, json={"url": there.url, "types": ["dispute.opened"]}).json()
        assert made["account_id"] == ACCOUNT
        at = f"{ENDPOINTS}/{made['endpoint_id']}"
        assert "secret" not in mine.get(at).json()
        changed = settings.model_copy(update={"webhook_networks": ["127.0.0.0/8"]})
        with psycopg.connect(settings.database, autocommit=True) as connection:
            told = Notice(NOTICE, ACCOUNT, "dispute.opened", datetime.now(UTC), {"account_id": ACCOUNT})
            assert notices.note(connection, told, mailed=False)
            assert not notices.note(connection, told, mailed=False)
            NoticeSender(changed, threading.Event()).send_due(connection)
            (line,) = mine.get(f"{at}/deliveries").json()["data"]
            assert (line["state"], line["status"], line["notice_id"]) == ("delivered", 200, NOTICE)
            rotated = mine.post(f"{at}/rotate-secret").json()["secret"]
            assert mine.post(f"{at}/deliveries/{line['delivery_id']}/replay").status_code == 202
            NoticeSender(changed, threading.Event()).send_due(connection)
        first, second = there.received
        Webhook(made["secret"]).verify(first.raw, dict(first.headers))
        for secret in (made["secret"], rotated):
            Webhook(secret).verify(second.raw, dict(second.headers))
    assert mine.delete(at).status_code == 204
    assert mine.get(at).json()["disabled_at"]
    again = mine.post(f"{at}/deliveries/{line['delivery_id']}/replay")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "endpoint_ended")


def test_nobody_sees_or_ends_an_endpoint_of_somebody_else(url: str, settings: Settings, mine: httpx.Client) -> None:
    at = f"{ENDPOINTS}/{mine.post(ENDPOINTS, json={'url': 'http://127.0.0.1:1/'}).json()['endpoint_id']}"
    with client(url, key(settings, account="acct_2")) as theirs, client(url, key(settings, "billing:read")) as reader:
        assert theirs.get(ENDPOINTS).json()["data"] == []
        for answer in (
            theirs.get(at),
            theirs.delete(at),
            theirs.get(f"{at}/deliveries"),
            theirs.post(f"{at}/rotate-secret"),
            theirs.post(f"{at}/deliveries/{NOTICE}/replay"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "endpoint_unknown")
        assert theirs.post(ENDPOINTS, json={"url": "http://127.0.0.1:1/", "account_id": ACCOUNT}).status_code == 404
        assert reader.get(ENDPOINTS).status_code == 403


@pytest.mark.parametrize("url_", ["https://10.0.0.1/", "http://93.184.216.34/", "https://169.254.169.254/latest"])
def test_a_private_address_is_refused_when_it_is_entered(mine: httpx.Client, url_: str) -> None:
    answer = mine.post(ENDPOINTS, json={"url": url_})
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == (
        422,
        "address_forbidden",
        "url",
    )
