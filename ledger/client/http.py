"""The HTTP transport, for routers without Kafka: `POST /v1/usage`, one request at a time.

The API accepts a batch as a whole or not at all. Events that it rejects are set aside, and the others are sent again.
Every failure that is not about the events (no response, 5xx, 429, an invalid key, a wrong URL) is retried without end.
"""

from collections.abc import Sequence
from typing import Any

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
            answer = self._client.post("/v1/usage", content=body)
        except httpx.HTTPError as error:
            return Outcome(trouble=repr(error))
        if answer.status_code == 202:
            return Outcome(delivered=[seq for seq, _ in portion])
        problem = problem_of(answer)
        if items := problem.get("items"):
            return Outcome(rejected=[_rejection(portion[item["index"]].seq, _of_one(item)) for item in items])
        if answer.status_code in _EVENTS_ARE_WRONG:
            return self._narrowed(portion, problem)
        return Outcome(trouble=f"{answer.status_code} {problem['code']}: {problem['message']}")

    def close(self) -> None:
        """See Transport."""
        self._client.close()

    def _narrowed(self, portion: Sequence[SpooledEvent], problem: dict[str, Any]) -> Outcome:
        """Halves a batch when the response does not name the wrong event, for example a 413 from a proxy."""
        if len(portion) == 1:
            return Outcome(rejected=[_rejection(portion[0].seq, problem)])
        middle = len(portion) // 2
        first = self.send(portion[:middle])
        # If the first half fails, the second goes with the next batch: an account's events stay in order.
        return first if first.trouble or first.rejected else _sum(first, self.send(portion[middle:]))


def _sum(first: Outcome, second: Outcome) -> Outcome:
    return Outcome([*first.delivered, *second.delivered], second.rejected, second.trouble)


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of a response: `code`, `message`, `items`, `param`.

    `code` is "http_error" if it is not the ledger's.
    """
    try:
        error = answer.json()["error"]
        more = {"items": error.get("items"), "param": error.get("param")}
        return {"code": str(error["code"]), "message": str(error["message"]), **more}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {"code": "http_error", "message": answer.reason_phrase}


def _of_one(item: dict[str, Any]) -> dict[str, Any]:
    """The problem of one event of a batch: `param` is "data.model" where the batch's is "[3].data.model"."""
    place = f"[{item['index']}]"
    return item | {"param": str(item.get("param") or "").removeprefix(place).removeprefix(".") or None}


def _rejection(seq: int, problem: dict[str, Any]) -> Rejection:
    return Rejection(seq, str(problem["code"]), str(problem["message"]), problem.get("param"))
