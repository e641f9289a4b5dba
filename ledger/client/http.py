"""Over HTTP, for routers without Kafka: `POST /v1/usage`, one request at a time.

The API takes a batch as a whole or not at all. What it refuses is set aside, the others are sent again. Whatever is
not about the events themselves (no answer, 5xx, 429, a key that is not valid, a wrong URL) is tried again for ever.
"""

from collections.abc import Sequence
from typing import Any

import httpx

from ledger.client.delivery import Outcome
from ledger.client.spool import Refusal, Waiting

_ABOUT_THE_EVENTS = {400, 413, 422}


class HttpTransport:
    """`key`: an API key with the scope `usage:write`."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents-batch+json"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(15, connect=5))

    def send(self, portion: Sequence[Waiting]) -> Outcome:
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
            return Outcome(refused=[_refusal(portion[item["index"]].seq, item) for item in items])
        if answer.status_code in _ABOUT_THE_EVENTS:
            return self._narrowed(portion, problem)
        return Outcome(trouble=f"{answer.status_code} {problem['code']}: {problem['message']}")

    def close(self) -> None:
        """See Transport."""
        self._client.close()

    def _narrowed(self, portion: Sequence[Waiting], problem: dict[str, Any]) -> Outcome:
        """Halves a batch that is refused without saying which event is wrong, as a proxy that bounds bodies does."""
        if len(portion) == 1:
            return Outcome(refused=[_refusal(portion[0].seq, problem)])
        middle = len(portion) // 2
        first = self.send(portion[:middle])
        # What is left goes with the next portion, behind what isn't through yet.
        return first if first.trouble or first.refused else _sum(first, self.send(portion[middle:]))


def _sum(first: Outcome, second: Outcome) -> Outcome:
    return Outcome([*first.delivered, *second.delivered], second.refused, second.trouble)


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer, also of one that is not the ledger's own."""
    try:
        error = answer.json()["error"]
        more = {"items": error.get("items"), "param": error.get("param")}
        return {"code": str(error["code"]), "message": str(error["message"]), **more}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {"code": "http_error", "message": answer.reason_phrase}


def _refusal(seq: int, problem: dict[str, Any]) -> Refusal:
    return Refusal(seq, str(problem["code"]), str(problem["message"]))
