"""SQL by name: statements live in `.sql` files beside the Python that calls them, each under a line `-- name: it`.

Beside them, what connections that hold locks tell the server.
"""

import re
from importlib.resources import files

# The server forgets a client whose machine is gone after half a minute, and not after hours.
KEEPALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def statements(package: str, file: str) -> dict[str, bytes]:
    """The statements of a `.sql` file of a package, by name."""
    parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    return {name: body.strip().encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
