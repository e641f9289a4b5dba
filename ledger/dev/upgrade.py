"""Makes a home ready for this version of the program, also a home that another version has filled.

None of the ledger's processes is running yet. So there is none to stop before the views are replaced.
"""

from rich.console import Console

from ledger.dev.bootstrap import bootstrap
from ledger.log.topics import create_topics
from ledger.postgres.release import ViewsOutdated
from ledger.settings import Settings
from projectors.rebuild import rebuild


class _StageLines:
    """Prints each stage of a rebuild as a line."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, stage: str, _total: int | None) -> None:
        self._console.print(stage, style="dim")

    def reach(self, done: int) -> None:
        pass


def bring_up_to_date(settings: Settings, console: Console) -> None:
    """Bootstraps. Folds the log again if the views are of another version.

    Raises LedgerError if a person has to decide.
    """
    try:
        bootstrap(settings)
    except ViewsOutdated:
        console.print("The views are of another version of this program", style="dim")
        create_topics(settings)
        rebuilt = rebuild(settings, _StageLines(console))
        console.print(f"Accounts: {rebuilt.equal:,} as before, {rebuilt.different:,} different", style="dim")
        bootstrap(settings)
