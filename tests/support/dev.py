"""`ledger dev` as people run it: a process in a home, and what its dev.json says once all is ready."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Longer than `ledger dev` itself waits until all is ready: a machine that tests share may be slow.
PATIENCE_SECONDS = 120


@contextmanager
def ledger_dev(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run of `ledger dev`; should it still be there at the end, it is killed."""
    command = [sys.executable, "-m", "ledger.cli", "dev", "--home", str(home), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, process_group=0, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def announced(home: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """dev.json, once it is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (home / "dev.json").exists():
        assert process.poll() is None, f"ledger dev ended with {process.returncode} before it was ready"
        assert time.monotonic() < deadline, f"ledger dev was not ready in {PATIENCE_SECONDS} s"
        time.sleep(0.05)
    facts: dict[str, Any] = json.loads((home / "dev.json").read_text())
    return facts
