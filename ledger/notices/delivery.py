"""Delivers notices: one attempt when a delivery is due, its result stored at once, repeated with growing pauses.

A message is sent first, then its result is stored. If the process is killed in between, the message is sent again with
the same id, by which the receiver recognizes it.
"""

import json
import smtplib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta

import structlog

from ledger.core.calendar import log_time_text
from ledger.core.errors import LedgerError
from ledger.notices.mail import mailbox, message
from ledger.notices.public_addresses import AddressPolicy, Poster
from ledger.notices.signing import headers
from ledger.payments.documents.stored_pdf import pdf_of
from ledger.postgres.types import Connection
from ledger.records import notices, webhook_endpoints
from ledger.records.notices import Attempt, DeliveryState, DueDelivery
from ledger.settings import Settings

# The pause after the first attempt, after the second, and so on; after one more attempt the delivery has failed.
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
_AT_ONCE = 64
_OF_AN_ENDPOINT = 8
_THREADS = 8
_GONE = 410

log = structlog.get_logger()


class NoticeSender:
    """Blocks while it sends. Once `stopping` is set, it begins no further e-mail."""

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self._settings, self._stopping = settings, stopping
        self._poster = Poster(AddressPolicy(tuple(settings.webhook_networks)))

    def send_due(self, connection: Connection) -> int:
        """Attempts the deliveries that are due; returns how many. `connection` is in autocommit."""
        due = notices.due(connection, _OF_AN_ENDPOINT, _AT_ONCE)
        self._posts(connection, [one for one in due if one.endpoint_id is not None])
        self._mails(connection, [one for one in due if one.endpoint_id is None])
        return len(due)

    def _posts(self, connection: Connection, due: Sequence[DueDelivery]) -> None:
        """Posts several at a time, and stores each result as soon as it is there."""
        with ThreadPoolExecutor(_THREADS, "webhooks") as threads:
            posting = {threads.submit(self._post, one): one for one in due}
            for done in as_completed(posting):
                self._note(connection, posting[done], done.result())

    def _mails(self, connection: Connection, due: Sequence[DueDelivery]) -> None:
        """Sends one by one, until one gets no answer; the others stay due. So webhooks wait for at most one timeout."""
        for one in due:
            if self._stopping.is_set():
                return
            attempt = self._mail(connection, one)
            self._note(connection, one, attempt)
            if attempt.status is None:
                return

    def _post(self, delivery: DueDelivery) -> Attempt:
        assert delivery.url is not None
        assert delivery.secret is not None
        body = payload(delivery)
        secrets = [secret for secret in (delivery.secret, delivery.previous_secret) if secret]
        signed = headers(delivery.notice_id, int(time.time()), body, secrets)
        sent = {
            **signed,
            "content-type": "application/json",
            "user-agent": "prepaid-ledger",
        }

        def post() -> int:
            return self._poster.post(str(delivery.url), sent, body)

        return _attempt(post)

    def _mail(self, connection: Connection, delivery: DueDelivery) -> Attempt:
        if not self._settings.smtp_host or delivery.email is None:
            return Attempt(None, "there is no mail server, or no address", 0)

        def send() -> int:
            pdf = pdf_of(self._settings, connection, delivery.data["number"]) if "number" in delivery.data else None
            with mailbox(self._settings) as server:
                server.send_message(message(self._settings, delivery, pdf))
            return 250

        return _attempt(send)

    def _note(self, connection: Connection, delivery: DueDelivery, attempt: Attempt) -> None:
        state, pause = next_state(delivery.attempts + 1, attempt)
        notices.record_attempt(connection, delivery, attempt, state, pause)
        if attempt.status == _GONE and delivery.endpoint_id is not None:
            webhook_endpoints.disable(connection, delivery.endpoint_id)
        if attempt.error:
            log.info("not_delivered", delivery_id=delivery.delivery_id, status=attempt.status, reason=attempt.error)


def next_state(attempts: int, attempt: Attempt) -> tuple[DeliveryState, timedelta | None]:
    """The state of a delivery after `attempts` attempts, `attempt` the last, and the pause until the next one."""
    if attempt.error is None:
        return "delivered", None
    if attempt.status == _GONE or attempts > len(PAUSES):
        return "failed", None
    return "waiting", PAUSES[attempts - 1]


def payload(delivery: DueDelivery) -> bytes:
    """The body of a webhook, in the form of Standard Webhooks: the same bytes in every attempt."""
    body = {"type": delivery.type, "timestamp": log_time_text(delivery.occurred_at), "data": delivery.data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _attempt(send: Callable[[], int]) -> Attempt:
    began = time.monotonic()
    status, error = None, None
    try:
        status = send()
        if not 200 <= status < 300:
            error = "redirects are not followed" if 300 <= status < 400 else f"answered {status}"
    except LedgerError as refused:
        error = str(refused)
    except smtplib.SMTPResponseException as refused:
        status, error = refused.smtp_code, "the mail server refuses it"
    except (smtplib.SMTPException, OSError) as failed:
        error = f"the mail server: {type(failed).__name__}"
    return Attempt(status, error, round((time.monotonic() - began) * 1000))
