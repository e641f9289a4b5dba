"""The operations of Razorpay's API that the ledger uses: their routes, and how requests are read and answered."""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ledger.sandbox.api_calls import run_call
from ledger.sandbox.razorpay import customers, disputes, orders, payment_links, payments, refunds, settlements
from ledger.sandbox.razorpay.errors import ApiError, ServerFailure, Unauthenticated
from ledger.sandbox.razorpay.merchant import NAME, Call, Merchant
from ledger.sandbox.razorpay.params import Params, shown
from ledger.sandbox.razorpay.timers import run_due_timers
from ledger.sandbox.sandbox import Sandbox
from ledger.sandbox.store import Document


class Operation(NamedTuple):
    """One operation. `name`: its name for faults and call counts."""

    method: str
    path: str
    name: str
    do: Callable[[Merchant, Call], Document]


OPERATIONS = (
    Operation("POST", "/v1/customers", "customers.create", customers.create),
    Operation("GET", "/v1/customers", "customers.list", customers.list_),
    Operation("GET", "/v1/customers/{id}", "customers.fetch", customers.fetch),
    Operation("PUT", "/v1/customers/{id}", "customers.edit", customers.edit),
    Operation("POST", "/v1/orders", "orders.create", orders.create),
    Operation("GET", "/v1/orders", "orders.list", orders.list_),
    Operation("GET", "/v1/orders/{id}", "orders.fetch", orders.fetch),
    Operation("GET", "/v1/orders/{id}/payments", "orders.payments", orders.payments),
    Operation("GET", "/v1/payments", "payments.list", payments.list_),
    Operation("GET", "/v1/payments/{id}", "payments.fetch", payments.fetch),
    Operation("POST", "/v1/payments/{id}/capture", "payments.capture", payments.capture),
    Operation("POST", "/v1/payments/{id}/refund", "refunds.create", refunds.create),
    Operation("GET", "/v1/payments/{id}/refunds", "payments.refunds", refunds.of_payment),
    Operation("GET", "/v1/refunds", "refunds.list", refunds.list_),
    Operation("GET", "/v1/refunds/{id}", "refunds.fetch", refunds.fetch),
    Operation("GET", "/v1/disputes", "disputes.list", disputes.list_),
    Operation("GET", "/v1/disputes/{id}", "disputes.fetch", disputes.fetch),
    Operation("GET", "/v1/settlements", "settlements.list", settlements.list_),
    Operation("GET", "/v1/settlements/recon/combined", "settlements.reconciliation", settlements.reconciliation),
    Operation("GET", "/v1/settlements/{id}", "settlements.fetch", settlements.fetch),
    Operation("POST", "/v1/payment_links", "payment_links.create", payment_links.create),
    Operation("GET", "/v1/payment_links", "payment_links.list", payment_links.list_),
    Operation("GET", "/v1/payment_links/{id}", "payment_links.fetch", payment_links.fetch),
    Operation("POST", "/v1/payment_links/{id}/cancel", "payment_links.cancel", payment_links.cancel),
)


def route(sandbox: Sandbox, merchant: Merchant, operation: Operation) -> Route:
    """The route of one operation."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()

        def do() -> Response:
            try:
                _refuse_stranger(merchant, request.headers.get("authorization", ""))
                run_due_timers(merchant)
                params = _params(request, body)
                key = request.headers.get("x-refund-idempotency")
                return JSONResponse(shown(operation.do(merchant, Call(params, request.path_params.get("id", ""), key))))
            except ApiError as error:
                return error_response(error)

        return await run_call(sandbox, NAME, operation.name, request, do, server_error)

    return Route(operation.path, endpoint, methods=[operation.method], name=operation.name)


def not_found(_request: Request) -> Response:
    """The response to an unknown path or method."""
    return error_response(ApiError("The requested URL was not found on the server."))


def server_error() -> Response:
    """Razorpay's response when it fails itself."""
    return error_response(ServerFailure("We are facing some trouble completing your request at the moment."))


def error_response(error: ApiError) -> Response:
    """The response for an error."""
    return JSONResponse(error.body(), error.status)


def _params(request: Request, body: bytes) -> Params:
    if request.method == "GET":
        return dict(request.query_params)
    try:
        params: Any = json.loads(body or b"{}")
    except ValueError:
        raise ApiError("The request body is not valid JSON") from None
    if not isinstance(params, dict):
        raise ApiError("The request body must be an object")
    return params


def _refuse_stranger(merchant: Merchant, authorization: str) -> None:
    scheme, _, credentials = authorization.partition(" ")
    try:
        key = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        key = b""
    if scheme.lower() != "basic" or not hmac.compare_digest(key, f"{merchant.key_id}:{merchant.key_secret}".encode()):
        raise Unauthenticated("Authentication failed")
