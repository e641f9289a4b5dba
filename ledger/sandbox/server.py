"""Serves the sandbox in this one process, so that a kill ends all of it."""

from ledger.asgi_server import serve_app
from ledger.sandbox.app import create_app
from ledger.sandbox.sandbox import Options


def serve(options: Options) -> None:
    """Serves until a signal ends it. Raises PortTaken."""
    serve_app(create_app(options), options.host, options.port)
