"""The command line. Each command is a few lines: it reads its arguments, calls the program, and prints the result.

Commands that print data take `--json`. Imports are inside the commands, so that each loads only what it runs. The order
here is the order of `ledger --help`.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from ledger.cli import (
    bench,
    book,
    buy,
    dead_letters,
    erase,
    keys,
    log,
    payments,
    processes,
    publish,
    quarantine,
    rebuild,
    recover,
    report,
    sandbox,
    setup,
    state,
    tail,
    trial_balance,
)
from ledger.cli.version_option import Version


class _Commands(TyperGroup):
    """Commands. Typer's own flags have no default, and checking None would load pydantic for each help text."""

    def get_params(self, ctx: Any) -> Any:
        params: Any = super().get_params(ctx)
        for flag in params:
            flag.default = False if flag.default is None and flag.type_descriptor.annotation is bool else flag.default
        return params


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _ledger(version: Version = False) -> None:
    """The prepaid-credit ledger."""


for commands in (
    processes,
    sandbox,
    setup,
    publish,
    buy,
    tail,
    state,
    rebuild,
    recover,
    trial_balance,
    payments,
    erase,
):
    app.add_typer(commands.app)
app.add_typer(dead_letters.app, name="deadletters", cls=_Commands)
app.add_typer(quarantine.app, name="quarantine", cls=_Commands)
app.add_typer(log.app, name="log", cls=_Commands)
app.add_typer(report.app, name="report", cls=_Commands)
app.add_typer(book.app, name="book", cls=_Commands)
app.add_typer(keys.app, name="keys", cls=_Commands)
app.add_typer(bench.app, name="bench", cls=_Commands)
