"""`ledger serve`: the API in one process. More of them are started beside it, on ports of their own.

A server with threads of its own costs more than the decision it carries: every request waits twice for Python's one
lock to change hands (docs/decisions/0009).
"""

from ledger.api.app import create_app
from ledger.api.protocol import Protocol
from ledger.serving import serve_app
from ledger.settings import Settings


def serve(settings: Settings) -> None:
    """Serves until a signal ends it. Raises PortTaken, and SettingMissing without a signing key."""
    settings.signing_key()
    serve_app(create_app(settings), settings.api_host, settings.api_port, Protocol)
