"""Every command explains itself with an example, and the reference page says what the program says."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from ledger.cli import app

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command that does something."""
    found = getattr(group, "commands", None)
    if found is None:
        yield path
        return
    for name, command in found.items():
        yield from commands(command, (*path, name))


ALL = sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_has_an_example_of_this_very_command(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "120", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert f"Example: ledger {' '.join(words)}" in shown.output


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_reference_lists_the_command(words: tuple[str, ...]) -> None:
    assert f"## `ledger {' '.join(words)}`\n" in REFERENCE.read_text()
