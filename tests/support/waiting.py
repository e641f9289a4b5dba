"""Waiting for what becomes true by itself."""

import time
from collections.abc import Callable
from typing import Any


def eventually(check: Callable[[], Any], seconds: float = 60, why: Callable[[], object] = str) -> Any:
    """Waits until `check` returns something true, and returns it; `why` says more when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"it did not come true in {seconds:.0f} s {why()}"
        time.sleep(0.05)
    return found
