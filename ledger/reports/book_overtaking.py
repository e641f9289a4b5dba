"""What becomes of a new version's changes when versions that were announced before it take over.

A version is a whole book. One that was announced earlier does not know of a later correction: when it takes effect, it
would bring the old mistake back. And of its own changes of signing keys none would count, since keys are those of the
version that was published last.
"""

from typing import NamedTuple

from ledger.core.book import Version
from ledger.reports.book_diff import Difference, changes

_KEYS = "signing_keys"


class TakeOver(NamedTuple):
    """A version that takes over from a new one.

    `undone`: what the new one changes and this one has otherwise; `keys`: its own changes of keys, which would not
    count. In both, `before` is the new version's value and `after` that of this one.
    """

    version: int
    effective_from_ms: int
    undone: list[Difference]
    keys: list[Difference]

    @property
    def conflicts(self) -> bool:
        """Whether one of the two versions loses something."""
        return bool(self.undone or self.keys)


def take_over(before: Version, new: Version, later: Version) -> TakeOver:
    """What happens when `later` takes effect after `new`, which changes `before`."""
    touched = _Names([change for change in changes(before, new) if change.part != _KEYS])
    planned = _Names([change for change in changes(before, later) if change.part == _KEYS])
    found = changes(new, later)
    return TakeOver(
        later.number,
        later.effective_from_ms,
        [change for change in found if change in touched],
        [change for change in found if change in planned],
    )


class _Names:
    """What differences are about. A whole model and one of its prices ("openai/gpt-4o", "openai/gpt-4o input") meet."""

    def __init__(self, found: list[Difference]) -> None:
        self._names = {(change.part, change.name) for change in found}
        self._wholes = {(change.part, _whole(change.name)) for change in found}

    def __contains__(self, change: Difference) -> bool:
        part, name = change.part, change.name
        return (part, name) in self._names or (part, _whole(name)) in self._names or (part, name) in self._wholes


def _whole(name: str) -> str:
    return name.partition(" ")[0]
