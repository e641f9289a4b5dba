"""Values as answers, where FastAPI can't tell the status from the route alone."""

from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from schemas.http import Pending

# Of a request that ends something.
ENDED_LATER: dict[int | str, dict[str, Any]] = {
    202: {"description": "It is ended here, and not on the log yet: a worker appends it when Kafka is back."}
}


def written(value: BaseModel, status: int) -> JSONResponse:
    """The answer to a write: 202 while the fold has not decided about it."""
    return JSONResponse(value.model_dump(mode="json"), 202 if isinstance(value, Pending) else status)


def ended(*, on_the_log: bool) -> Response:
    """The answer to a request that has ended something."""
    return Response(status_code=204 if on_the_log else 202)
