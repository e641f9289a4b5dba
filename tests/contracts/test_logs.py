"""Logs: JSON for programs, text for people, by a setting; without what Faust and aiokafka call errors for nothing."""

import json
import logging
import subprocess
import sys

import pytest

from projectors.log_noise import _matters

SAY = """
import logging, structlog
from ledger import logs
logs.configure({form!r})
structlog.get_logger().warning("waiting", for_="kafka")
logging.getLogger("library").error("it went %s", "wrong")
try:
    hush = "hush-hush"
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("failed")
"""


def logged_lines(form: str) -> list[str]:
    command = [sys.executable, "-c", SAY.format(form=form)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])
def test_where_nobody_looks_each_line_is_an_object(form: str) -> None:
    ours, librarys, failed = map(json.loads, logged_lines(form))
    assert (ours["event"], ours["level"], ours["for_"]) == ("waiting", "warning", "kafka")
    assert (librarys["event"], librarys["level"], librarys["logger"]) == ("it went wrong", "error", "library")
    assert failed["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert "hush-hush" not in str(failed)


def test_for_people_it_is_text() -> None:
    lines = logged_lines("text")
    assert "waiting" in lines[0]
    assert not any(line.startswith("{") for line in lines)
    assert "hush-hush" not in "".join(lines)


@pytest.mark.parametrize(
    ("logger", "words", "shown"),
    [
        ("aiokafka.consumer.group_coordinator", "Heartbeat session expired - marking coordinator dead", False),
        ("aiokafka.consumer.group_coordinator", "Group Coordinator Request failed: [Error 15]", False),
        ("aiokafka", "Unable connect to node with id 1: [Errno 111]", False),
        ("projectors.transport", "[^---_Thread]: Thread keepalive is not responding...", False),
        ("aiokafka.consumer.group_coordinator", "OffsetCommit failed for unauthorized topics {'x'}", True),
        ("aiokafka.consumer.group_coordinator", "Attempt to join group failed due to fatal error: x", True),
        ("aiokafka.cluster", "Topic x is not authorized for this client", True),
        ("projectors.worker", "worker_ends", True),
    ],
)
def test_what_is_met_by_the_library_is_no_error_and_all_else_is(logger: str, words: str, shown: bool) -> None:
    assert _matters(logging.LogRecord(logger, logging.ERROR, "", 0, words, (), None)) is shown


def test_an_exception_is_always_shown() -> None:
    error = (ValueError, ValueError(), None)
    assert _matters(logging.LogRecord("aiokafka", logging.ERROR, "", 0, "Unable connect to x", (), error))
