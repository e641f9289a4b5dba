"""SQL by name: statements live in `.sql` files beside the Python that calls them, each under a line `-- name: it`."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def statements(package: str, file: str) -> dict[str, bytes]:
    """The statements of a `.sql` file of a package, by name."""
    parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    return {name: body.strip().encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
