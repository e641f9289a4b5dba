"""Writes the pages of the reference that follow from the program; a test keeps them equal. `make docs` runs it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from docs.making.configuration import configuration
from docs.making.events import events

REFERENCE = Path(__file__).parent / "reference"


def command_line() -> str:
    """Every command with its options, as Typer documents it."""
    words = ["-m", "typer", "ledger.cli", "utils", "docs", "--name", "ledger", "--title", "The command line"]
    made = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return made.stdout.strip() + "\n"


PAGES: dict[str, Callable[[], str]] = {"cli.md": command_line, "configuration.md": configuration, "events.md": events}


def main() -> None:
    """Writes all pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
