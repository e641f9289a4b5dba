"""The HTTP transport, for routers without Kafka: `POST /v1/usage`, one request at a time.

The API accepts a batch as a whole or not at all. Events that it rejects are set aside, and the others are sent again.
Every failure that is not about the events (no response, 5xx, 429, an invalid key, a wrong URL) is retried without end.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx

from ledger.client.delivery import Outcome
from ledger.client.spool import Rejection, SpooledEvent

_EVENTS_ARE_WRONG = {400, 413, 422}


class HttpTransport:
    """`key`: an API key with the scope `usage:write`."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents-batch+json"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(15, connect=5))

    def send(self, portion: Sequence[SpooledEvent]) -> Outcome:
        """See Transport."""
        body = b"[" + b",".join(event.value for _, event in portion) + b"]"
        try:
            response = self._client.post("/v1/usage", content=body)
        except httpx.HTTPError as error:
            return Outcome(trouble=repr(error))
        if response.status_code == 202:
            return Outcome(delivered=[seq for seq, _ in portion])
        problem = problem_of(response)
        if problem.items:
            return Outcome(rejected=[_item_rejection(portion, item) for item in problem.items])
        if response.status_code in _EVENTS_ARE_WRONG:
            return self._narrowed(portion, problem)
        return Outcome(trouble=f"{response.status_code} {problem.code}: {problem.message}")

    def close(self) -> None:
        """See Transport."""
        self._client.close()

    def _narrowed(self, portion: Sequence[SpooledEvent], problem: "Problem") -> Outcome:
        """Halves a batch when the response does not name the wrong event, for example a 413 from a proxy."""
        if len(portion) == 1:
            return Outcome(rejected=[Rejection(portion[0].seq, problem.code, problem.message, problem.field)])
        middle = len(portion) // 2
        first = self.send(portion[:middle])
        # If the first half fails, the second goes with the next batch: an account's events stay in order.
        return first if first.trouble or first.rejected else _sum(first, self.send(portion[middle:]))


def _sum(first: Outcome, second: Outcome) -> Outcome:
    return Outcome([*first.delivered, *second.delivered], second.rejected, second.trouble)


class Problem(NamedTuple):
    """The error in a response. `message` begins with the field, if there is one. `items`: one per wrong event."""

    code: str
    message: str
    field: str | None = None
    items: Sequence[dict[str, Any]] = ()

    @property
    def reason(self) -> str:
        """The message without the field."""
        return self.message.removeprefix(f"{self.field}: ")


def problem_of(response: httpx.Response) -> Problem:
    """The error in a response. Its code is "http_error" if the response does not come from the ledger."""
    try:
        error = response.json()["error"]
        return Problem(str(error["code"]), str(error["message"]), error.get("param"), error.get("items") or ())
    except (ValueError, LookupError, TypeError, AttributeError):
        return Problem("http_error", response.reason_phrase)


def _item_rejection(portion: Sequence[SpooledEvent], item: dict[str, Any]) -> Rejection:
    """The rejection of one event of a batch. Its field is "data.model" where the batch's is "[3].data.model"."""
    place = f"[{item['index']}]"
    field = str(item.get("param") or "").removeprefix(place).removeprefix(".") or None
    return Rejection(portion[item["index"]].seq, str(item["code"]), str(item["message"]), field)
