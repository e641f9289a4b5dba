"""Errors over HTTP: which status each error of the ledger has, always in one shape, the request's id with it.

`{"error": {"message", "type", "code", "param", "request_id"}}`; the 402 of authorizations alone has a body of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from ledger.core.errors import LedgerError
from ledger.records.release import WRONG_SHAPE, OtherRelease
from schemas.fields import reason_of

RETRY_AFTER = {"Retry-After": "2"}
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: RETRY_AFTER}

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    409: "conflict_error",
    500: "internal_error",
    503: "unavailable_error",
}
_STATUS = {
    "account_already_opened": 409,
    "account_unknown": 404,
    "book_empty": 503,
    "book_not_readable": 503,
    "book_stale": 503,
    "certificate_unusable": 503,
    "database_newer": 503,
    "database_older": 503,
    "delivery_unknown": 404,
    "document_not_set": 500,
    "endpoint_ended": 409,
    "endpoint_unknown": 404,
    "fold_only": 403,
    "gate_unavailable": 503,
    "hold_closed": 409,
    "hold_conflict": 409,
    "hold_unknown": 404,
    "id_reused": 409,
    "idempotency_conflict": 409,
    "invalid_cursor": 400,
    "invoice_unknown": 404,
    "invalid_json": 400,
    "kafka_forbids": 503,
    "kafka_refuses_user": 503,
    "kafka_tls_failed": 503,
    "log_refused": 503,
    "log_unavailable": 503,
    "logo_unreadable": 500,
    "method_in_use": 409,
    "migration_changed": 503,
    "month_does_not_close": 500,
    "not_for_routers": 403,
    "not_migrated": 503,
    "no_address_for_links": 409,
    "no_payment_method": 409,
    "no_rate_in_effect": 503,
    "other_release": 503,
    "payment_method_unknown": 404,
    "projection_behind": 503,
    "provider_unavailable": 503,
    "provider_unknown": 503,
    "purchase_unknown": 404,
    "revocations_unknown": 503,
    "tax_id_unknown": 404,
    "too_large": 413,
    "transaction_unknown": 404,
    "unsigned": 403,
    "views_outdated": 503,
    "webhook_forged": 400,
    "webhook_of_other_mode": 400,
    "webhook_undecided": 503,
    "webhook_unreadable": 400,
    "unauthorized": 401,
    "scope_missing": 403,
}
_HTTP_CODES = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}

log = structlog.get_logger()


class ApiError(HTTPException):
    """An answer with a status of 400 or more. `items`: what is wrong with each event of a batch."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        *,
        items: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers) if headers else None)
        self.code = code
        self.message = message
        self.param = param
        self.items = items


def status_of(code: str) -> int:
    """The status of an error of the ledger by its code; 422 for whatever the rules refuse."""
    return _STATUS.get(code, 422)


def param_of(reason: str) -> str | None:
    """The field that a reason names: it stands in front, "data.model: …"."""
    field, colon, _ = reason.partition(": ")
    return field if colon and " " not in field and field != "record" else None


def install(app: FastAPI) -> None:
    """Answers every exception in the one shape."""
    for kind in _KNOWN:
        app.add_exception_handler(kind, _handle)
    app.add_exception_handler(Exception, _fail)


def answer_of(error: Exception, request_id: str | None) -> JSONResponse:
    """The answer for an exception that we know; any other one is raised again."""
    known = api_error_for(error)
    if known is None:
        raise error
    return error_response(request_id, known)


def api_error_for(error: Exception) -> ApiError | None:
    """What is answered to an exception; None when it is not one that we know."""
    return next((api_error(error) for kind, api_error in _KNOWN.items() if isinstance(error, kind)), None)


def error_response(request_id: str | None, error: ApiError) -> JSONResponse:
    """The answer for an error."""
    body: dict[str, Any] = {
        "message": error.message,
        "type": _TYPES.get(error.status_code, "invalid_request_error"),
        "code": error.code,
        "param": error.param,
        "request_id": request_id,
    }
    if error.items is not None:
        body["items"] = error.items
    headers = dict(error.headers or {}) | _HEADERS.get(error.status_code, {})
    return JSONResponse({"error": body}, error.status_code, headers)


def failure(request_id: str | None) -> JSONResponse:
    """The answer when something went wrong that nobody thought of."""
    said = "Something went wrong here; the request's id finds it in our log."
    return error_response(request_id, ApiError(500, "internal_error", said))


def api_error_of(error: LedgerError) -> ApiError:
    """An error of the ledger as an answer."""
    return ApiError(status_of(error.code), error.code, error.message, error.field)


def _http_error(error: Any) -> ApiError:
    if isinstance(error, ApiError):
        return error
    code = _HTTP_CODES.get(error.status_code, "http_error")
    return ApiError(error.status_code, code, str(error.detail), headers=error.headers)


def _validation_error(error: Any) -> ApiError:
    problem = error.errors()[0]
    if problem["type"] == "json_invalid":
        return ApiError(400, "invalid_json", "The body is not JSON.")
    # The first part says where it was looked for: body, query, path, header.
    reason = reason_of(cast(ErrorDetails, {**problem, "loc": problem["loc"][1:]}))
    return ApiError(422, "invalid", reason, param_of(reason))


def _database_error(error: Any) -> ApiError:
    log.warning("database_unavailable", error=type(error).__name__, detail=str(error))
    if isinstance(error, WRONG_SHAPE):
        return api_error_of(OtherRelease())
    return ApiError(503, "database_unavailable", "Postgres does not answer; try again.")


_KNOWN: dict[type[Exception], Callable[[Any], ApiError]] = {
    HTTPException: _http_error,
    RequestValidationError: _validation_error,
    LedgerError: api_error_of,
    psycopg.OperationalError: _database_error,
    **dict.fromkeys(WRONG_SHAPE, _database_error),
    psycopg.errors.IdleInTransactionSessionTimeout: _database_error,  # we stood still, and go on now
}


async def _handle(request: Request, error: Exception) -> JSONResponse:
    return answer_of(error, getattr(request.state, "request_id", None))


async def _fail(request: Request, error: Exception) -> JSONResponse:
    """After the answer Starlette raises the exception again, so that it comes to the log."""
    return failure(getattr(request.state, "request_id", None))
