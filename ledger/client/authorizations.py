"""Asking the gate: an answer within a short time, one hold for one question, and what to do when there is none.

A question has an Idempotency-Key, so asking again after a lost answer gives the same hold. A question that is given up
may have made a hold all the same; that one is released in the background.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypedDict

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from ledger.client.asking import Question, Steps
from ledger.client.errors import (
    AuthorizationEnded,
    GateClosed,
    InsufficientCredits,
    InvalidAuthorization,
    UnsuitableOption,
)
from ledger.client.events import invalid
from ledger.client.grace import Grace, Grant
from ledger.client.http import problem_of
from ledger.client.releases import PATH, Releases
from schemas.events import Mode
from schemas.fields import json_of
from schemas.http import Extension, NewAuthorization
from schemas.money import Credits, parse_nanos

Fail = Literal["closed", "open"]

_CREDITS: TypeAdapter[str] = TypeAdapter(Credits)
_ATTEMPTS = 2
_HELD_SECONDS = 300
_ABOUT_THE_QUESTION = {400, 409, 413, 422}
_ENDED = {"hold_closed", "hold_unknown"}
_BEHIND = "projection_behind"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class FailFields(TypedDict, total=False):
    """What no answer means. `fail` "open": it is a yes, for as much as `grace` (credits) of the account's grace."""

    fail: Fail
    grace: str | None


class AskFields(FailFields, total=False):
    """What to hold: an `amount` (credits), or a call that the book prices, or nothing, which holds the default.

    `ttl`: seconds until the hold expires. `clamp`: grant the largest affordable output instead of refusing.
    """

    amount: str | None
    provider: str | None
    model: str | None
    mode: Mode | None
    input_tokens: int | None
    max_output_tokens: int | None
    ttl: int | None
    api_key_id: str | None
    clamp: bool


@dataclass(frozen=True, eq=False)
class Authorization:
    """A request may run. Amounts are credits as text.

    `id` None: the gate is closed, and the request was let through without a hold, within the account's grace.
    """

    account_id: str
    amount: str
    """What is held; without a hold, what it takes of the grace."""
    id: str | None = None
    max_output_tokens: int | None = None
    """The output that the hold pays for; None when it was not priced."""
    expires_at: datetime | None = None
    available: str | None = None
    """What is left for other requests, where that is known."""
    grant: Grant | None = field(default=None, repr=False)

    @property
    def granted_without_hold(self) -> bool:
        """Whether nothing is held for it."""
        return self.id is None


class _Said(BaseModel):
    """What the gate answers, whatever it was asked."""

    id: str
    account_id: str
    amount: str
    max_output_tokens: int | None
    expires_at: datetime
    available: str | None = None
    state: str = "open"


