"""How a running `ledger dev` can be reached: `dev.json` for programs, `env` for shells; there while all is ready.

Both hold the operator's key, and `env` the signing key, too; only their owner may read them.
"""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger.dev.secrets import write_private


class Announcement:
    """The files of one home; leaving the with block removes them. What a killed run left goes at the next start."""

    def __init__(self, home: Path) -> None:
        self._json, self._env = home / "dev.json", home / "env"
        self.remove()

    def write(self, facts: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        """Puts the facts there, whole, and what a shell needs: `ledger` on its path, and these variables."""
        commands = shlex.quote(str(Path(sys.executable).parent))
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        write_private(self._env, "".join([f"export PATH={commands}:$PATH\n", *lines]))
        write_private(self._json, json.dumps(facts, indent=1) + "\n")

    def remove(self) -> None:
        """From now on nobody is to use what they name."""
        self._json.unlink(missing_ok=True)
        self._env.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
