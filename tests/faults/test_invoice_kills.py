"""Consumers of invoices killed with SIGKILL at random, several at work: one invoice per purchase, without gaps."""

import os
import random
import secrets
import time
from contextlib import ExitStack
from pathlib import Path

from aiosmtpd.controller import Controller

from ledger.dev.child_processes import environment_of
from ledger.dev.kafka import free_port
from ledger.log.publisher import Publisher
from ledger.settings import Settings
from schemas.topics import EVENTS
from tests.support.invoicing import SUPPLIER, purchased, rows
from tests.support.mail_server import Inbox
from tests.support.programs import Program
from tests.support.servers import projector
from tests.support.waiting import eventually
from tests.support.workers import wait_until_projected

PURCHASES, KILLS = (500, 12) if os.environ.get("LEDGER_SLOW") else (120, 6)
CONSUMERS = 3


class Consumers:
    """CONSUMERS processes; one that is killed is started again."""

    def __init__(self, settings: Settings, log: Path, *names: str) -> None:
        self._settings, self._log, self._names = settings, log, names
        self.all = [self._start() for _ in range(CONSUMERS)]

    def kill(self, which: int) -> None:
        self.all[which].kill()
        self.all[which].wait(10)
        self.all[which] = self._start()

    def end(self) -> None:
        for process in self.all:
            process.kill()
            process.wait(10)

    def _start(self) -> Program:
        with self._log.open("ab") as out:
            command = ["-m", "ledger.cli", "consume", *self._names]
            return Program(*command, environment=environment_of(self._settings), stdout=out, stderr=out)


def test_killed_consumers_neither_skip_nor_double(settings: Settings, tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port())
    changes = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none"}
    changes |= {"mail_from": "billing@router.example", "supplier": settings.supplier.model_copy(update=SUPPLIER)}
    settings = settings.model_copy(update={**changes, "stall_seconds": 600.0})
    rows(
        settings,
        "INSERT INTO records.profiles (account_id, email) SELECT 'acct_' || n, 'ada@example.com' "
        "FROM generate_series(0, 59) AS n",
    )
    bought = [purchased(f"acct_{number % 60}") for number in range(PURCHASES)]
    with ExitStack() as stack:
        stack.enter_context(projector(settings, tmp_path))
        server.start()
        stack.callback(server.stop)
        consumers = Consumers(settings, tmp_path / "consumers.log", "invoices", "notifications")
        stack.callback(consumers.end)
        with Publisher(settings) as publisher:
            for part in range(KILLS):
                sent = bought[part * PURCHASES // KILLS : (part + 1) * PURCHASES // KILLS]
                for append in [publisher.append_event(EVENTS, event, settings.signing_key()) for event in sent]:
                    append.position()
                time.sleep(chance.uniform(0.5, 3))
                consumers.kill(chance.randrange(CONSUMERS))
        wait_until_projected(settings, 120)
        left = "SELECT 1 FROM records.invoices WHERE recorded_at IS NOT NULL"
        eventually(lambda: len(rows(settings, left)) >= PURCHASES, 120, lambda: len(rows(settings, left)))
        told = "SELECT 1 FROM records.deliveries WHERE state = 'delivered'"
        eventually(lambda: len(rows(settings, told)) >= PURCHASES, 120, lambda: len(rows(settings, told)))
        wait_until_projected(settings, 120)
    invoices = rows(settings, "SELECT position, event_id::text, number FROM records.invoices ORDER BY position")
    assert [row["position"] for row in invoices] == list(range(1, PURCHASES + 1))
    assert sorted(row["event_id"] for row in invoices) == sorted(event.id for event in bought)
    said = rows(
        settings, "SELECT data ->> 'number' AS number FROM views.entries WHERE type = 'invoice.issued' ORDER BY 1"
    )
    assert said == [{"number": row["number"]} for row in invoices]
    # Killed between the mail server's answer and its note, a consumer sends once more, under the same Message-ID.
    receipts = [mail["Message-ID"] for mail in inbox.mails]
    assert len(set(receipts)) == PURCHASES
    assert len(receipts) - PURCHASES <= KILLS
    print(f"{len(receipts) - PURCHASES} receipts twice")
    assert {str(mail["Subject"]).split()[1].rstrip(":") for mail in inbox.mails} == {row["number"] for row in invoices}
