"""The command line: every command is a few lines here, and its work lives in its part of the program.

What prints data takes `--json`. Imports stay inside the commands, so that each loads only what it runs. The order here
is the order of `ledger --help`.
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
    installation,
    keys,
    log,
    payments,
    processes,
    proofs,
    publish,
    replays,
    report,
    sandbox,
    tail,
)
from ledger.cli.versions import Version


class _Commands(TyperGroup):
    """Commands. Typer's own flags have no default; to check that None is none it would load pydantic for each help."""

    def get_params(self, ctx: Any) -> Any:
        params: Any = super().get_params(ctx)
        for flag in params:
            flag.default = False if flag.default is None and flag.type_descriptor.annotation is bool else flag.default
        return params


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _ledger(version: Version = False) -> None:
    """The prepaid-credit ledger."""


for commands in (processes, sandbox, installation, publish, buy, tail, replays, proofs, payments, erase):
    app.add_typer(commands.app)
app.add_typer(dead_letters.app, name="deadletters", cls=_Commands)
app.add_typer(log.app, name="log", cls=_Commands)
app.add_typer(report.app, name="report", cls=_Commands)
app.add_typer(book.app, name="book", cls=_Commands)
app.add_typer(keys.app, name="keys", cls=_Commands)
app.add_typer(bench.app, name="bench", cls=_Commands)
