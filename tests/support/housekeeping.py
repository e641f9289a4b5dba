"""The consumer `housekeeping` within a test's process."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from consumers.housekeeping import ExpireHolds, ForgetOldRows, RequestTopUps
from consumers.periodic import Periodic, Task
from ledger.guard.guard import Guard
from ledger.settings import Settings


@contextmanager
def housekeeping(settings: Settings) -> Iterator[None]:
    """Ends holds, asks for top-ups and drops old rows, until the block ends."""
    stopping = threading.Event()
    with Guard(settings) as guard:
        tasks: list[Task] = [ExpireHolds(), RequestTopUps(settings, guard), ForgetOldRows()]
        with ThreadPoolExecutor(len(tasks), "housekeeping") as threads:
            working = [threads.submit(Periodic(task, settings, stopping).run) for task in tasks]
            try:
                yield
            finally:
                stopping.set()
                for each in working:
                    each.result()
