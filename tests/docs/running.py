"""Runs the examples of one page in their order, as a reader does who copies them into a terminal, and compares.

What an example prints is shown in comments at its end, in the block below it, or (`console`) under each command; there
`…` matches anything. When the page shows no output, only the exit code counts, which must be 0.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from schemas.book import BOOK
from schemas.dead_letters import DEAD_LETTER
from schemas.effects import EFFECT
from schemas.events import EVENT, EVENT_TYPES
from schemas.records import RECORDS_EVENT, RecordsEvent
from tests.docs.pages import ROOT, Example

TIMEOUT_SECONDS = 60
ANYTHING = "…"
_TYPES: dict[str, TypeAdapter[Any]] = {
    "book.published": BOOK,
    "book.withdrawn": BOOK,
    "record.dead_lettered": DEAD_LETTER,
    **dict.fromkeys((each.model_fields["type"].default for each in get_args(RecordsEvent)), RECORDS_EVENT),
}


class Reader:
    """A reader with a terminal in `folder`. What a shell example sets, the next examples have.

    `instead`: the addresses that the pages show, and those of the ledger that is really there.
    """

    def __init__(self, folder: Path, environment: dict[str, str], instead: dict[str, str]) -> None:
        self._folder = folder
        self._instead = instead
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **environment}

    def runs(self, example: Example) -> None:
        """Raises AssertionError, naming page and line, when an example doesn't do what the page says."""
        match example.language:
            case "sh":
                self._compare(example, self._shell(example, example.text))
            case "console":
                for command, shown in _commands(example.text):
                    _assert_shown(example, shown, self._shell(example, command))
            case "python":
                self._compare(example, self._python(example))
            case "json":
                assert_says_something(example)
            case "text":
                pass  # a picture
            case other:
                raise AssertionError(f"{example}: nothing runs {other or 'a block without a language'}; excuse it")

    def _shell(self, example: Example, text: str) -> str:
        after = self._folder / ".environment"
        script = f"trap 'env -0 > {after}' EXIT; set -a\n{self._really(text)}"
        output = self._output(example, ["bash", "-euo", "pipefail", "-c", script])
        self._environment = dict(
            variable.split("=", 1) for variable in after.read_text().split("\0") if "=" in variable
        )
        return output

    def _python(self, example: Example) -> str:
        """Each block is a program. One that begins with `# name.py` is also there under that name."""
        named = re.match(r"# (\w+\.py)\n", example.text)
        file = self._folder / (named[1] if named else "example.py")
        file.write_text(self._really(example.text))
        return self._output(example, [sys.executable, str(file)])

    def _output(self, example: Example, command: list[str]) -> str:
        ended = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        assert ended.returncode == 0, f"{example} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout.replace("\r\n", "\n")

    def _really(self, text: str) -> str:
        for shown, real in self._instead.items():
            text = text.replace(shown, real)
        return text

    def _compare(self, example: Example, output: str) -> None:
        _assert_shown(example, _comments_at_the_end(example.text), output)
        match example.answer:
            case Example(language="json", text=text):
                _assert_same_json(example, json.loads(text), json.loads(output))
            case Example(text=text):
                _assert_shown(example, text, output)


def assert_says_something(example: Example) -> None:
    """A block of JSON must be JSON, and an event must be one that the ledger reads."""
    said = json.loads(example.text)
    if isinstance(said, dict) and "specversion" in said:
        default = EVENT if said["type"] in EVENT_TYPES else EFFECT
        _TYPES.get(said["type"], default).validate_json(example.text)


def _commands(text: str) -> list[tuple[str, str]]:
    """Each command after a `$ ` with what is shown below it; `> ` continues a command."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert parts, "no line begins with $"
    found = []
    for part in parts:
        first, *rest = part.splitlines()
        more = [line[2:] for line in rest if line.startswith("> ")]
        found.append(("\n".join([first, *more]), "\n".join(line for line in rest if not line.startswith("> "))))
    return found


def _comments_at_the_end(text: str) -> str:
    lines = text.rstrip().splitlines()
    first = next((n for n in range(len(lines), 0, -1) if not lines[n - 1].startswith("#")), 0)
    return "\n".join(line[1:].removeprefix(" ") for line in lines[first:])


def _assert_shown(example: Example, shown: str, output: str) -> None:
    if shown.strip():
        pattern = "".join(map(_line_pattern, shown.strip().splitlines()))
        assert re.fullmatch(pattern, output.strip() + "\n"), f"{example} shows:\n{shown}\n\nand it prints:\n{output}"


def _line_pattern(line: str) -> str:
    """A line that is only `…` matches any lines."""
    return r"(?:.*\n)*?" if line.strip() == ANYTHING else _pattern(line.rstrip()) + r"[ \t]*\n"


def _pattern(text: str) -> str:
    return ".*".join(map(re.escape, text.split(ANYTHING)))


def _assert_same_json(example: Example, shown: Any, found: Any, path: str = "") -> None:
    """`…` in a text matches anything in it; as the name of a field it matches the fields that are not shown."""
    where = f"{example}, {path or 'the answer'}: shows {shown!r}, and it is {found!r}"
    if isinstance(shown, dict) and isinstance(found, dict):
        names = shown.keys() - {ANYTHING}
        assert names <= found.keys() if ANYTHING in shown else names == found.keys(), where
        for name in names:
            _assert_same_json(example, shown[name], found[name], f"{path}.{name}")
    elif isinstance(shown, list) and isinstance(found, list):
        assert len(shown) == len(found), where
        for index, (one, other) in enumerate(zip(shown, found, strict=True)):
            _assert_same_json(example, one, other, f"{path}[{index}]")
    elif isinstance(shown, str) and ANYTHING in shown:
        assert re.fullmatch(_pattern(shown), str(found)), where
    else:
        assert (type(shown), shown) == (type(found), found), where
