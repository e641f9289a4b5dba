"""What the commands share: the console, `--json`, tables, and errors as messages."""

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

# Piped output is wide, so that its lines are not broken.
console = Console() if sys.stdout.isatty() else Console(width=250)
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Projector processes.")]


def read_settings() -> "Settings":
    """The settings of this process. Raises SettingsInvalid."""
    # Imported here, because loading pydantic takes half of the time of `ledger --help`.
    from ledger.settings import Settings

    return Settings()


@contextmanager
def errors_as_messages(*, service: bool = False) -> Iterator[None]:
    """Ends the command with the message of an expected error; other errors keep their traceback.

    `service`: the exit code tells the supervisor whether a person has to decide something first.
    """
    from ledger import logs  # here, because help texts need no logs

    logs.for_command()
    try:
        yield
    except Exception as error:
        expected = [_operational_error(cause) for cause in leaves(error)]
        if None in expected:
            raise
        for each in expected:
            typer.echo(f"Error: {each}", err=True)
        code = max(getattr(each, "exit_code", EXIT_FAILED) for each in expected)
        raise typer.Exit(code if service else EXIT_FAILED) from None


def _operational_error(error: Exception) -> Exception | str | None:
    """The error or message to print; None if the error is not expected in operation."""
    # Imported here, because Kafka's client takes a quarter of a second to load, and most commands don't fail.
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


def show_not_on_log(reason: str) -> bool:
    """Whether what the command has ended is on the log. Otherwise prints the reason."""
    if reason:
        typer.echo(f"Done, but not on the log: {reason}", err=True)
    return not reason


def leaves(error: Exception) -> Iterator[Exception]:
    """The errors within nested exception groups; of any other error, itself."""
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
