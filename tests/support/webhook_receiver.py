"""A real HTTP server that a provider's webhooks are sent to: keeps the raw bodies, says what a test wants it to say."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

PATIENCE_SECONDS = 20


class Received(NamedTuple):
    """One delivery, as it came. `headers` by lower-case name."""

    raw: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> dict[str, Any]:
        """Its JSON."""
        body: dict[str, Any] = json.loads(self.raw)
        return body


class Receiver:
    """`received`: every delivery, in the order of arrival. `statuses`: what the next ones are answered; then 200.

    `redirect`: where all of them are sent on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self.redirect = ""

    def until(self, found: Callable[[list[Received]], bool]) -> list[Received]:
        """All deliveries, once they are what the test waits for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not found(list(self.received)):
            assert time.monotonic() < deadline, f"these came: {[each.body for each in self.received]}"
            time.sleep(0.02)
        return list(self.received)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            there.received.append(Received(raw, {name.lower(): text for name, text in self.headers.items()}))
            self.send_response(there.statuses.pop(0) if there.statuses else 302 if there.redirect else 200)
            if there.redirect:
                self.send_header("Location", there.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
