"""Stripe's errors: a status, and a body with type, code, message and parameter."""

from typing import Any

DECLINED_CARD = "card_error"
INVALID = "invalid_request_error"
API = "api_error"
IDEMPOTENCY = "idempotency_error"


class ApiError(Exception):
    """A 4xx response. Changes made before it was raised are kept: a declined payment stays, as at Stripe."""

    def __init__(self, status: int, type_: str, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": type_, "code": code, "message": message, **more}}
        if code is None:
            del self.body["error"]["code"]


def missing(object_: str, id_: str, param: str = "id", *, status: int = 404) -> ApiError:
    """The object does not exist: 404 if the path names it, 400 if a parameter does."""
    return ApiError(status, INVALID, f"No such {object_.replace('_', ' ')}: '{id_}'", "resource_missing", param=param)


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """The request is not valid."""
    return ApiError(400, INVALID, message, code, **({"param": param} if param else {}))


def declined(message: str, code: str, **more: Any) -> ApiError:
    """The bank declines."""
    return ApiError(402, DECLINED_CARD, message, code, **{name: value for name, value in more.items() if value})
