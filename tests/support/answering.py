"""A real HTTP server that answers what a test tells it, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx


class Asked(NamedTuple):
    """One request. `body`: what its JSON says, None without one."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


class Answer(NamedTuple):
    """What is said to it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


_PASSED_ON = ("authorization", "content-type")

# None: hangs up without an answer.
Answers = Callable[[Asked], Answer | None]


class Answering:
    """`url`: where it listens. `asked`: everything it was asked, in order. `answers`: may be changed at any time."""

    def __init__(self, url: str, answers: Answers) -> None:
        self.url, self.answers = url, answers
        self.asked: list[Asked] = []


@contextmanager
def answering(answers: Answers) -> Iterator[Answering]:
    """A server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            query, headers = dict(parse_qsl(url.query)), {name.lower(): text for name, text in self.headers.items()}
            asked = Asked(self.command, url.path, query, headers, json.loads(raw) if raw else None)
            there.asked.append(asked)
            answer = there.answers(asked)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, text in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Answering(f"http://127.0.0.1:{server.server_port}", answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def passed_on(url: str) -> Answers:
    """Answers what the server at `url` answers."""

    def answer(asked: Asked) -> Answer:
        headers = {name: text for name, text in asked.headers.items() if name in _PASSED_ON or name.startswith("x-")}
        body = None if asked.body is None else json.dumps(asked.body).encode()
        there = httpx.request(asked.method, url + asked.path, params=asked.query, headers=headers, content=body)
        return Answer(there.status_code, there.content, {"Content-Type": "application/json"})

    return answer
