"""The watchdog ends a process that is stuck, and no other."""

import pytest

from tests.support.programs import run

EXIT_STALLED = 70
# The main thread lives for two seconds, which is four times the patience of this watchdog, and beats in its own way.
PROCESS = """
import time
from projectors.watchdog import Watchdog

watchdog = Watchdog(stall_seconds=0.5, interrupt=lambda: None)
for _ in range(20):
    {each_time}
    time.sleep(0.1)
"""


@pytest.mark.parametrize(
    ("each_time", "exit_code"),
    [
        ("pass", EXIT_STALLED),
        ("watchdog.progressed()", EXIT_STALLED),
        ("watchdog.beat(lag=7)", EXIT_STALLED),
        ("watchdog.beat(lag=7); watchdog.progressed()", 0),
        ("watchdog.beat(lag=0)", 0),
    ],
    ids=[
        "an event loop that stands still is ended",
        "progress alone is no sign that the event loop runs",
        "a worker with lag that commits nothing is ended",
        "a worker with lag that commits goes on",
        "a worker that has nothing to do goes on",
    ],
)
def test_the_watchdog_knows_a_stall(each_time: str, exit_code: int) -> None:
    ended = run("-c", PROCESS.format(each_time=each_time), timeout=30)
    assert ended.returncode == exit_code, ended.stderr
    assert (b"worker_stalled" in ended.stdout + ended.stderr) == (exit_code == EXIT_STALLED)
