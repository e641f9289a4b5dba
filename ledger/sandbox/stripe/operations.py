"""Operations of Stripe's API over HTTP: who may call, what is given, one transaction, one form of answers."""

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ledger.sandbox.calls import performed
from ledger.sandbox.parts import Sandbox
from ledger.sandbox.store import Document
from ledger.sandbox.stripe.account import API_VERSION, Account
from ledger.sandbox.stripe.errors import API, INVALID, Refusal
from ledger.sandbox.stripe.expanding import expanded
from ledger.sandbox.stripe.forms import parse_form
from ledger.sandbox.stripe.idempotency import Answer, Keys, fingerprint
from ledger.sandbox.stripe.params import Params, read_params

KEY_PREFIXES = ("sk_test_sandbox", "rk_test_sandbox")


class Operation(NamedTuple):
    """One operation. `name`: as faults and counts call it. `run(account, params, **ids of the path)` → the answer."""

    name: str
    method: str
    path: str
    params: type[Params]
    run: Callable[..., Document]


class Api:
    """Answers requests of operations."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._keys = sandbox, Keys(sandbox)

    def route(self, operation: Operation) -> Route:
        """The operation's route."""

        async def endpoint(request: Request) -> Response:
            request_id = f"req_{secrets.token_hex(7)}"
            try:
                return await self._answer(operation, request, request_id)
            except Refusal as refusal:
                return _response(Answer(refusal.status, refusal.body, request_id), request_id)

        return Route(operation.path, endpoint, methods=[operation.method])

    async def _answer(self, operation: Operation, request: Request, request_id: str) -> Response:
        _authorize(request)
        posted = operation.method == "POST"
        given = parse_form((await request.body()).decode() if posted else request.url.query)
        params = read_params(operation.params, given)
        key = request.headers.get("Idempotency-Key") if posted else None
        asked = fingerprint(operation.method, request.url.path, given)
        account = Account(self._sandbox, request_id, key)

        def do() -> Response:
            answer = self._keys.kept(key, asked) if key else None
            if answer is None:
                answer = _run(account, operation, params, request.path_params, request_id)
                if key:
                    self._keys.keep(key, asked, answer)
            self._keys.release(key, request_id)
            return _response(answer, request_id)

        self._keys.take(key, request_id)
        try:
            return await performed(
                self._sandbox, "stripe", operation.name, request, do, lambda: _response(_broken(request_id), request_id)
            )
        finally:
            self._keys.release(key, request_id)


def not_found(request: Request) -> Response:
    """What Stripe says of a path that it doesn't have, or that the sandbox lacks."""
    refusal = Refusal(404, INVALID, f"Unrecognized request URL ({request.method}: {request.url.path}).")
    return JSONResponse(refusal.body, 404)


def _authorize(request: Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key.startswith(KEY_PREFIXES):
        said = "Invalid API Key provided: the sandbox takes only keys that begin with sk_test_sandbox."
        raise Refusal(401, INVALID, said)


def _run(account: Account, operation: Operation, params: Params, ids: dict[str, Any], request_id: str) -> Answer:
    try:
        answer = operation.run(account, params, **ids)
        return Answer(200, expanded(account, answer, params.expand), request_id)
    except Refusal as refusal:
        return Answer(refusal.status, refusal.body, request_id)


def _broken(request_id: str) -> Answer:
    refusal = Refusal(500, API, "An unknown error occurred")
    return Answer(500, refusal.body, request_id)


def _response(answer: Answer, request_id: str) -> Response:
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    if answer.replayed:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": answer.request_id}
    return JSONResponse(answer.body, answer.status, headers)
