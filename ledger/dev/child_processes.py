"""Child processes that are restarted when they end, with growing pauses if they end again and again.

A child that needs a decision by a person would end the same way again, so it ends its parent too. Each child has its
own supervisor (`supervisor.py`), so no child outlives this process.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from pydantic import SecretStr

from ledger import logs
from ledger.backoff import Backoff
from ledger.core.errors import EXIT_CONFIG, LedgerError
from ledger.dev import supervisor
from ledger.settings import Settings

STOP_SECONDS = 20.0
_CHECK_SECONDS = 0.2

log = structlog.get_logger()


class ChildRefuses(LedgerError, exit_code=EXIT_CONFIG):
    message = "A process has ended and needs a decision by a person; the last line of its log says which"


class Child:
    """One command that is to run. With a log, the previous run's output is kept beside it as `*.previous`."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path | None = None) -> None:
        self.name, self.log = name, log
        self._command, self._environment = command, dict(environment)
        self._backoff, self._due = Backoff(), 0.0
        self.starts = 0
        self._start()

    @property
    def alive(self) -> bool:
        """Whether the command is running."""
        return self._supervisor.poll() is None

    def restart_ended(self) -> str | None:
        """Restarts the command if it has ended and its pause is over. Returns a sentence if something happened.

        Raises ChildRefuses.
        """
        if self.alive:
            return None
        now = time.monotonic()
        if not self._due:
            self._end_the_rest()
            if self._supervisor.returncode == EXIT_CONFIG:
                raise ChildRefuses(self.name)
            pause = self._backoff.after(now - self._started)
            self._due = now + pause
            return f"{self.name} ended ({_exit_text(self._supervisor.returncode)}); it starts again in {pause:.0f} s"
        if now < self._due:
            return None
        self._start()
        return f"{self.name} runs again (process {self.pid})"

    def ask_to_stop(self) -> None:
        """Sends SIGTERM; call `wait` afterwards."""
        if self.alive:
            self._supervisor.terminate()

    def wait(self) -> None:
        """Waits until it has ended. Its supervisor kills it after STOP_SECONDS."""
        self._supervisor.wait(STOP_SECONDS + 10)
        self._end_the_rest()

    def _end_the_rest(self) -> None:
        """Kills what the command left in its session: an API whose main process was killed leaves its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._supervisor.pid, signal.SIGKILL)

    def _start(self) -> None:
        job = {
            "command": self._command,
            "folder": os.getcwd(),
            "parent": os.getpid(),
            "stop_signal": signal.SIGTERM,
            "stop_seconds": STOP_SECONDS,
            "user": None,
        }
        self._supervisor = _start_supervisor(job, self._environment, self.log)
        self._started, self._due = time.monotonic(), 0.0
        self.starts += 1
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as answer:
            self.pid = int(answer.readline() or 0)


class Children:
    """Several children with one report. Leaving the with block stops them all at once."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.all: list[Child] = []
        self._report = report

    def add(self, child: Child) -> Child:
        """Takes over a child that was started."""
        self.all.append(child)
        return child

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each child, by its name."""
        return {child.name: child.pid for child in self.all}

    def restart_ended(self) -> bool:
        """Restarts the children that have ended. Returns whether something happened. Raises ChildRefuses."""
        sentences = [sentence for child in self.all if (sentence := child.restart_ended())]
        for sentence in sentences:
            self._report(sentence)
        return bool(sentences)

    def keep_running(self, ended: threading.Event) -> None:
        """Restarts children until the event is set. Raises ChildRefuses."""
        while not ended.wait(_CHECK_SECONDS):
            self.restart_ended()

    def stop(self) -> None:
        """Stops all of them cleanly."""
        for child in self.all:
            child.ask_to_stop()
        for child in self.all:
            child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ledger_command(*arguments: str) -> list[str]:
    """The command line of this program with other arguments."""
    return [sys.executable, "-m", "ledger.cli", *arguments]


def worker_commands(count: int) -> Iterable[tuple[str, list[str]]]:
    """Names and commands of `count` projector workers."""
    return ((f"worker-{number}", ledger_command("project")) for number in range(1, count + 1))


def keep_workers(count: int, settings: Settings) -> None:
    """Runs `count` projector workers until SIGTERM or Ctrl-C, and restarts each that ends. Raises ChildRefuses."""
    logs.configure(settings.log_format)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    environment = environment_of(settings)
    with Children(lambda sentence: log.warning("worker", reason=sentence)) as children:
        for name, command in worker_commands(count):
            children.add(Child(name, command, environment))
        children.keep_running(ended)


def _exit_text(code: int) -> str:
    """How a child ended: a signal's name or a code. The supervisor's exit code is that of a shell."""
    number = code - 128 if code > 128 else -code
    return signal.Signals(number).name if number in set(signal.Signals) else str(code)


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment with every setting in it, so that a child reads the same settings."""
    return {**os.environ, **variables_of(settings)}


def variables_of(settings: Settings) -> dict[str, str]:
    """Every setting as its environment variable."""
    return {f"LEDGER_{name.upper()}": _text(value) for name, value in settings.model_dump().items()}


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(_parts(value))
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _parts(value: object) -> object:
    """The plain values within a setting that is JSON."""
    if isinstance(value, dict):
        return {key: _parts(part) for key, part in value.items()}
    return [_parts(part) for part in value] if isinstance(value, list) else _text(value)


def _start_supervisor(
    job: dict[str, object], environment: Mapping[str, str], log: Path | None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(job)]
    if log is None:
        return _popen(command, environment, None)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    with log.open("wb") as output:
        return _popen(command, environment, output.fileno())


def _popen(command: list[str], environment: Mapping[str, str], errors: int | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=True,  # a Ctrl-C in the terminal goes to this process, which stops the children
    )
