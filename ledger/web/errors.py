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

from ledger.core.errors import (
    AccountAlreadyOpened,
    IdReused,
    Invalid,
    LedgerError,
    TooLarge,
    Unsigned,
    error_of_code,
)
from ledger.core.pricing import NoRateInEffect
from ledger.gate.gate import GateUnavailable
from ledger.gate.holds import HoldClosed, HoldConflict, HoldUnknown, ProjectionBehind
from ledger.log.book import BookEmpty, BookNotReadable, BookStale
from ledger.log.connecting import CertificateUnusable, FoldOnly, LogUnavailable
from ledger.log.publisher import RecordRefused
from ledger.payments.documents.invoice_pdf import DocumentNotSet, LogoUnreadable
from ledger.payments.gateway import ProviderUnavailable, ProviderUnknown, WebhookForged, WebhookUnreadable
from ledger.payments.payment_methods import MethodInUse, PaymentMethodUnknown
from ledger.payments.top_up_collectors import NoPaymentMethod
from ledger.payments.top_up_policies import NoAddressForLinks
from ledger.payments.webhooks import WebhookOfOtherMode
from ledger.postgres.release import WRONG_SHAPE, OtherRelease
from ledger.records.idempotency import IdempotencyConflict
from ledger.records.invoices import InvoiceUnknown
from ledger.records.notices import DeliveryUnknown
from ledger.records.profiles import TaxIdUnknown
from ledger.records.webhook_endpoints import EndpointEnded, EndpointUnknown
from ledger.reports.month_report import MonthDoesNotClose
from ledger.service.authentication import Unauthorized
from ledger.service.caller import AccountUnknown, ScopeMissing
from ledger.service.cursors import InvalidCursor
from ledger.service.provider_webhooks import WebhookUndecided
from ledger.service.quarantine import AlreadyDecided, NotInQuarantine
from ledger.service.reports import OperatorOnly
from ledger.service.revoked_keys import RevocationsUnknown
from ledger.service.transactions import TransactionUnknown
from ledger.service.usage import BatchTooLarge, NotForRouters
from ledger.views.purchases import PurchaseUnknown
from schemas.fields import fault_of

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


# A class that is not here has the status of its nearest base class. 422: the rules refuse the event.
STATUS: Mapping[type[LedgerError], int] = {
    LedgerError: 422,
    InvalidCursor: 400,
    WebhookForged: 400,
    WebhookOfOtherMode: 400,
    WebhookUnreadable: 400,
    Unauthorized: 401,
    FoldOnly: 403,
    OperatorOnly: 403,
    ScopeMissing: 403,
    NotForRouters: 403,
    Unsigned: 403,
    AccountUnknown: 404,
    DeliveryUnknown: 404,
    EndpointUnknown: 404,
    HoldUnknown: 404,
    InvoiceUnknown: 404,
    NotInQuarantine: 404,
    PaymentMethodUnknown: 404,
    PurchaseUnknown: 404,
    TaxIdUnknown: 404,
    TransactionUnknown: 404,
    AccountAlreadyOpened: 409,
    EndpointEnded: 409,
    AlreadyDecided: 409,
    HoldClosed: 409,
    HoldConflict: 409,
    IdReused: 409,
    IdempotencyConflict: 409,
    MethodInUse: 409,
    NoAddressForLinks: 409,
    NoPaymentMethod: 409,
    BatchTooLarge: 413,
    TooLarge: 413,
    RecordRefused: 422,
    DocumentNotSet: 500,
    LogoUnreadable: 500,
    MonthDoesNotClose: 500,
    BookEmpty: 503,
    BookNotReadable: 503,
    BookStale: 503,
    CertificateUnusable: 503,
    GateUnavailable: 503,
    LogUnavailable: 503,
    NoRateInEffect: 503,
    OtherRelease: 503,
    ProjectionBehind: 503,
    ProviderUnavailable: 503,
    ProviderUnknown: 503,
    RevocationsUnknown: 503,
    WebhookUndecided: 503,
}


def status_of(kind: type[LedgerError]) -> int:
    """The status of an error's class."""
    return next(STATUS[each] for each in kind.__mro__ if each in STATUS)


def status_of_code(code: str) -> int:
    """The status of a class that another process or a table names by its code."""
    return status_of(error_of_code(code) or LedgerError)


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
    """The answer to an exception that is not one of the known ones."""
    message = "Something went wrong here; the request's id finds it in our log."
    return error_response(request_id, ApiError(500, "internal_error", message))


def api_error_of(error: LedgerError) -> ApiError:
    """An error of the ledger as an answer."""
    return ApiError(status_of(type(error)), error.code, str(error), error.field)


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
    fault = fault_of(cast(ErrorDetails, {**problem, "loc": problem["loc"][1:]}))
    return ApiError(422, Invalid.code, str(fault), fault.field)


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
    psycopg.errors.IdleInTransactionSessionTimeout: _database_error,  # this process was stopped meanwhile
}


async def _handle(request: Request, error: Exception) -> JSONResponse:
    return answer_of(error, getattr(request.state, "request_id", None))


async def _fail(request: Request, error: Exception) -> JSONResponse:
    """After the answer Starlette raises the exception again, so that it comes to the log."""
    return failure(getattr(request.state, "request_id", None))
