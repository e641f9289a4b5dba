"""`ledger report`: reports for the end of a month."""

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ledger.cli.shared import Json, console, errors_as_messages, read_settings

if TYPE_CHECKING:
    from schemas.http import MonthReportAnswer

app = typer.Typer(no_args_is_help=True, help="Reports over all accounts.")


@app.command("month", epilog="Example: ledger report month 2026-11 --csv november.csv")
def month(
    month: Annotated[str, typer.Argument(help="A UTC month, such as 2026-11.")],
    csv: Annotated[str, typer.Option(metavar="FILE", help="Write CSV to a file; - for standard output.")] = "",
    as_json: Json = False,
) -> None:
    """Report a month: credits from opening to closing liability, margin by model provider, money by payment provider.

    Every sum is checked before it is shown. If one does not close, nothing is shown and the exit code is 1.
    """
    if as_json and csv == "-":
        raise typer.BadParameter("either JSON or CSV goes to standard output", param_hint="--csv")
    with errors_as_messages():
        answer = _read(month)
    if csv:
        _write_csv(csv, answer)
    if as_json:
        print(answer.model_dump_json())
    elif csv != "-":
        _show(answer)


def _read(month: str) -> "MonthReportAnswer":
    import asyncio

    from ledger.log.book import BookFollower
    from ledger.postgres.connections import connect_async
    from ledger.postgres.kinds import COMMAND_AUTOCOMMIT
    from ledger.service.reports import report_of_month

    settings = read_settings()
    with closing(BookFollower(settings)) as follower:
        follower.wait(timeout_seconds=30)
        book = follower.book()

    async def read() -> "MonthReportAnswer":
        async with await connect_async(settings.database, COMMAND_AUTOCOMMIT) as connection:
            return await report_of_month(connection, month, book)

    return asyncio.run(read())


def _write_csv(file: str, answer: "MonthReportAnswer") -> None:
    from ledger.csv_text import csv_text
    from ledger.reports.month_formats import csv_rows

    text = csv_text(csv_rows(answer)).encode()
    if file == "-":
        sys.stdout.buffer.write(text)
        return
    with open(file, "wb") as out:
        out.write(text)


def _show(answer: "MonthReportAnswer") -> None:
    through = f"{answer.as_of:%Y-%m-%d %H:%M:%S} UTC" if answer.as_of else "nothing projected yet"
    state = "complete" if answer.complete else f"not complete: as of {through}"
    console.print(f"{answer.month}, UTC, {state}\n", highlight=False)
    for table in (_credits(answer), _usage(answer), *_money(answer)):
        console.print(table)
        console.print()


def _credits(answer: "MonthReportAnswer") -> Table:
    table = _table("Credits", "entries", "credits")
    opening, closing = answer.credits.opening, answer.credits.closing
    table.add_row("opening liability", "", opening.total)
    for movement in answer.credits.movements:
        name = movement.line.replace("_", " ").replace("top ups", "top-ups")
        table.add_row(name, f"{movement.entries:,}", movement.credits)
    table.add_row("closing liability", "", closing.total, style="bold")
    table.add_row(f"  held (accounts: {closing.accounts_holding:,})", "", closing.held)
    table.add_row(f"  owed (accounts: {closing.accounts_owing:,})", "", closing.owed)
    return table


def _usage(answer: "MonthReportAnswer") -> Table:
    table = _table("Usage by model provider", "requests", "revenue", "cost", "margin")
    for usage in answer.usage:
        table.add_row(escape(usage.provider), f"{usage.requests:,}", usage.revenue, usage.cost, usage.margin)
    total, traces = answer.usage_total, answer.traces
    table.add_row("total", f"{total.requests:,}", total.revenue, total.cost, total.margin, style="bold")
    table.add_row(f"traces ({traces.traces:,})", "", traces.revenue)
    table.add_row(f"  of them free ({traces.free_traces:,}), worth {traces.free_value}", style="dim")
    return table


def _money(answer: "MonthReportAnswer") -> list[Table]:
    from schemas.http import MoneyAmount

    tables = []
    for money in answer.money:
        table = _table(f"Money at {money.provider}", "minor units", money.currency)
        for line, amount in money:
            if isinstance(amount, MoneyAmount):
                name = f"  of it {line.replace('_', ' ')}" if line.startswith("tax") else line.replace("_", " ")
                table.add_row(name, str(amount.minor), amount.text)
        tables.append(table)
    return tables


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right")
    return table
