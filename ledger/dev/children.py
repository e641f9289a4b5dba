"""Child processes that are kept running: each is restarted when it ends, later and later if it keeps ending.

One that ends for a reason that a person has to decide would end the same way again: it ends its parent, too. Each has a
supervisor of its own (`supervise.py`), so none outlives this process, however it ends.
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
from ledger.dev import supervise
from ledger.settings import Settings

PATIENCE_SECONDS = 20.0
_CHECK_SECONDS = 0.2

log = structlog.get_logger()


class ChildRefuses(LedgerError, exit_code=EXIT_CONFIG):
    """A process has ended for a reason that a person has to decide; the last line of its log says which."""


class Child:
    """One command that shall run. With a log, the previous run's output stays beside it as `*.previous`."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path | None = None) -> None:
        self.name, self.log = name, log
        self._command, self._environment = command, dict(environment)
        self._backoff, self._due = Backoff(), 0.0
        self.starts = 0
        self._start()

    @property
    def alive(self) -> bool:
        """Whether the command runs."""
        return self._supervisor.poll() is None

    def revive(self) -> str | None:
        """Start the command anew when it has ended and its pause is over; a sentence when something happened.

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
            return f"{self.name} ended ({_how(self._supervisor.returncode)}); it starts again in {pause:.0f} s"
        if now < self._due:
            return None
        self._start()
        return f"{self.name} runs again (process {self.pid})"

    def ask_to_stop(self) -> None:
        """Send it SIGTERM; `wait` comes after."""
        if self.alive:
            self._supervisor.terminate()

    def wait(self) -> None:
        """Wait until it has ended; its supervisor kills what doesn't."""
        self._supervisor.wait(PATIENCE_SECONDS + 10)
        self._end_the_rest()

    def _end_the_rest(self) -> None:
        """End what the command has left in its session: an API whose main process was killed leaves its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._supervisor.pid, signal.SIGKILL)

    def _start(self) -> None:
        order = {
            "command": self._command,
            "folder": os.getcwd(),
            "parent": os.getpid(),
            "stop_signal": signal.SIGTERM,
            "patience": PATIENCE_SECONDS,
            "user": None,
        }
        self._supervisor = _supervised(order, self._environment, self.log)
        self._started, self._due = time.monotonic(), 0.0
        self.starts += 1
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as answer:
            self.pid = int(answer.readline() or 0)


class Children:
    """Several children with one report. Leaving the with block stops them, all at once."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.all: list[Child] = []
        self._report = report

    def add(self, child: Child) -> Child:
        """Take over a child that was started."""
        self.all.append(child)
        return child

    @property
    def pids(self) -> dict[str, int]:
        """The process of each child, by its name."""
        return {child.name: child.pid for child in self.all}

    def revive(self) -> bool:
        """Start again those that have ended; whether one was. Raises ChildRefuses."""
        said = [sentence for child in self.all if (sentence := child.revive())]
        for sentence in said:
            self._report(sentence)
        return bool(said)

    def keep_running(self, ended: threading.Event) -> None:
        """Revive until the event is set. Raises ChildRefuses."""
        while not ended.wait(_CHECK_SECONDS):
            self.revive()

    def stop(self) -> None:
        """End all of them in order."""
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
    """This program with other arguments."""
    return [sys.executable, "-m", "ledger.cli", *arguments]


def worker_commands(count: int) -> Iterable[tuple[str, list[str]]]:
    """Names and commands of so many projector workers."""
    return ((f"worker-{number}", ledger_command("project")) for number in range(1, count + 1))


def keep_workers(count: int, settings: Settings) -> None:
    """Runs `count` projector workers until SIGTERM or Ctrl-C; each that ends is started again. Raises ChildRefuses."""
    logs.configure(settings.log_format)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    environment = environment_of(settings)
    with Children(lambda said: log.warning("worker", said=said)) as children:
        for name, command in worker_commands(count):
            children.add(Child(name, command, environment))
        children.keep_running(ended)


def _how(code: int) -> str:
    """How a child ended: the supervisor answers as a shell does."""
    number = code - 128 if code > 128 else -code
    return signal.Signals(number).name if number in set(signal.Signals) else str(code)


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment with every setting spelled out, so that a child reads the same settings."""
    return {**os.environ, **variables_of(settings)}


def variables_of(settings: Settings) -> dict[str, str]:
    """Every setting as the variable that it is read from."""
    return {f"LEDGER_{name.upper()}": _text(value) for name, value in settings.model_dump().items()}


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(_parts(value))
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _parts(value: object) -> object:
    """What is within a setting that is JSON."""
    if isinstance(value, dict):
        return {key: _parts(part) for key, part in value.items()}
    return [_parts(part) for part in value] if isinstance(value, list) else _text(value)


def _supervised(order: dict[str, object], environment: Mapping[str, str], log: Path | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", supervise.__file__, json.dumps(order)]
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
        start_new_session=True,  # a Ctrl-C in the terminal is for us: we stop the children in order
    )
