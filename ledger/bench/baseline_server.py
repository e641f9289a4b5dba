"""The baseline of the gate's benchmark: the same server without decisions.

`python -m ledger.bench.baseline_server PORT`.
"""

import sys

from starlette.types import Receive, Scope, Send

from ledger.asgi_server import serve_app

_BODY = b'{"id":"01a20154-db6f-7dd0-a943-0291071897c3","amount":"0.000001"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads a request and always responds with 201."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


if __name__ == "__main__":
    serve_app(app, "127.0.0.1", int(sys.argv[1]))
