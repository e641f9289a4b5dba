"""Razorpay's errors, in its own words."""

from typing import Any


class ApiError(Exception):
    """The request is refused and changed nothing. `field`: the wrong parameter."""

    status = 400
    code = "BAD_REQUEST_ERROR"
    where = ("business", "payment_initiation", "input_validation_failed")

    def __init__(self, description: str, field: str | None = None) -> None:
        self.description = description
        self.field = field
        super().__init__(description)

    def body(self) -> dict[str, Any]:
        """The response body, in Razorpay's form."""
        return {"error": error_of(self.code, self.description, self.where, field=self.field)}


class Unauthenticated(ApiError):
    """The key id and secret are not those of the account."""

    status = 401
    where = ("NA", "NA", "NA")


class IdempotencyConflict(ApiError):
    """The idempotency key was used for another request."""

    status = 409
    where = ("NA", "NA", "NA")


class ServerFailure(ApiError):
    """Razorpay itself fails."""

    status = 500
    code = "SERVER_ERROR"
    where = ("internal", "NA", "server_error")


def error_of(
    code: str,
    description: str,
    where: tuple[str, str, str],
    *,
    field: str | None = None,
    metadata: dict[str, str] | None = None,
) -> dict[str, Any]:
    """An error as responses, checkout pages and failed payments contain it. `where`: source, step, reason."""
    source, step, reason = where
    error: dict[str, Any] = {
        "code": code,
        "description": description,
        "source": source,
        "step": step,
        "reason": reason,
        "metadata": metadata or {},
    }
    return error if field is None else {**error, "field": field}
