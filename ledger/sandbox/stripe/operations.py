"""Operations of Stripe's API over HTTP: authentication, parameters, one transaction, and the form of responses."""

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ledger.sandbox.api_calls import run_call
from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.store import Document
from ledger.sandbox.stripe.errors import API, INVALID, ApiError
from ledger.sandbox.stripe.expansion import expanded
from ledger.sandbox.stripe.forms import parse_form
from ledger.sandbox.stripe.idempotency import IdempotencyKeys, StoredResponse, fingerprint
from ledger.sandbox.stripe.params import Params, read_params
from ledger.sandbox.stripe.stripe_account import API_VERSION, StripeAccount

KEY_PREFIXES = ("sk_test_sandbox", "rk_test_sandbox")


class Operation(NamedTuple):
    """One operation.

    `name`: its name for faults and call counts. `run(account, params, **ids in the path)` → the object.
    """

    name: str
    method: str
    path: str
    params: type[Params]
    run: Callable[..., Document]


class Api:
    """Answers the requests of operations."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._keys = sandbox, IdempotencyKeys(sandbox)

    def route(self, operation: Operation) -> Route:
        """The operation's route."""

        async def endpoint(request: Request) -> Response:
            request_id = f"req_{secrets.token_hex(7)}"
            try:
                return await self._answer(operation, request, request_id)
            except ApiError as error:
                return _response(StoredResponse(error.status, error.body, request_id), request_id)

        return Route(operation.path, endpoint, methods=[operation.method])

    async def _answer(self, operation: Operation, request: Request, request_id: str) -> Response:
        _authorize(request)
        posted = operation.method == "POST"
        given = parse_form((await request.body()).decode() if posted else request.url.query)
        params = read_params(operation.params, given)
        key = request.headers.get("Idempotency-Key") if posted else None
        asked = fingerprint(operation.method, request.url.path, given)
        account = StripeAccount(self._sandbox, request_id, key)

        def do() -> Response:
            answer = self._keys.stored(key, asked) if key else None
            if answer is None:
                answer = _run(account, operation, params, request.path_params, request_id)
                if key:
                    self._keys.store(key, asked, answer)
            self._keys.end(key, request_id)
            return _response(answer, request_id)

        self._keys.begin(key, request_id)
        try:
            return await run_call(
                self._sandbox,
                "stripe",
                operation.name,
                request,
                do,
                lambda: _response(_server_error(request_id), request_id),
            )
        finally:
            self._keys.end(key, request_id)


def not_found(request: Request) -> Response:
    """Stripe's response to a path that does not exist, or that the sandbox lacks."""
    error = ApiError(404, INVALID, f"Unrecognized request URL ({request.method}: {request.url.path}).")
    return JSONResponse(error.body, 404)


def _authorize(request: Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key.startswith(KEY_PREFIXES):
        message = "Invalid API Key provided: the sandbox takes only keys that begin with sk_test_sandbox."
        raise ApiError(401, INVALID, message)


def _run(
    account: StripeAccount, operation: Operation, params: Params, ids: dict[str, Any], request_id: str
) -> StoredResponse:
    try:
        answer = operation.run(account, params, **ids)
        return StoredResponse(200, expanded(account, answer, params.expand), request_id)
    except ApiError as error:
        return StoredResponse(error.status, error.body, request_id)


def _server_error(request_id: str) -> StoredResponse:
    error = ApiError(500, API, "An unknown error occurred")
    return StoredResponse(500, error.body, request_id)


def _response(answer: StoredResponse, request_id: str) -> Response:
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    if answer.replayed:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": answer.request_id}
    return JSONResponse(answer.body, answer.status, headers)
