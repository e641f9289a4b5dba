"""Both clients of one gate behind one way to call them, an API that may be killed or stopped, and lost answers."""

import asyncio
import inspect
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil

from ledger.client import AsyncLedger, AsyncStream, Ledger
from ledger.settings import Settings
from tests.support.servers import process
from tests.support.waiting import eventually

CALL: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "mode": "auto", "input_tokens": 1000}
# What the first book takes for it in auto mode, in nanos: 1,000 input tokens, and an output token.
INPUT, OUTPUT = 2_750_000, 11_000
KINDS = ("threads", "asyncio")


class InOneLoop:
    """An AsyncLedger or AsyncStream whose coroutines are run one after the other, in one event loop."""

    def __init__(self, runner: asyncio.Runner, of: Any) -> None:
        self._runner, self._of = runner, of

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        return self._called(found) if callable(found) else found

    def __enter__(self) -> "InOneLoop":
        self._called(self._of.__aenter__)()
        return self

    def __exit__(self, *exc: object) -> None:
        self._called(self._of.__aexit__)(*exc)

    def _called(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def run(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
            found = function(*arguments, **named)
            return await found if inspect.isawaitable(found) else found

        def call(*arguments: Any, **named: Any) -> Any:
            found = self._runner.run(run(arguments, named))
            return InOneLoop(self._runner, found) if isinstance(found, AsyncStream) else found

        return call


@contextmanager
def opened(kind: str, url: str, token: str, spool: Path, **options: Any) -> Iterator[Any]:
    """A client of this kind, over HTTP."""
    given = {"key": token, "source": "router/test", "spool": spool, **options}
    if kind == "threads":
        ledger = Ledger.over_http(url, **given)
        yield ledger
        ledger.close(0)
        return
    with asyncio.Runner() as runner:
        in_loop = InOneLoop(runner, AsyncLedger.over_http(url, **given))
        yield in_loop
        in_loop.close(0)


def funded(http: httpx.Client, credits: str) -> str:
    """A new account with these credits."""
    account = f"acct_{uuid.uuid4().hex[:12]}"
    body = {"amount": credits, "reason_code": "gift"}
    assert http.post("/v1/accounts", json={"account_id": account}).status_code == 201
    assert http.post(f"/v1/accounts/{account}/adjustments", json=body).status_code == 201
    return account


def balance(http: httpx.Client, account: str) -> tuple[str, str]:
    """What the account has and what of it is held."""
    answer = http.get(f"/v1/accounts/{account}/balance").json()
    return answer["balance"], answer["held"]


def nanos(http: httpx.Client, account: str) -> tuple[int, int]:
    """The same in nanos."""
    found = [answer.partition(".") for answer in balance(http, account)]
    first, second = (int(whole + part.ljust(9, "0")) for whole, _, part in found)
    return first, second


class KillableApi:
    """An API that can go in ways that no signal handler sees, and come back at its address."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.url = f"http://{settings.api_host}:{settings.api_port}"
        self._settings, self._folder = settings, folder
        self._process = ExitStack()
        self._running: psutil.Process | None = None

    def start(self) -> None:
        """From here on it runs until it is killed or closed, as it may already."""
        if self._running is None:
            serve = process(self._settings, "from ledger.server.serve import serve as run", self._folder / "api.log")
            self._running = psutil.Process(self._process.enter_context(serve).pid)
        eventually(self._ready)

    def kill(self) -> None:
        """At once, with its children."""
        family = self._family()
        for each in family:
            each.kill()
        psutil.wait_procs(family, 10)
        self.close()

    def close(self) -> None:
        """Ends it in order, if it runs."""
        self._process.close()
        self._running = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It accepts connections and says nothing."""
        family = self._family()
        for each in family:
            each.suspend()
        try:
            yield
        finally:
            for each in family:
                each.resume()

    def _family(self) -> list[psutil.Process]:
        return [self._running, *self._running.children(recursive=True)] if self._running else []

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


class Losing:
    """A proxy. `lose`: how many of the next answers to POSTs are lost, by what the path ends with.

    `refuse`: how many are answered with 503 and not passed on.
    """

    def __init__(self, url: str) -> None:
        self.lose: dict[str, int] = {}
        self.refuse: dict[str, int] = {}
        self._target = httpx.Client(base_url=url, timeout=20)
        losing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                losing.answer(self)

            do_GET = do_POST = do_DELETE = _pass

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        """Asks the API, and passes its answer on or ends the connection."""
        content = to.rfile.read(int(to.headers.get("Content-Length") or 0))
        end = to.path.rpartition("/")[2]
        if self.refuse.get(end, 0) > 0 and to.command == "POST":
            self.refuse[end] -= 1
            to.send_response(503)
            to.send_header("Content-Length", "0")
            to.end_headers()
            return
        passed = {n: to.headers[n] for n in ("Authorization", "Content-Type", "Idempotency-Key") if to.headers[n]}
        answer = self._target.request(to.command, to.path, content=content, headers=passed)
        if self.lose.get(end, 0) > 0 and to.command == "POST":
            self.lose[end] -= 1
            to.close_connection = True
            return
        to.send_response(answer.status_code)
        for name in ("Credits-Available", "Credits-Required"):
            if name in answer.headers:
                to.send_header(name, answer.headers[name])
        to.send_header("Content-Length", str(len(answer.content)))
        to.end_headers()
        to.wfile.write(answer.content)

    @contextmanager
    def running(self) -> Iterator["Losing"]:
        """Serves until the block ends."""
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join(5)
            self._server.server_close()
            self._target.close()
