"""Notices on their way: once whatever is replayed, signed as Standard Webhooks ask, repeated, logged, and by e-mail."""

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from standardwebhooks import Webhook, WebhookVerificationError

from consumers.notifications import Deliver, NotifyOfEvents
from ledger.dev.bootstrap import bootstrap
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.notices import kinds, signing
from ledger.notices.delivery import PAUSES, NoticeSender, next_state
from ledger.records import notices, webhook_endpoints
from ledger.records.notices import Attempt, Notice
from ledger.settings import Settings
from tests.support.invoicing import SUPPLIER, append, invoicing, purchased, refunded, rows
from tests.support.ledgers import new_ledger
from tests.support.mail_server import Inbox
from tests.support.servers import projector
from tests.support.waiting import eventually
from tests.support.webhook_receiver import receiver
from tests.support.workers import wait_until_projected


@pytest.fixture(scope="module")
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(scope="module")
def settings(stack: Stack, inbox: Inbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A ledger with a projector and a mail server."""
    server = Controller(inbox, hostname="127.0.0.1", port=free_port())
    settings = new_ledger(
        stack,
        supplier=SUPPLIER,
        stall_seconds=600.0,
        webhook_networks=["127.0.0.0/8"],
        smtp_host="127.0.0.1",
        smtp_port=server.port,
        smtp_security="none",
        mail_from="Router <billing@router.example>",
    )
    bootstrap(settings)
    server.start()
    try:
        with projector(settings, tmp_path_factory.mktemp("notices")):
            yield settings
    finally:
        server.stop()


@pytest.fixture
def account(settings: Settings) -> str:
    name = f"acct_{os.urandom(6).hex()}"
    rows(settings, "INSERT INTO records.profiles (account_id, email) VALUES (%s, 'ada@example.com')", name)
    return name


@contextmanager
def database(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


def endpoint(settings: Settings, url: str, account: str, *types: str) -> tuple[str, str]:
    """Its id and its secret."""
    secret = signing.new_secret()
    with database(settings) as connection:
        made = webhook_endpoints.create(connection, account, url, "", types, secret)
    return made.endpoint_id, secret


def notice(settings: Settings, account: str, *, mailed: bool = False, type_: str = "auto_top_up.paid") -> Notice:
    made = Notice(str(uuid.uuid4()), account, type_, datetime.now(UTC), {"account_id": account})
    with database(settings) as connection:
        assert notices.note(connection, made, mailed=mailed)
    return made


def deliver(settings: Settings) -> None:
    """One round, in which everything that waits is due."""
    rows(settings, "UPDATE records.deliveries SET due_at = now() WHERE state = 'waiting'")
    with database(settings) as connection:
        Deliver(settings, threading.Event()).do_round(connection)


def log(settings: Settings, endpoint_id: str) -> list[notices.Delivery]:
    with database(settings) as connection:
        return notices.deliveries(connection, endpoint_id, datetime.max.replace(tzinfo=UTC), str(uuid.UUID(int=0)), 100)


def test_the_reference_library_verifies_our_webhooks(settings: Settings, account: str) -> None:
    with receiver() as there:
        _, secret = endpoint(settings, there.url, account)
        told = notice(settings, account)
        deliver(settings)
        (came,) = there.received
    said = Webhook(secret).verify(came.raw, dict(came.headers))
    assert said["type"] == "auto_top_up.paid"
    assert said["data"] == {"account_id": account}
    assert came.headers["webhook-id"] == told.notice_id
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(came.raw + b" ", dict(came.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(came.raw, dict(came.headers))


def test_while_a_secret_is_rotated_both_verify(settings: Settings, account: str) -> None:
    with receiver() as there:
        endpoint_id, before = endpoint(settings, there.url, account)
        after = signing.new_secret()
        with database(settings) as connection:
            webhook_endpoints.rotate(connection, endpoint_id, after)
        notice(settings, account)
        deliver(settings)
        (came,) = there.received
    for secret in (before, after):
        Webhook(secret).verify(came.raw, dict(came.headers))


def test_an_endpoint_gets_what_it_asked_for_of_its_account(settings: Settings, account: str) -> None:
    with receiver() as own, receiver() as all_, receiver() as other:
        endpoint(settings, own.url, account, "dispute.opened")
        everything, _ = endpoint(settings, all_.url, "")
        endpoint(settings, other.url, "acct_other")
        notice(settings, account)
        notice(settings, account, type_="dispute.opened")
        deliver(settings)
        with database(settings) as connection:
            webhook_endpoints.disable(connection, everything)
        assert [len(each.received) for each in (own, all_, other)] == [1, 2, 0]


def test_what_fails_is_repeated_under_the_same_id_and_logged(settings: Settings, account: str) -> None:
    with receiver() as there:
        endpoint_id, _ = endpoint(settings, there.url, account)
        there.statuses = [500, 302]
        notice(settings, account)
        for _ in range(4):
            deliver(settings)
        assert len({came.headers["webhook-id"] for came in there.received}) == 1
        assert len({came.raw for came in there.received}) == 1
        assert len(there.received) == 3
    (line,) = log(settings, endpoint_id)
    assert (line.state, line.attempts, line.status, line.error) == ("delivered", 3, 200, None)
    errors = rows(
        settings,
        "SELECT status, error FROM records.delivery_attempts WHERE delivery_id = %s ORDER BY attempt",
        line.delivery_id,
    )
    assert [row["error"] for row in errors] == ["answered 500", "redirects are not followed", None]


def test_a_delivery_can_be_replayed(settings: Settings, account: str) -> None:
    with receiver() as there:
        endpoint_id, _ = endpoint(settings, there.url, account)
        notice(settings, account)
        deliver(settings)
        (line,) = log(settings, endpoint_id)
        with database(settings) as connection:
            notices.replay(connection, endpoint_id, line.delivery_id)
            with pytest.raises(notices.DeliveryUnknown):
                notices.replay(connection, str(uuid.uuid4()), line.delivery_id)
        deliver(settings)
        assert len({came.headers["webhook-id"] for came in there.received}) == 1
        assert len(there.received) == 2


def test_an_endpoint_that_is_gone_is_told_nothing_more(settings: Settings, account: str) -> None:
    with receiver() as there:
        endpoint_id, _ = endpoint(settings, there.url, account)
        there.statuses = [410]
        notice(settings, account)
        deliver(settings)
        notice(settings, account)
        deliver(settings)
        assert len(there.received) == 1
    (line,) = log(settings, endpoint_id)
    assert line.state == "failed"


def test_an_attempt_that_ends_after_its_endpoint_brings_nothing_back(settings: Settings, account: str) -> None:
    endpoint_id, _ = endpoint(settings, "http://127.0.0.1:1/", account)
    told = notice(settings, account)
    with database(settings) as connection:
        (due,) = [one for one in notices.due(connection, 8, 64) if one.notice_id == told.notice_id]
        webhook_endpoints.disable(connection, endpoint_id)
        notices.record_attempt(connection, due, Attempt(500, "answered 500", 1), "waiting", timedelta())
        (line,) = log(settings, endpoint_id)
        assert (line.state, line.attempts) == ("failed", 1)
        notices.replay(connection, endpoint_id, line.delivery_id)
        assert endpoint_id not in [one.endpoint_id for one in notices.due(connection, 8, 64)]


def test_a_mail_server_that_is_away_costs_one_mail_a_round(settings: Settings, account: str) -> None:
    rows(settings, "UPDATE records.deliveries SET due_at = now() + interval '1 day' WHERE state = 'waiting'")
    away, stopping = settings.model_copy(update={"smtp_port": free_port()}), threading.Event()

    def attempted() -> tuple[int, int]:
        (row,) = rows(
            settings,
            "SELECT count(endpoint_id) AS posts, count(*) FILTER (WHERE endpoint_id IS NULL) AS mails "
            "FROM records.deliveries d JOIN records.notices n USING (notice_id) WHERE account_id = %s AND attempts = 1",
            account,
        )
        return row["posts"], row["mails"]

    with receiver() as there, database(settings) as connection:
        endpoint(settings, there.url, account)
        for _ in range(10):
            notice(settings, account, mailed=True)
        assert len([one for one in notices.due(connection, 8, 64) if one.endpoint_id is None]) == 8
        NoticeSender(away, stopping).send_due(connection)
        assert attempted() == (8, 1)
        stopping.set()
        NoticeSender(away, stopping).send_due(connection)
        assert attempted() == (10, 1)


def test_pauses_grow_and_end() -> None:
    bad = Attempt(500, "answered 500", 1)
    verdicts = [next_state(number, bad) for number in range(1, len(PAUSES) + 2)]
    assert verdicts[:-1] == [("waiting", pause) for pause in PAUSES]
    assert verdicts[-1] == ("failed", None)
    assert sorted(PAUSES) == list(PAUSES)
    assert sum(PAUSES, timedelta()) > timedelta(days=3)


def test_a_receipt_has_the_invoice_and_goes_out_once(settings: Settings, inbox: Inbox, account: str) -> None:
    bought = purchased(account, charged={"amount_minor": 1190, "tax_minor": 190})
    append(settings, bought, refunded(bought, "5", 595, 95))
    with invoicing(settings) as round_:
        round_()
    wait_until_projected(settings)
    _tell(settings)
    inbox.refuses = ["451 later"]
    deliver(settings)
    deliver(settings)
    numbers = [
        row["number"]
        for row in rows(settings, "SELECT number FROM records.invoices WHERE account_id = %s ORDER BY 1 DESC", account)
    ]
    mails = {str(mail["Subject"]).split()[0]: mail for mail in inbox.mails if _about(mail, account)}
    assert set(mails) == {"Receipt", "Credit"}
    receipt = mails["Receipt"]
    assert receipt["To"] == "ada@example.com"
    assert receipt["Subject"] == f"Receipt {numbers[0]}: $11.90"
    text, html = (receipt.get_body([kind]) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert numbers[0] in text.get_content()
    assert numbers[0] in html.get_content()
    (pdf,) = receipt.iter_attachments()
    assert pdf.get_filename() == f"{numbers[0]}.pdf"
    assert pdf.get_content().startswith(b"%PDF-")
    # Everything is read again, as after a rebuild whose place was lost.
    rows(settings, "DELETE FROM records.fact_positions WHERE consumer = 'notifications'")
    _tell(settings)
    deliver(settings)
    assert len([mail for mail in inbox.mails if _about(mail, account)]) == 2


def test_a_document_that_can_not_be_set_waits_alone(settings: Settings, account: str, tmp_path: Path) -> None:
    append(settings, purchased(account))
    with invoicing(settings) as round_:
        round_()
    wait_until_projected(settings)
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"not an image")
    with receiver() as there:
        endpoint(settings, there.url, account)
        _tell(settings)
        for _ in range(2):
            deliver(settings.model_copy(update={"invoice_logo": str(logo)}))
        assert len(there.received) == 1
    (mail,) = rows(
        settings,
        "SELECT d.state, d.attempts FROM records.deliveries d JOIN records.notices n USING (notice_id) "
        "WHERE n.account_id = %s AND d.endpoint_id IS NULL",
        account,
    )
    assert mail == {"state": "waiting", "attempts": 2}


@pytest.mark.parametrize("type_", [type_ for type_, mailed in kinds.TYPES.items() if mailed])
def test_every_kind_of_mail_has_its_text(settings: Settings, type_: str) -> None:
    from ledger.notices.mail import message
    from ledger.records.notices import DueDelivery

    data = {"account_id": "acct_1", "number": "INV-2026-0000001", "purchase_id": "p", "balance": "1.5", "level": "low"}
    data |= {"reason_code": "declined", "window": "day", "spent": "5", "cap": "5", "opens_at": "2026-11-23T00:00:00Z"}
    data |= {"credits": "10", "outcome": "won", "trigger_id": "t"}
    total = {"total": {"currency": "USD", "amount_minor": 1190, "tax_minor": 0}}
    due = DueDelivery(
        "d", "n", "acct_1", type_, datetime.now(UTC), {**data, **total}, 0, None, None, None, None, "a@b.example"
    )
    made = message(settings, due, None)
    text = made.get_body(["plain"])
    assert text is not None
    assert made["Subject"]
    assert "acct_1" in text.get_content()
    assert "Beispiel GmbH" in text.get_content()


def _tell(settings: Settings) -> None:
    task = NotifyOfEvents(settings)
    with database(settings) as connection:
        eventually(lambda: task._reader.ready(connection))
        task.do_round(connection)


def _about(mail: EmailMessage, account: str) -> bool:
    body = mail.get_body(["plain"])
    return body is not None and account in body.get_content()
