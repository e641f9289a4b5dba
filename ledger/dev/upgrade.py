"""Makes a home ready for this version of the program, also one that another version has filled.

Nothing of the ledger runs yet, so nobody has to be stopped or asked before its views are replaced.
"""

from rich.console import Console

from ledger.dev.bootstrap import bootstrap
from ledger.log.topics import create_topics
from ledger.records.release import ViewsOutdated
from ledger.settings import Settings
from projectors.rebuild import rebuild


class _Said:
    """The stages of a rebuild as lines."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, stage: str, _total: int | None) -> None:
        self._console.print(stage, style="dim")

    def reach(self, done: int) -> None:
        pass


def bring_up_to_date(settings: Settings, console: Console) -> None:
    """Bootstraps; views of another version are folded again. Raises LedgerError where a person has to decide."""
    try:
        bootstrap(settings)
    except ViewsOutdated:
        console.print("The views are of another version of this program", style="dim")
        create_topics(settings)
        rebuilt = rebuild(settings, _Said(console))
        console.print(f"Accounts: {rebuilt.equal:,} as before, {rebuilt.different:,} different", style="dim")
        bootstrap(settings)
