"""The question that a command asks before it changes something."""

import sys
from typing import Annotated

import typer

from ledger.core.errors import LedgerError

Yes = Annotated[bool, typer.Option("--yes", help="Don't ask for confirmation.")]


class NoTerminal(LedgerError):
    message = "This is not a terminal, so the command can't ask for confirmation; add --yes to confirm"


class NotConfirmed(LedgerError):
    message = "Nothing was done"


def confirm(question: str, *, yes: bool) -> None:
    """Returns if the answer is yes. Raises NoTerminal or NotConfirmed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NoTerminal()
    if not typer.confirm(question, err=True):
        raise NotConfirmed()
