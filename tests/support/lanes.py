"""Connections that ask for one thing again and again, and know which of the API's processes answers them.

Each is pinned to one process, so that what a process says of itself can be compared with what it does.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil  # type: ignore[import-untyped]

from tests.support.sampling import Kind, Sample

PATIENCE_SECONDS = 10.0
CONNECTIONS = Path("/proc/net/tcp")
# A new connection is accepted by any process.
_TRIES = 16
_AGAIN_SECONDS = 2.0


class Asked(NamedTuple):
    """What came of one request; status 0: no answer."""

    at: float
    took: float
    status: int
    said: str
    json: Any


class Lane:
    """One connection at a time. `processes`: those that serve now; `number` chooses among them."""

    def __init__(
        self, name: str, number: int, url: str, token: str, processes: Callable[[], Sequence[psutil.Process]]
    ) -> None:
        self.name, self._number, self._url, self._processes = name, number, url, processes
        self._headers = {"Authorization": f"Bearer {token}"}
        self._client = self._new_client()
        self._address: object = None
        self._process, self._try_at = 0, 0.0

    def sample(self, kind: Kind, asked: Asked, *, ok: bool) -> Sample:
        """What a request shows."""
        said = "" if ok else f"{asked.status or 'no answer'} {asked.said}".strip()
        return Sample(kind, self.name, asked.at, asked.took, ok, self._process, said)

    async def ask(self, method: str, path: str, **more: Any) -> Asked:
        """Asks once, with the pinned process if it can be reached."""
        await self._pin()
        return await self._ask(method, path, **more)

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, path: str, **more: Any) -> Asked:
        at = time.time()
        try:
            answer = await self._client.request(method, path, timeout=PATIENCE_SECONDS, **more)
        except httpx.HTTPError as error:
            await self._reopen()
            return Asked(at, time.time() - at, 0, type(error).__name__, None)
        self._note(answer)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        body = answer.json() if is_json and answer.content else None
        return Asked(at, time.time() - at, answer.status_code, _said(body), body)

    async def _pin(self) -> None:
        serving = self._processes()
        if not serving or time.monotonic() < self._try_at:
            return
        wanted = serving[self._number % len(serving)].pid
        for _ in range(_TRIES):
            if self._process == wanted:
                return
            await self._reopen()
            if not (await self._ask("GET", "/healthz")).status:
                break
        self._try_at = time.monotonic() + _AGAIN_SECONDS

    def _note(self, answer: httpx.Response) -> None:
        """Which process holds the other end of this connection."""
        try:
            address = answer.extensions["network_stream"].get_extra_info("client_addr")
        except OSError:  # it was closed with its last answer
            return
        if address != self._address:
            self._address = address
            self._process = _holder(int(self._url.rpartition(":")[2]), address[1], self._processes())

    async def _reopen(self) -> None:
        await self._client.aclose()
        self._client = self._new_client()

    def _new_client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
        # No TLS here, and to read the system's certificates takes longer than a hundred requests.
        return httpx.AsyncClient(base_url=self._url, headers=self._headers, limits=limits, verify=False)


def _holder(server: int, client: int, processes: Sequence[psutil.Process]) -> int:
    """Which of the processes holds the server's end of a connection of this machine; 0: none does.

    psutil would read each connection of the machine for each process: too long for a loop that measures.
    """
    ends = rf" 0100007F:{server:04X} 0100007F:{client:04X} (?:\S+ +){{6}}(\d+)"
    found = re.search(ends, CONNECTIONS.read_text())
    held = f"socket:[{found[1]}]" if found else ""
    return next((process.pid for process in processes if held in _sockets(process.pid)), 0)


def _sockets(pid: int) -> Iterator[str]:
    files = Path(f"/proc/{pid}/fd")
    for name in os.listdir(files) if files.exists() else ():
        with contextlib.suppress(OSError):  # closed meanwhile
            yield os.readlink(files / name)


def _said(body: Any) -> str:
    """The reason in an answer: of an error, or of /readyz."""
    if not isinstance(body, dict):
        return ""
    if "parts" in body:
        return "; ".join(f"{name}: {part['reason']}" for name, part in body["parts"].items() if not part["ready"])
    error = body.get("error", {})
    return f"{error.get('code', '')} {error.get('message', '')}".strip()
