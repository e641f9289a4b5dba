"""Every example of the pages listed here does what its page says, in the order of the page, on one running ledger.

Each page has a folder and a terminal of its own. The ledger is `ledger dev --no-traffic`, in the folder's `.ledger`.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ledger.settings import Settings
from tests.docs.pages import Example, examples
from tests.docs.running import Reader
from tests.support.dev import announced, ledger_dev
from tests.support.workers import wait_until_projected

PAGES = (
    "README.md",
    "docs/README.md",
    "docs/tutorial/README.md",
    "docs/how-to/integrate-a-router.md",
    "docs/how-to/run-it.md",
    "docs/reference/events.md",
    "docs/reference/http.md",
)

# What can't be run as it is: by page and the beginning of its text, with the reason.
_UNTIL_STOPPED = "it runs until it is stopped; the ledger that the tests use was started in the same way"
EXCUSED = {
    ("README.md", "make run"): _UNTIL_STOPPED,
    ("docs/how-to/run-it.md", "$ make run"): _UNTIL_STOPPED,
    ("docs/tutorial/README.md", "make run"): _UNTIL_STOPPED,
}


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Any]]:
    """What dev.json says of a ledger that runs, and its home."""
    with TemporaryDirectory(prefix="ledger-test-") as folder:
        home = Path(folder)
        with ledger_dev(home, "--no-traffic", "--json") as process:
            yield {**announced(home, process), "home": home}
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture
def reader(running: dict[str, Any], tmp_path: Path) -> Reader:
    """A reader who has just opened a terminal where the ledger was started."""
    (tmp_path / ".ledger").symlink_to(running["home"])
    given = {
        "API": running["api"],
        "KEY": running["operator_key"],
        "KAFKA": running["kafka"],
        "LEDGER_KAFKA": running["kafka"],
        "LEDGER_DATABASE": running["database"],
    }
    return Reader(tmp_path, given, {"http://127.0.0.1:8080": running["api"], "127.0.0.1:9092": running["kafka"]})


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_do_what_it_says(page: str, reader: Reader, running: dict[str, Any]) -> None:
    ledger = Settings(kafka=running["kafka"], database=running["database"], event_partitions=4)
    for example in examples(page):
        if not is_excused(example):
            wait_until_projected(ledger)  # a person is slower than the projection
            reader.runs(example)


@pytest.mark.parametrize("place", EXCUSED, ids=str)
def test_an_excuse_is_for_an_example_that_is_there(place: tuple[str, str]) -> None:
    page, beginning = place
    assert any(example.text.startswith(beginning) for example in examples(page))


def is_excused(example: Example) -> bool:
    return any(example.page == page and example.text.startswith(beginning) for page, beginning in EXCUSED)
