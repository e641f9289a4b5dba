"""Repairs of kafka-python 3.0.12's first contact with the broker; without them a wrong password is a timeout.

It asks again after a refusal until its time is up: here the refusal ends it. And it drops an answer that arrives
together with the end of the connection, as most refusals do.
"""

import ssl
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError

from ledger.kafka_sockets import ClosingClient, ClosingManager

REFUSALS = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError)
_CUT_SHORT = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
_Received = tuple[bytes, Exception | None]


def tls_problem(error: BaseException | None) -> ssl.SSLError | None:
    """What the two sides of a connection could not agree on, if that is what this error is about."""
    causes = (error.__context__, *error.args) if isinstance(error, KafkaConnectionError) else ()
    found = [each for each in causes if isinstance(each, ssl.SSLError) and not isinstance(each, _CUT_SHORT)]
    return found[0] if found else None


class _Manager(ClosingManager):
    async def _connect(self, node: Any, conn: Any, *args: Any, **more: Any) -> None:
        await super()._connect(node, conn, *args, **more)
        # Only at first contact. Later a refusal may pass, and a node that is noted here is never asked again.
        error = conn.init_future.exception
        if not self.bootstrapped and (isinstance(error, REFUSALS) or tls_problem(error)):
            self._auth_failures[node.node_id] = error

    async def _build_transport(self, *args: Any, **more: Any) -> Any:
        transport = await super()._build_transport(*args, **more)
        transport._sock_recv = _data_before_the_end(transport._sock_recv)
        return transport


def _data_before_the_end(receive: Callable[[], _Received]) -> Callable[[], _Received]:
    """Receives the same, but an error that came with data comes the next time."""
    kept: Exception | None = None

    def received() -> _Received:
        nonlocal kept
        if kept:
            return b"", kept
        data, error = receive()
        if data and error:
            kept, error = error, None
        return data, error

    return received


class RepairedClient(ClosingClient):
    """kafka-python's client with these repairs."""

    manager = _Manager
