"""Runs one server, and ends it on a signal or as soon as the parent process has ended.

It is started by path and uses only the standard library, so it is ready in some 20 ms. It polls for its parent: the
kernel's signal on a parent's death follows the death of a thread, and exists on Linux only. If this process itself is
killed, Linux kills the server with it.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.1
PR_SET_PDEATHSIG = 1


def main(job: dict[str, Any]) -> int:
    """Runs the job's command until it ends or must end; returns its exit code."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: asked.append(received))
    child = _launch(job)
    while child.poll() is None and not asked and os.getppid() == job["parent"]:
        time.sleep(POLL_SECONDS)
    return _end(child, job["stop_signal"], job["stop_seconds"])


def _launch(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    identity = {"user": job["user"], "group": job["user"], "extra_groups": []} if job["user"] else {}
    errors = sys.stderr.fileno()
    child = subprocess.Popen(  # one thread here, so a preexec_fn cannot deadlock
        job["command"],
        stdin=subprocess.DEVNULL,
        stdout=errors,
        stderr=errors,
        cwd=job["folder"],
        preexec_fn=_dies_with(os.getpid()),
        **identity,
    )
    print(child.pid, flush=True)
    return child


def _dies_with(supervisor: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask_the_kernel() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # the supervisor died before this call
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_the_kernel


def _end(child: subprocess.Popen[bytes], stop_signal: int, stop_seconds: float) -> int:
    if child.poll() is None:
        child.send_signal(stop_signal)
        try:
            child.wait(stop_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    code = child.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
