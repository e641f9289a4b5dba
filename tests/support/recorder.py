"""A router's process: four threads record usage through the client and note on disk what has returned.

`python -m tests.support.recorder` is what the fault test starts, kills and starts again. Call number n belongs to
account n % ACCOUNTS, hence to one thread; its event id follows from n, so a call that was recorded but not noted when
the process was killed is recorded again as the same event.
"""

import sys
import threading
import uuid
from pathlib import Path

from ledger.client import Ledger

ACCOUNTS = 40
THREADS = 4


def event_id_of(number: int) -> str:
    """The id of a call's event."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def record(ledger: Ledger, number: int) -> str:
    """Records a call."""
    return ledger.record_usage(
        f"acct_{number % ACCOUNTS}",
        request_id=f"req_{number:07}",
        provider="openai",
        model="gpt-4o",
        mode="auto",
        input_tokens=374,
        output_tokens=44,
        provider_cost=f"0.{number % 10**6 + 1:08}5",
        event_id=event_id_of(number),
    )


def noted(folder: Path, thread: int) -> int:
    """How many calls of this thread have returned."""
    note = folder / f"noted-{thread}"
    return note.read_bytes().count(b"\n") if note.exists() else 0


def run(ledger: Ledger, folder: Path, thread: int, total: int) -> None:
    """Goes on where the last process was killed."""
    with (folder / f"noted-{thread}").open("ab", buffering=0) as note:
        for number in range(thread + THREADS * noted(folder, thread), total, THREADS):
            note.write(f"{record(ledger, number)}\n".encode())


def main(kafka: str, topic_prefix: str, home: str, total: str) -> None:
    """Records all calls that are left, and ends when they are delivered."""
    folder = Path(home)
    ledger = Ledger.over_kafka(kafka, source="router/test", spool=folder / "spool", topic_prefix=topic_prefix)
    threads = [threading.Thread(target=run, args=(ledger, folder, thread, int(total))) for thread in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    ledger.flush(120)
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
