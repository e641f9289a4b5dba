"""`ledger serve`: the API, in one process or in several behind one port.

A server with threads of its own costs more than the decision it carries: every request waits twice for Python's one
lock to change hands (docs/decisions/0009). So what uses more processors is more processes.
"""

import os
import sys
import tempfile
from contextlib import suppress

import psycopg
import structlog
from starlette.types import ASGIApp

from ledger import logs
from ledger.asgi_server import freeze_garbage_collection, prepare_process, serve_app, serve_in_processes
from ledger.core.errors import LedgerError
from ledger.log.connecting import tls_of
from ledger.payments.gateways import gateways_of
from ledger.postgres.connections import connect
from ledger.postgres.kinds import START
from ledger.server.app import create_app
from ledger.server.protocol import Protocol
from ledger.settings import Settings
from ledger.web.metrics import FOLDER_VARIABLE

log = structlog.get_logger()


def serve(settings: Settings) -> None:
    """Serves until a signal ends it.

    Raises PortTaken, SettingMissing, SettingsInvalid, CertificateUnusable and OtherRelease.
    """
    logs.configure(settings.log_format)
    _check(settings)
    if settings.api_processes == 1:
        serve_app(create_app(settings), settings.api_host, settings.api_port, Protocol)
        return
    with tempfile.TemporaryDirectory(prefix="ledger-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        factory = f"{__name__}:{application.__name__}"
        serve_in_processes(settings.api_processes, factory, settings.api_host, settings.api_port, Protocol)


def _check(settings: Settings) -> None:
    """Raises what a person has to correct. A server that is away is waited for while serving."""
    settings.signing_key()
    tls_of(settings)
    gateways_of(settings)
    with suppress(psycopg.OperationalError):
        connect(settings.database, START).close()


def application() -> ASGIApp:
    """The application of one of several processes, with the settings of their environment."""
    prepare_process()
    try:
        settings = Settings()
        logs.configure(settings.log_format)
        app = create_app(settings)
    except LedgerError as error:
        log.error("cannot_start", code=error.code, reason=str(error))
        sys.exit(error.exit_code)
    freeze_garbage_collection()
    return app
