"""Routes read a request and write an answer; what is done, and with which connection, is in ledger/service."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUTES = sorted(path for folder in ("api", "portal") for path in (ROOT / "ledger" / folder).glob("*.py"))
# What only a use case does: take a connection, or a thread for what blocks.
NOT_HERE = (".pool.connection(", "connections.connection(", "payments.call(", "payments.query(", "run_in_executor(")
# Its figures are of the process and of the database itself, and no use case.
OPERATION = {"health.py"}


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_route_calls_the_service(path: Path) -> None:
    if path.name not in OPERATION:
        assert [done for done in NOT_HERE if done in path.read_text()] == []
