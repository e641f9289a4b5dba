"""Python processes for tests: like `subprocess`, but forked from a process that has imported the program already.

A test of how a process starts, of what it imports or of Python's own options uses `subprocess` itself.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ledger.dev.child_processes import environment_of
from ledger.settings import Settings
from tests.support.fork_server import DESCRIPTORS, Request

ROOT = Path(__file__).parents[2]
_FAR_SECONDS = 3600.0


class _Server:
    """The fork server of this process; it ends with it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket, self._lock = ours, threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env=os.environ | {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # a Ctrl-C in the terminal is for pytest, which stops the processes in order
            )

    def ask(self, request: Request, descriptors: list[int]) -> None:
        assert len(descriptors) == DESCRIPTORS
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)


@cache
def prepare() -> _Server:
    """Starts the fork server, which needs some seconds, so that the first process has less to wait for."""
    return _Server()


class Program:
    """A running process, with the methods of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        stdin: IO[Any] | int = subprocess.DEVNULL,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        own_group: bool = False,
    ) -> None:
        """`arguments` are Python's: "-c" and code, or "-m" and a module; what follows is the program's.

        An output may be a file, PIPE, DEVNULL, or None for that of the tests. `own_group`: a Ctrl-C in the terminal
        does not reach it.
        """
        self.args, self.returncode = list(arguments), None
        self._report, report = os.pipe()
        self._reported = b""
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        with contextlib.ExitStack() as given:
            given.callback(os.close, report)
            empty = given.enter_context(open(os.devnull, "r+b"))
            outputs: list[int] = []
            for name, wanted, usual in (("stdout", stdout, 1), ("stderr", stderr, 2)):
                if wanted == subprocess.PIPE:
                    ours, theirs = os.pipe()
                    given.callback(os.close, theirs)
                    setattr(self, name, os.fdopen(ours, "rb"))
                    outputs.append(theirs)
                else:
                    outputs.append(_descriptor(wanted, empty, usual))
            request = Request(
                list(arguments), dict(os.environ if environment is None else environment), str(folder), own_group
            )
            prepare().ask(request, [_descriptor(stdin, empty, 0), *outputs, report])
        self.pid = int(self._line(_FAR_SECONDS))

    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; the exit code. Raises TimeoutExpired."""
        if self.returncode is None:
            self.returncode = int(self._line(_FAR_SECONDS if timeout is None else timeout))
            os.close(self._report)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Does nothing when it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended just now
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for output in (self.stdout, self.stderr):
            if output is not None:
                output.close()
        self.wait()

    def _line(self, seconds: float) -> bytes:
        """The next line of its report."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._reported:
            ready, _, _ = select.select([self._report], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(self.args, seconds)
            read = os.read(self._report, 64)
            assert read, "the fork server has ended"
            self._reported += read
        line, _, self._reported = self._reported.partition(b"\n")
        return line


def _descriptor(wanted: IO[Any] | int | None, empty: IO[Any], usual: int) -> int:
    if wanted is None:
        return usual
    if wanted == subprocess.DEVNULL:
        return empty.fileno()
    return wanted if isinstance(wanted, int) else wanted.fileno()


def run(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    folder: Path = ROOT,
    timeout: float = 120,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end. Raises TimeoutExpired, and then the program is killed."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write(stdin)
        given.seek(0)
        program = Program(*arguments, environment=environment, folder=folder, stdin=given, stdout=out, stderr=errors)
        try:
            code = program.wait(timeout)
        finally:
            program.kill()
        out.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(program.args, code, out.read(), errors.read())


def environment(settings: Settings) -> dict[str, str]:
    """These settings as a process reads them; its log is for people, as tests look for words in it."""
    settings = settings.model_copy(update={"log_format": "text"})
    return environment_of(settings) | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


def ledger(
    settings: Settings,
    *words: str,
    stdin: str = "",
    variables: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Runs `ledger <words>` with these settings and further environment variables, as a process of its own."""
    given = environment(settings) | dict(variables or {})
    ended = run("-m", "ledger.cli", *words, environment=given, stdin=stdin.encode(), timeout=timeout)
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())
