"""Runs one server and ends it when told to, or as soon as the process that wanted it is gone.

It is started by path with the standard library only, so it is up in some 20 ms. It polls for its parent instead of
asking the kernel for a signal, since that signal follows the death of a thread and exists on Linux only. Should it
be killed itself, Linux kills the server with it.
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


def main(order: dict[str, Any]) -> int:
    """Run the command of the order to its end, which may be ours to bring about; its exit code."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: asked.append(received))
    child = _launch(order)
    while child.poll() is None and not asked and os.getppid() == order["parent"]:
        time.sleep(POLL_SECONDS)
    return _end(child, order["stop_signal"], order["patience"])


def _launch(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    identity = {"user": order["user"], "group": order["user"], "extra_groups": []} if order["user"] else {}
    errors = sys.stderr.fileno()
    child = subprocess.Popen(  # one thread here, so a preexec_fn cannot deadlock
        order["command"],
        stdin=subprocess.DEVNULL,
        stdout=errors,
        stderr=errors,
        cwd=order["folder"],
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
        if os.getppid() != supervisor:  # it died before the kernel was asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_the_kernel


def _end(child: subprocess.Popen[bytes], stop_signal: int, patience: float) -> int:
    if child.poll() is None:
        child.send_signal(stop_signal)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
    code = child.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
