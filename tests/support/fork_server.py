"""Imports the whole program once, and forks for each process that a test starts.

The tests start hundreds of processes, and one that starts from nothing computes for two seconds until it has imported
its modules. A forked one is as separate: it has its own memory, environment, signals and exit code.
`tests/support/programs.py` is the other end of the socket.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from types import ModuleType
from typing import NamedTuple, NoReturn

PACKAGES = ("schemas", "ledger", "projectors", "consumers")
REQUEST_BYTES_MAX = 1 << 20
# stdin, stdout, stderr, and where the process id and the exit code are written to.
DESCRIPTORS = 4
_PR_SET_PDEATHSIG = 1


class Request(NamedTuple):
    """A process to start. `arguments` are Python's own: ["-c", code, ...] or ["-m", module, ...]."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    own_group: bool


def import_all() -> None:
    """Imports each module of the program, except those that run something."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


class ForkServer:
    """Starts a process per request, and reports how each ended. When its client is gone, it kills those that run."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._reports: dict[int, int] = {}  # where the end of a process is reported to
        self._woken, self._wake = os.pipe()
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> Request | None:
        """Returns None when the client is gone; and in each forked process, what that process shall run."""
        while True:
            ready, _, _ = select.select([self._requests.fileno(), self._woken], [], [])
            if self._woken in ready:
                self._reap()
            if self._requests.fileno() in ready:
                message, descriptors, _, _ = socket.recv_fds(self._requests, REQUEST_BYTES_MAX, DESCRIPTORS)
                if not message:
                    break
                request = Request(*json.loads(message))
                if self._fork(request, descriptors):
                    return request
        for pid in self._reports:
            os.kill(pid, signal.SIGKILL)
        return None

    def _fork(self, request: Request, descriptors: list[int]) -> bool:
        """Whether this is the new process."""
        *standard, report = descriptors
        pid = os.fork()
        if pid == 0:
            self._leave()
            _prepare(request, standard, report)
            return True
        for descriptor in standard:
            os.close(descriptor)
        os.write(report, f"{pid}\n".encode())
        self._reports[pid] = report
        return False

    def _leave(self) -> None:
        """In the forked process: nothing of the server is left open, and signals do what they do in any process."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._requests.close()
        for descriptor in (self._woken, self._wake, *self._reports.values()):
            os.close(descriptor)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)
        while self._reports:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            report = self._reports.pop(pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os.close(report)


def _prepare(request: Request, standard: list[int], report: int) -> None:
    """Makes the forked process one like any other."""
    os.close(report)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # none outlives the test run
    if request.own_group:
        os.setpgid(0, 0)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)


def run(arguments: list[str]) -> None:
    """What `python <arguments>` runs."""
    flag, code, *_ = arguments
    if flag == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(code, run_name="__main__", alter_sys=True)
        return
    sys.argv = ["-c", *arguments[2:]]
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(code, "<string>", "exec"), main.__dict__)


def run_and_exit(arguments: list[str]) -> NoReturn:
    """Ends as Python ends, but leaves the memory to the kernel: to take 2,000 modules apart costs 0.2 s."""
    code = 0
    try:
        run(arguments)
    except SystemExit as ended:
        code = _exit_code(ended.code)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads, as `multiprocessing` does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def _exit_code(said: object) -> int:
    if said is None or isinstance(said, int):
        return said or 0
    print(said, file=sys.stderr)
    return 1


if __name__ == "__main__":
    import_all()
    gc.collect()
    gc.freeze()  # so that a collection in a forked process copies no memory
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    to_run = ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()
    if to_run is not None:
        run_and_exit(to_run.arguments)
