"""Refusals in Razorpay's words: what a client of its API is told, field by field."""

from typing import Any


class Refusal(Exception):
    """The request is refused and nothing has happened. `field`: the parameter that is wrong."""

    status = 400
    code = "BAD_REQUEST_ERROR"
    where = ("business", "payment_initiation", "input_validation_failed")

    def __init__(self, description: str, field: str | None = None) -> None:
        self.description = description
        self.field = field
        super().__init__(description)

    def body(self) -> dict[str, Any]:
        """The answer, as Razorpay writes it."""
        return {"error": error_of(self.code, self.description, self.where, field=self.field)}


class Unauthenticated(Refusal):
    """The key id and secret are not those of the account."""

    status = 401
    where = ("NA", "NA", "NA")


class IdempotencyConflict(Refusal):
    """The idempotency key was used for another request."""

    status = 409
    where = ("NA", "NA", "NA")


class ServerFailure(Refusal):
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
    """An error as answers, checkout pages and failed payments carry it. `where`: source, step, reason."""
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
