"""How Stripe says no: a status and a body with type, code, message and the parameter."""

from typing import Any

DECLINED_CARD = "card_error"
INVALID = "invalid_request_error"
API = "api_error"
IDEMPOTENCY = "idempotency_error"


class Refusal(Exception):
    """An answer of 4xx. What was changed before it was raised stays: a declined payment is kept, as Stripe keeps it."""

    def __init__(self, status: int, type_: str, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": type_, "code": code, "message": message, **more}}
        if code is None:
            del self.body["error"]["code"]


def missing(object_: str, id_: str, param: str = "id", *, status: int = 404) -> Refusal:
    """There is no such object; 404 when the path names it, 400 when a parameter does."""
    return Refusal(status, INVALID, f"No such {object_.replace('_', ' ')}: '{id_}'", "resource_missing", param=param)


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """The request can't be done as it is."""
    return Refusal(400, INVALID, message, code, **({"param": param} if param else {}))


def declined(message: str, code: str, **more: Any) -> Refusal:
    """The bank said no."""
    return Refusal(402, DECLINED_CARD, message, code, **{name: value for name, value in more.items() if value})
