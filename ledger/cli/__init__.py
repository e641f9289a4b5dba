"""The command line: every command is a few lines here, and its work lives in its part of the program.

What prints data takes `--json`. Imports stay inside the commands, so that each loads only what it runs. The order here
is the order of `ledger --help`.
"""

import typer

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

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="The prepaid-credit ledger.")
for commands in (processes, sandbox, installation, publish, buy, tail, replays, proofs, payments, erase):
    app.add_typer(commands.app)
app.add_typer(dead_letters.app, name="deadletters")
app.add_typer(log.app, name="log")
app.add_typer(report.app, name="report")
app.add_typer(book.app, name="book")
app.add_typer(keys.app, name="keys")
app.add_typer(bench.app, name="bench")
