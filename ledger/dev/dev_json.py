"""`dev.json`: where a running `ledger dev` can be reached. It is there only while everything is ready."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger.dev.secrets import write_private

NAME = "dev.json"


class DevJson:
    """The file of one home; leaving the with block removes it. What a killed run left behind goes at the next start."""

    def __init__(self, home: Path) -> None:
        self._path = home / NAME
        self.remove()

    def write(self, facts: dict[str, Any]) -> None:
        """Puts the facts there, whole; with the operator's key among them only the owner may read it."""
        write_private(self._path, json.dumps(facts, indent=1) + "\n")

    def remove(self) -> None:
        """From now on nobody is to use what it names."""
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
