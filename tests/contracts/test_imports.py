"""Imports: no circle, and no command loads what it does not need.

Counted in modules, as seconds depend on the machine.
"""

import json
import subprocess
import sys
from graphlib import TopologicalSorter

import grimp
import pytest

from tests.contracts.test_cli_help import ALL

# Each takes a tenth of a second or more to load, or brings something that does.
HEAVY = {
    "aiokafka", "asyncio", "babel", "fastapi", "faust", "genai_prices", "jinja2", "kafka", "prometheus_client",
    "psycopg", "pydantic", "pydantic_settings", "razorpay", "stripe", "structlog", "typst", "uvicorn",
}  # fmt: skip
HELP = """
import contextlib, io, json, sys
from typer.main import get_command
from ledger.cli import app
command = get_command(app)
with contextlib.redirect_stdout(io.StringIO()):
    for words in json.loads(sys.argv[1]):
        with contextlib.suppress(SystemExit):
            command.main([*words, "--help"])
print(json.dumps(list(sys.modules)))
"""
# Of a deployment that takes no payments.
SERVICES = {
    "ledger.server.serve": {"aiokafka", "faust", "genai_prices", "razorpay", "stripe", "typst"},
    "consumers.process": {"aiokafka", "faust", "fastapi", "genai_prices", "razorpay", "stripe", "typst", "uvicorn"},
    "ledger.client": {"aiokafka", "faust", "fastapi", "genai_prices", "psycopg", "razorpay", "stripe", "typst"},
    "projectors.worker": {"babel", "fastapi", "genai_prices", "jinja2", "razorpay", "stripe", "typst", "uvicorn"},
}


def loaded(code: str, *arguments: str) -> set[str]:
    """The packages that a new process has loaded after this."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in json.loads(output)}


def test_help_loads_what_draws_it_and_no_more() -> None:
    assert loaded(HELP, json.dumps([[], *ALL])) & HEAVY == set()


@pytest.mark.parametrize("module", SERVICES)
def test_a_service_does_not_load_what_others_need(module: str) -> None:
    found = loaded(f"import json, sys, {module}; print(json.dumps(list(sys.modules)))")
    assert found & SERVICES[module] == set()


def test_no_module_imports_itself_through_others() -> None:
    """Imports under `if TYPE_CHECKING` count too: who reads one module would have to read the other first."""
    graph = grimp.build_graph("schemas", "ledger", "projectors", "consumers")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the modules of a circle
