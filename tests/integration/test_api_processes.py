"""`ledger serve` in several processes behind one port: one set of metrics; what dies is replaced, or leaves nothing."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from ledger.core.errors import EXIT_CONFIG
from ledger.dev.kafka import free_port
from ledger.settings import Settings
from tests.support.programs import Program
from tests.support.servers import SERVE, client, key, process
from tests.support.waiting import eventually

PROCESSES = 2


class Server:
    """A supervisor and its processes."""

    def __init__(self, settings: Settings, running: Program, log: Path) -> None:
        self.url = f"http://{settings.api_host}:{settings.api_port}"
        self.running, self.log = running, log
        self._token = key(settings)

    def processes(self) -> list[psutil.Process]:
        """Those that serve."""
        return [
            each
            for each in psutil.process_iter(["ppid", "cmdline"])
            if each.info["ppid"] == self.running.pid and "spawn_main" in " ".join(each.info["cmdline"] or [])
        ]

    def answers(self) -> bool:
        """Whether a new connection is answered."""
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def counted(self) -> int:
        """How many `/healthz` the metrics count."""
        with client(self.url, self._token) as http:
            name = 'ledger_http_request_seconds_count{method="GET",route="/healthz",status="200"}'
            lines = http.get("/metrics").text.splitlines()
        return next((round(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name)), 0)


@contextmanager
def served(settings: Settings, folder: Path) -> Iterator[Server]:
    settings = settings.model_copy(update={"api_port": free_port(), "api_processes": PROCESSES})
    log = folder / "api.log"
    with process(settings, SERVE, log) as running:
        server = Server(settings, running, log)
        eventually(lambda: len(server.processes()) == PROCESSES and server.answers())
        yield server


@pytest.fixture(scope="module")
def server(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(settings, tmp_path_factory.mktemp("api")) as server:
        yield server


def test_whichever_process_is_asked_its_metrics_count_the_requests_of_all(server: Server) -> None:
    before = server.counted()
    for _ in range(40):
        assert server.answers()
    assert [server.counted() for _ in range(10)] == [before + 40] * 10


def test_a_process_that_is_killed_is_replaced_and_what_it_counted_stays(server: Server) -> None:
    for _ in range(20):
        assert server.answers()
    before, [victim, other] = server.counted(), server.processes()
    victim.send_signal(signal.SIGKILL)
    eventually(lambda: other in (now := server.processes()) and victim not in now and len(now) == PROCESSES)
    assert server.counted() >= before
    other.send_signal(signal.SIGKILL)
    eventually(lambda: other not in server.processes() and server.answers())
    assert server.log.read_text().count('"signal": "SIGKILL"') == 2


def in_each_process(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs this before anything else in each process that serves, not in their supervisor."""
    body = "\n    ".join(code.splitlines())
    text = f"import os, sys, time\nif '--multiprocessing-fork' in sys.orig_argv:\n    {body}\n"
    (folder / "sitecustomize.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_process_that_takes_long_to_import_is_not_killed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_each_process("time.sleep(7)", tmp_path, monkeypatch)  # uvicorn gives 5
    settings = settings.model_copy(update={"api_port": free_port(), "api_processes": PROCESSES})
    with process(settings, SERVE, tmp_path / "api.log") as running:
        server = Server(settings, running, tmp_path / "api.log")
        first = eventually(lambda: len(now := server.processes()) == PROCESSES and now)
        eventually(server.answers)
        assert server.processes() == first


def test_a_process_that_must_not_start_ends_them_all_with_its_code(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_each_process("os.environ['LEDGER_HOLD_SECONDS'] = 'none'", tmp_path, monkeypatch)
    settings = settings.model_copy(update={"api_port": free_port(), "api_processes": PROCESSES})
    with process(settings, SERVE, tmp_path / "api.log") as running:
        assert running.wait(60) == EXIT_CONFIG
    log = (tmp_path / "api.log").read_text()
    assert "LEDGER_HOLD_SECONDS" in log
    assert f'"exit_code": {EXIT_CONFIG}' in log


def test_it_ends_cleanly_and_so_do_all_of_its_processes(settings: Settings, tmp_path: Path) -> None:
    with served(settings, tmp_path) as server:
        processes = server.processes()
    assert server.running.returncode == 0, server.log.read_text()
    assert not any(each.is_running() for each in processes)


def test_no_process_outlives_a_supervisor_that_is_killed(settings: Settings, tmp_path: Path) -> None:
    with served(settings, tmp_path) as server:
        processes = server.processes()
        server.running.kill()
        eventually(lambda: not any(each.is_running() for each in processes), 10)
        assert not server.answers()
