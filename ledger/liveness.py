"""How long a connection to Postgres believes in a silent other side, and how one is ended that waits for an answer."""

import contextlib
import os
import socket
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

# What connections that hold locks say: the server forgets a client whose machine is gone after half a minute, and not
# after hours.
KEEPALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
# And we forget a server whose machine is gone after ten seconds. One that stands still isn't: its kernel answers.
LIVENESS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def hang_up(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    """Ends a conversation from this side: who waits for an answer gets psycopg's OperationalError at once."""
    with (
        contextlib.suppress(psycopg.Error, OSError),  # it may have ended already
        socket.socket(fileno=os.dup(connection.fileno())) as same,
    ):
        same.shutdown(socket.SHUT_RDWR)
