"""`ledger dev` as people run it: real processes in a fresh home, told to stop, and nothing left behind."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
import pytest

from tests.support.dev import PATIENCE_SECONDS, announced, ledger_dev


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home that is kept from test to test, as a developer's is."""
    with TemporaryDirectory(prefix="ledger-test-") as folder:
        yield Path(folder)


def summary_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    summary: dict[str, Any] = json.loads(output.splitlines()[-1])
    return summary


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    _gone, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive


def csv_trace(folder: Path, rows: int) -> Path:
    path, start = folder / "trace.csv", datetime.fromisoformat("2023-11-16T18:15:46")
    lines = [f"{start + timedelta(seconds=n)}.1234567,{100 + n},{10 + n % 90}" for n in range(rows)]
    path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]) + "\n")
    return path


def test_every_story_happens_within_seconds_though_a_worker_is_killed_and_the_numbers_are_proven(home: Path) -> None:
    with ledger_dev(home, "--for", "40", "--json") as process:
        facts = announced(home, process)
        assert set(facts) == {"kafka", "database", "api", "sandbox", "operator_key", "pids"}
        assert set(facts["pids"]) == {"dev", "kafka", "postgres", "worker-1", "sandbox", "consume", "api"}
        assert (home / "dev.json").stat().st_mode & 0o077 == 0
        assert (home / "env").stat().st_mode & 0o077 == 0
        # The proofs at the end must go by a book that changed meanwhile, too.
        commands = (
            f". {home}/env",
            f"ledger book import --provider openai --model 'gpt-4o*' -o {home}/next.json",
            f"ledger book publish {home}/next.json --yes",
            "ledger trial-balance --json",
            'echo "$API $KEY"',
        )
        shell = subprocess.run(["sh", "-c", " && ".join(commands)], capture_output=True, text=True, check=False)
        assert shell.returncode == 0, shell.stderr
        assert '"balanced": true' in shell.stdout
        assert shell.stdout.splitlines()[-1] == f"{facts['api']} {facts['operator_key']}"
        os.kill(facts["pids"]["worker-1"], signal.SIGKILL)
        wait_for_another_worker(home, facts["pids"]["worker-1"])
        assert wait_for_balance(facts)["account_id"] == "nova-labs"
        summary = summary_of(process)
    assert summary["balances_exact"]
    assert summary["accounted"]
    assert summary["usage_events"] > 100
    assert summary["triggers"] >= 1
    assert summary["refused"] >= 1
    assert summary["duplicates"] >= 1
    assert summary["dead_letters"] >= 1
    assert set(summary["visible_ms"]) == {"p50", "p95", "p99"}
    assert not (home / "dev.json").exists()


def test_a_replayed_trace_posts_every_event_once_though_each_is_sent_twice(home: Path, tmp_path: Path) -> None:
    with ledger_dev(home, "--trace", str(csv_trace(tmp_path, 500)), "--workers", "2", "--json") as process:
        summary = summary_of(process)
    assert (summary["usage_events"], summary["entries"], summary["duplicates"]) == (1000, 500, 500)
    assert summary["balances_exact"]


def test_sigterm_leaves_nothing_behind(home: Path) -> None:
    with ledger_dev(home, "--json") as process:
        announced(home, process)
        servers = descendants(process)
        process.send_signal(signal.SIGTERM)
        summary = summary_of(process)
    assert summary["balances_exact"]
    assert_gone(servers)


def test_a_killed_dev_leaves_no_orphan(home: Path) -> None:
    with ledger_dev(home, "--no-traffic") as process:
        announced(home, process)
        servers = descendants(process)
        process.kill()
    assert_gone(servers)


def wait_for_another_worker(home: Path, pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while json.loads((home / "dev.json").read_text())["pids"]["worker-1"] == pid:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_balance(facts: dict[str, Any]) -> dict[str, Any]:
    """What the printed curl asks for, once the account is opened."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    headers = {"Authorization": f"Bearer {facts['operator_key']}"}
    while (answer := httpx.get(f"{facts['api']}/v1/accounts/nova-labs/balance", headers=headers)).is_error:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    found: dict[str, Any] = answer.json()
    return found
