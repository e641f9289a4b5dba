"""`ledger serve`: the API, in one process or in several behind one port.

A server with threads of its own costs more than the decision it carries: every request waits twice for Python's one
lock to change hands (docs/decisions/0009). So what uses more processors is more processes.
"""

import os
import tempfile

from starlette.types import ASGIApp

from ledger.api.app import create_app
from ledger.api.metrics import FOLDER_VARIABLE
from ledger.api.protocol import Protocol
from ledger.serving import prepare_process, serve_app, serve_in_processes, spare_collections
from ledger.settings import Settings


def serve(settings: Settings) -> None:
    """Serves until a signal ends it. Raises PortTaken, and SettingMissing without a signing key."""
    settings.signing_key()
    if settings.api_processes == 1:
        serve_app(create_app(settings), settings.api_host, settings.api_port, Protocol)
        return
    with tempfile.TemporaryDirectory(prefix="ledger-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        factory = f"{__name__}:{application.__name__}"
        serve_in_processes(settings.api_processes, factory, settings.api_host, settings.api_port, Protocol)


def application() -> ASGIApp:
    """The application of one of several processes, with the settings of their environment."""
    prepare_process()
    app = create_app(Settings())
    spare_collections()
    return app
