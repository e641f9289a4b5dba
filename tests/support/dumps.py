"""Dumps of a ledger's database and what becomes of them: the real tools, as an operator uses them."""

import subprocess
import uuid
from pathlib import Path

from ledger.dev.postgres import _binaries
from ledger.dev.stack import Stack
from ledger.settings import Settings


def dump(settings: Settings, folder: Path) -> Path:
    """The whole database as it is now."""
    file = folder / f"{uuid.uuid4().hex}.dump"
    _run("pg_dump", "--format=custom", f"--file={file}", settings.database)
    return file


def restored(stack: Stack, settings: Settings, file: Path) -> Settings:
    """The ledger on a database that was made from a dump; its topics and all else are the same."""
    name = f"restored_{uuid.uuid4().hex[:8]}"
    stack.postgres.create_database(name)
    _run("pg_restore", "--exit-on-error", f"--dbname={stack.postgres.url(name)}", str(file))
    return settings.model_copy(update={"database": stack.postgres.url(name)})


def _run(program: str, *arguments: str) -> None:
    subprocess.run([str(_binaries() / program), *arguments], check=True, capture_output=True, timeout=120)
