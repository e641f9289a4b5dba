"""`ledger --version`: the version of the program, and of the rules, records and views that it works with."""

from typing import Annotated

import typer


def _show(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    from ledger.core.fold import RULES
    from ledger.postgres.release import migrations, views_version

    typer.echo(f"ledger {version('prepaid-ledger')}")
    typer.echo(f"rules {', '.join(map(str, sorted(RULES)))}")
    typer.echo(f"records {max(migrations()).removesuffix('.sql')}")
    typer.echo(f"views {views_version()}")
    raise typer.Exit()


Version = Annotated[bool, typer.Option("--version", callback=_show, is_eager=True, help="Show the versions and exit.")]