class GateOptions(NamedTuple):
    """Where the gate is. `seconds`: how long a question may take. `grace`: credits per account and process."""

    api: str
    key: str
    seconds: float
    grace: str

    def client(self) -> dict[str, Any]:
        """As httpx takes it."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return {"base_url": self.api, "headers": headers, "timeout": self.seconds}


class Gate:
    """What can be asked, as steps. Raises UnsuitableOption for a grace that is no amount."""

    def __init__(self, options: GateOptions) -> None:
        self.options = options
        self.grace = Grace(parse_nanos(_credits(options.grace)))
        self.releases = Releases(lambda: httpx.Client(**options.client()))

    def authorize(self, account_id: str, ask: AskFields) -> Steps[Authorization]:
        """Raises InsufficientCredits, GateClosed, InvalidAuthorization, UnsuitableOption."""
        fields: dict[str, Any] = {**ask}
        fail, grace = fields.pop("fail", "closed"), fields.pop("grace", None)
        try:
            body = NewAuthorization.model_validate({"account_id": account_id, **fields})
        except ValidationError as error:
            raise invalid(InvalidAuthorization, error) from None
        taken = grace_of(fail, grace or body.amount)
        try:
            return (yield from self._hold(body))
        except GateClosed as closed:
            if fail == "closed":
                raise
            grant = self._let_through(account_id, taken, closed)
            return Authorization(account_id, taken, max_output_tokens=body.max_output_tokens, grant=grant)

    def let_through(self, held: Authorization, grace: str, closed: GateClosed) -> Authorization:
        """For the rest of a request whose hold can't be extended. Raises GateClosed when the grace is used up."""
        return replace(held, grant=self._let_through(held.account_id, grace, closed))

    def extend(self, held: Authorization, body: Extension) -> Steps[Authorization]:
        """Raises InsufficientCredits, GateClosed, AuthorizationEnded, InvalidAuthorization.

        After a lost answer the hold tells whether it was extended; asking twice could hold twice.
        """
        if held.grant is not None or held.id is None:
            return held
        question = self._question("POST", f"{PATH}/{held.id}/extend", json_of(body))
        if body.renews_only:  # twice is harmless
            return _granted((yield from self._answer(question)))
        trouble: httpx.TransportError | None = None
        for _ in range(_ATTEMPTS):
            try:
                return _granted((yield question))
            except httpx.TransportError as error:
                trouble = error
            now = _granted((yield from self._answer(self._question("GET", f"{PATH}/{held.id}"))))
            if parse_nanos(now.amount) > parse_nanos(held.amount):
                return now
        raise GateClosed(repr(trouble), in_doubt=True)

    def give_back(self, held: Authorization) -> None:
        """For a request that produced nothing; at once, the ledger hears of it in the background."""
        if held.grant is not None:
            self.grace.give_back(held.grant)
        if held.id is not None:
            self.releases.release(held.id, held.expires_at or _until(None))

    def settling(self, held: Authorization, event_id: str) -> None:
        """This event is its usage; say so before the event is recorded."""
        if held.grant is not None:
            self.grace.expect(event_id, held.grant)

    def _hold(self, body: NewAuthorization) -> Steps[Authorization]:
        question = self._question("POST", PATH, json_of(body), {"Idempotency-Key": secrets.token_hex(16)})
        try:
            held = _granted((yield from self._answer(question)))
            self.grace.decided(body.account_id)
            return held
        except InsufficientCredits:
            self.grace.decided(body.account_id)
            raise
        except InvalidAuthorization:
            raise
        except BaseException as error:  # also Ctrl-C and a cancelled task: nobody will know the hold
            if not isinstance(error, GateClosed) or error.in_doubt:
                self.releases.undo(question, _until(body.ttl))
            raise

    def _answer(self, question: Question) -> Steps[httpx.Response]:
        """Asks again, once, when no answer came. Raises GateClosed."""
        trouble: httpx.TransportError | None = None
        for _ in range(_ATTEMPTS):
            try:
                return (yield question)
            except httpx.TransportError as error:
                trouble = error if trouble is None or isinstance(trouble, _NOT_SENT) else trouble
        raise GateClosed(repr(trouble), in_doubt=not isinstance(trouble, _NOT_SENT))

    def _question(
        self, method: str, path: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Question:
        if not self.options.api:
            raise UnsuitableOption("asking the gate needs the API's URL and a key", field="api")
        return Question(method, path, content, headers or {}, self.options.seconds / _ATTEMPTS)

    def _let_through(self, account_id: str, credits: str, closed: GateClosed) -> Grant:
        grant = self.grace.take(account_id, parse_nanos(credits))
        if grant is None:
            raise GateClosed(f"{closed.detail}; the account's grace is used up", in_doubt=closed.in_doubt) from None
        return grant


def extension(**fields: Any) -> Extension:
    """More for a request under way. Raises InvalidAuthorization."""
    try:
        return Extension.model_validate(fields)
    except ValidationError as error:
        raise invalid(InvalidAuthorization, error) from None


def grace_of(fail: Fail, credits: str | None) -> str:
    """What a request takes of its account's grace when there is no answer. Raises UnsuitableOption."""
    if fail == "closed":
        return "0"
    if fail != "open":
        raise UnsuitableOption("closed or open", field="fail")
    if credits is None or parse_nanos(_credits(credits)) == 0:
        raise UnsuitableOption("a request that fails open says how many credits of the grace it takes", field="grace")
    return credits


def _credits(text: str) -> str:
    try:
        return _CREDITS.validate_python(text, strict=True)
    except ValidationError as error:
        raise UnsuitableOption(error.errors()[0]["msg"], field="grace") from None


def _until(ttl: int | None) -> datetime:
    """When a hold that is made now has expired."""
    return datetime.now(UTC) + timedelta(seconds=_HELD_SECONDS if ttl is None else ttl)


def _granted(answer: httpx.Response) -> Authorization:
    """The hold of an answer, or the error that it is."""
    if answer.status_code == 402 and "Credits-Available" in answer.headers:
        raise _insufficient(answer)
    if not answer.is_success:
        raise _refusal(answer)
    try:
        said = _Said.model_validate_json(answer.content)
    except ValidationError as error:
        raise GateClosed("the answer is not the ledger's", in_doubt=True) from error
    if said.state != "open":
        raise AuthorizationEnded(said.state)
    return Authorization(said.account_id, said.amount, said.id, said.max_output_tokens, said.expires_at, said.available)


def _insufficient(answer: httpx.Response) -> InsufficientCredits:
    tokens = answer.headers.get("Max-Affordable-Output-Tokens")
    return InsufficientCredits(
        answer.content,
        available=answer.headers["Credits-Available"],
        required=answer.headers["Credits-Required"],
        max_affordable_output_tokens=None if tokens is None else int(tokens),
        top_up_in_flight=answer.headers.get("Top-Up-In-Flight") == "true",
        top_up_url=answer.headers.get("Top-Up-Url"),
    )


def _refusal(answer: httpx.Response) -> AuthorizationEnded | InvalidAuthorization | GateClosed:
    problem = problem_of(answer)
    if problem["code"] in _ENDED:
        return AuthorizationEnded()
    if answer.status_code in _ABOUT_THE_QUESTION:
        param = problem.get("param")
        sentence = problem["message"].removeprefix(f"{param}: ")
        return InvalidAuthorization(sentence, field=param and param.removeprefix("data."))
    said = f"{answer.status_code} {problem['code']}: {problem['message']}"
    return GateClosed(said, in_doubt=answer.status_code >= 500 and problem["code"] != _BEHIND)
