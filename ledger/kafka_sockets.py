"""A client of kafka-python 3.0.12 that closes each of its sockets, in whatever state it is closed or fails.

kafka-python itself forgets sockets: of a connection that fails before it is ready, of one that begins while the client
is closed, of one that still has something to write, and all of a client that does not start. Each outage would leave
some open until the garbage collector runs, and a worker lets it run rarely (docs/decisions/0003).
"""

import socket
import traceback
from typing import Any

from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector


class ClosingSelector(NetworkSelector):  # type: ignore[misc]  # kafka-python ships no types
    """An event loop of kafka-python that closes the sockets of the tasks that it cancels."""

    def drain(self, *args: Any, **more: Any) -> None:
        """Once the loop is being closed, what still waits after this is cancelled, and with it each socket's owner."""
        super().drain(*args, **more)
        if self._closed:
            for waiting in list(self._selector.get_map().values()):
                waiting.fileobj.close()


class ClosingManager(KafkaConnectionManager):  # type: ignore[misc]
    """Connections of kafka-python that leave nothing behind when one of them, or the first contact, fails."""

    def bootstrap(self, *args: Any, **more: Any) -> None:
        """Closes everything when no broker answers: the caller gets no client that it could close."""
        try:
            super().bootstrap(*args, **more)
        except BaseException:
            self.close()
            self._net.close()
            raise

    async def _build_transport(self, *args: Any, **more: Any) -> Any:
        try:
            return await super()._build_transport(*args, **more)
        except Exception as error:
            _close_sockets(error)
            raise


class ClosingClient(KafkaNetClient):  # type: ignore[misc]
    """The client to give to kafka-python as `kafka_client`."""

    manager = ClosingManager

    def __init__(self, **configs: Any) -> None:
        net = ClosingSelector(**configs)
        super().__init__(net, self.manager(net, **configs))


def _close_sockets(error: BaseException) -> None:
    """Closes what an attempt that failed has opened; only the frames of its traceback still know of it."""
    cause: BaseException | None = error
    while cause is not None:
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            for found in (frame.f_locals.get("sock"), getattr(frame.f_locals.get("transport"), "_sock", None)):
                if isinstance(found, socket.socket):
                    found.close()
        cause = cause.__context__
