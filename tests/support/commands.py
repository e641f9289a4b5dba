"""Commands of ours, run in this process: a process of its own takes two seconds of a core to load."""

from typer.testing import CliRunner, Result

from ledger.cli import app
from ledger.dev.child_processes import environment_of
from ledger.settings import Settings


def command(settings: Settings, *words: str) -> Result:
    """Runs `ledger <words>`; the result of it, without a terminal."""
    return CliRunner().invoke(app, words, env=environment_of(settings), catch_exceptions=False)
