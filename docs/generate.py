"""Writes what follows from the program, and a test keeps it equal: pages of the reference, and the first book.

`make docs` runs it.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from docs.making.configuration import configuration
from docs.making.events import events
from docs.making.first_book import FIRST_BOOK, first_book
from docs.making.wrapping import wrapped

REFERENCE = Path(__file__).parent / "reference"
EXIT_CODES = """
## Exit codes

| code | of | it means |
|---|---|---|
| `0` | all | It is done, or a service was stopped by a signal. |
| `1` | all | It failed, and the last line says why; what checks something found a fault. It may work later. |
| `2` | all | The command line is wrong. |
| `3` | `serve` | It failed before it served anything; the log says why. |
| `70` | `project` | A worker could not continue, or made no progress. It is safe to start it again at once. |
| `78` | `dev`, `project`, `consume`, `serve` | \
A person has to repair something: settings, credentials, topics, a log or a database that is not the one of before, \
another version of the program. A restart changes nothing. |

When Kafka, Postgres or a provider is only away, no service ends: it waits. `project --workers`, `serve` with several
processes and `dev` restart a process that ends, with growing pauses; one that ends with 78 ends them with 78, too.
"""


def command_line() -> str:
    """Every command with its options, as Typer documents it."""
    words = ["-m", "typer", "ledger.cli", "utils", "docs", "--name", "ledger", "--title", "The command line"]
    made = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return wrapped(made.stdout.strip() + "\n" + EXIT_CODES)


PAGES: dict[str, Callable[[], str]] = {"cli.md": command_line, "configuration.md": configuration, "events.md": events}


def main() -> None:
    """Writes all pages, and deploy/first-book.json."""
    FIRST_BOOK.write_text(first_book(), encoding="utf-8")
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
