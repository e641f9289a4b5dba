"""The files that say how to reach a running `ledger dev`: `dev.json` for programs and `env` for shells.

They exist while everything is ready. Both hold the operator's key, and `env` the signing key too, so only their owner
may read them.
"""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger.dev.secrets import write_private


class ConnectionFiles:
    """The files of one home. Leaving the with block removes them; the next start removes those of a killed run."""

    def __init__(self, home: Path) -> None:
        self._json, self._env = home / "dev.json", home / "env"
        self.remove()

    def write(self, facts: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        """Writes both files: the facts for programs; for shells, `ledger` on the path and these variables."""
        commands = shlex.quote(str(Path(sys.executable).parent))
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        write_private(self._env, "".join([f"export PATH={commands}:$PATH\n", *lines]))
        write_private(self._json, json.dumps(facts, indent=1) + "\n")

    def remove(self) -> None:
        """Removes the files, so that no program uses them any longer."""
        self._json.unlink(missing_ok=True)
        self._env.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
