"""The program connects to Postgres in one place, with the options of a named kind."""

import re
from pathlib import Path

import psycopg
import pytest

from ledger.postgres import kinds
from ledger.postgres.connections import arguments, connect
from ledger.postgres.kinds import Kind
from ledger.settings import Settings

ROOT = Path(__file__).parents[2]
CALL = re.compile(
    r"psycopg\.connect\(|\b(Async)?Connection(\[Any\])?\.connect\(|(?<!httpcore\.)\b(Async)?ConnectionPool\b"
)
ALIAS = re.compile(r"^\w+ = (psycopg\.)?(Async)?Connection(\[Any\])?$", re.MULTILINE)
KINDS = {name: kind for name, kind in vars(kinds).items() if isinstance(kind, Kind)}


def files_with(pattern: re.Pattern[str]) -> set[str]:
    paths = (path for folder in ("ledger", "projectors", "consumers") for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)) for path in paths if pattern.search(path.read_text(encoding="utf-8"))}


def test_one_module_connects() -> None:
    # The embedded server makes the database that everything else connects to.
    assert files_with(CALL) == {"ledger/postgres/connections.py", "ledger/postgres/pools.py", "ledger/dev/postgres.py"}


def test_the_types_of_connections_have_one_name_each() -> None:
    assert files_with(ALIAS) == {"ledger/postgres/types.py"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_server_takes_the_options_of_every_kind(settings: Settings, kind: Kind) -> None:
    with connect(settings.database, kind) as connection:
        assert connection.autocommit == kind.autocommit
        row = connection.execute("SHOW application_name").fetchone()
    assert row == (kind.name,)


def test_options_of_the_connection_string_are_kept(settings: Settings) -> None:
    database = psycopg.conninfo.make_conninfo(settings.database, options="-c work_mem=5MB")
    assert arguments(database, kinds.GUARD)["options"].startswith("-c work_mem=5MB -c ")
    with connect(database, kinds.GUARD) as connection:
        found = [connection.execute(f"SHOW {name}").fetchone() for name in ("work_mem", "statement_timeout")]
    assert found == [("5MB",), ("3s",)]
