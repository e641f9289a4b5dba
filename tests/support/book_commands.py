"""An operator at a shell who types `ledger book`."""

import json
import os
import pty
from collections.abc import Iterator
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from ledger.cli import app
from ledger.dev.child_processes import environment_of
from ledger.log.book_history import read_history
from ledger.settings import Settings
from tests.support.programs import Program
from tests.support.workers import records_of

Wire = dict[str, Any]


class Commands:
    """An operator at a shell, in a folder, with the settings of one ledger."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self._environment = environment_of(settings)

    def run(self, *words: str) -> Result:
        """Runs a command in this process, which takes a tenth of the time that a new one takes."""
        with chdir(self.folder):
            return CliRunner().invoke(app, ["book", *words], env=self._environment, catch_exceptions=False)

    def says(self, *words: str) -> str:
        """What a command prints that must succeed."""
        ended = self.run(*words)
        assert ended.exit_code == 0, ended.stderr
        return ended.stdout

    def refuses(self, *words: str) -> str:
        """What is said on stderr by a command that must fail, in its last line; nothing may be appended meanwhile."""
        before = self.versions()
        ended = self.run(*words)
        assert ended.exit_code == 1, ended.output
        assert self.versions() == before
        return ended.stderr.splitlines()[-1]

    def answers(self, answer: str, *words: str) -> tuple[int, str]:
        """Runs a command on a terminal and types an answer; the exit code, and all that the terminal shows."""
        terminal, theirs = pty.openpty()
        arguments = ["-m", "ledger.cli", "book", *words]
        given = {"environment": self._environment, "folder": self.folder}
        with Program(*arguments, **given, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            os.write(terminal, f"{answer}\n".encode())
            shown = b"".join(_all_of(terminal))
        os.close(terminal)
        return process.returncode, shown.decode()

    def versions(self) -> int:
        """How many records are on the book's topic."""
        return len(records_of(self.settings, "ledger.book", 1))

    def starts_ms(self, number: int) -> int:
        """When a version takes effect."""
        return read_history(self.settings).numbered(number).version.effective_from_ms

    def latest(self) -> Wire:
        """The version that was published last, without what is particular to it."""
        wire: Wire = json.loads(
            self.says("show", "--json", "--version", str(read_history(self.settings).next_number - 1))
        )
        return {part: value for part, value in wire.items() if part not in ("version", "effective_from")}

    def file(self, wire: Any, name: str = "next.json") -> str:
        (self.folder / name).write_text(json.dumps(wire))
        return name


def _all_of(terminal: int) -> Iterator[bytes]:
    try:
        while part := os.read(terminal, 4096):
            yield part
    except OSError:  # Linux's way to say that the other side has closed
        return


def in_minutes(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
