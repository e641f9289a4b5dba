"""What the commands have in common: the console, `--json`, tables, and errors in words."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ledger.core.errors import EXIT_FAILED, LedgerError

if TYPE_CHECKING:
    from ledger.settings import Settings

# What is piped is not broken at the width of a terminal that nobody sees.
console = Console() if sys.stdout.isatty() else Console(width=250)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Projector processes.")]


def read_settings() -> "Settings":
    """The settings of this process. Raises SettingsInvalid."""
    # Here, because pydantic takes half of the time of `ledger --help` to load.
    from ledger.settings import Settings

    return Settings()


@contextmanager
def failing_in_words(*, service: bool = False) -> Iterator[None]:
    """Errors that say what to do end the command with their message; all others keep their traceback.

    `service`: its supervisor is told by the exit code what a person has to decide first.
    """
    from ledger import logs  # here, because help logs nothing

    logs.for_command()
    try:
        yield
    except Exception as error:
        told = [_told(cause) for cause in leaves(error)]
        if None in told:
            raise
        for each in told:
            typer.echo(f"Error: {each}", err=True)
        code = max(getattr(each, "exit_code", EXIT_FAILED) for each in told)
        raise typer.Exit(code if service else EXIT_FAILED) from None


def _told(error: Exception) -> Exception | str | None:
    """What to say of an error; None when it is not one that is met in operation."""
    # Here, because Kafka's client alone takes a quarter of a second to load, and most commands don't fail.
    import psycopg
    from kafka.errors import KafkaError

    from ledger.dev.errors import EmbeddedStackError
    from ledger.postgres.release import WRONG_SHAPE, OtherRelease

    match error:
        case LedgerError() | EmbeddedStackError():
            return error
        case _ if isinstance(error, WRONG_SHAPE):
            return OtherRelease(error.diag.message_primary or "")
        case psycopg.OperationalError():
            return f"Postgres (LEDGER_DATABASE) does not answer: {' '.join(str(error).split())}"
        case KafkaError():
            return f"Kafka (LEDGER_KAFKA) does not answer: {type(error).__name__}"
        case OSError():
            return str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
    return None


def leaves(error: Exception) -> Iterator[Exception]:
    """The errors in a group of groups; an error that is no group is its own only leaf."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def table_of(lines: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """A plain table of some fields of each line."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*(escape(str(line[column])) for column in columns))  # a name may have brackets
    return table
