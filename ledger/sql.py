"""SQL by name: each statement is in a `.sql` file beside the Python that calls it, under a line `-- name: it`.

A part that several statements share is under a line `-- part: it`, and `{{it}}` in a statement inserts it.
"""

import re
from importlib.resources import files

_SECTION = re.compile(r"^-- (name|part): (\w+)$", re.MULTILINE)
_PART = re.compile(r"\{\{(\w+)\}\}")


def statements(package: str, file: str) -> dict[str, bytes]:
    """The statements of a `.sql` file of a package, by name."""
    sections = _SECTION.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    found = list(zip(sections[1::3], sections[2::3], map(str.strip, sections[3::3]), strict=True))
    parts = {name: body for kind, name, body in found if kind == "part"}

    def part(reference: re.Match[str]) -> str:
        return parts[reference[1]]

    return {name: _PART.sub(part, body).encode() for kind, name, body in found if kind == "name"}
