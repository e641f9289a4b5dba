"""Authorizations: how the client asks the gate, extends a hold, and lets a call run when the gate does not answer.

Each request has an Idempotency-Key, so a retry after a lost response gives the same hold. When the client gives a
request up, the gate may still have made a hold; the client releases it in the background.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypedDict

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

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
from ledger.client.sans_io import Request, Steps
from schemas.events import Mode
from schemas.fields import json_of
from schemas.http import Extension, NewAuthorization
from schemas.money import Credits, parse_nanos

Fail = Literal["closed", "open"]

_CREDITS: TypeAdapter[str] = TypeAdapter(Credits)
_ATTEMPTS = 2
_HELD_SECONDS = 300
_REQUEST_IS_WRONG = {400, 409, 413, 422}
_ENDED = {"hold_closed", "hold_unknown"}
_BEHIND = "projection_behind"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class FailureFields(TypedDict, total=False):
    """What to do when the gate does not answer.

    `fail`: "closed" raises GateClosed (the default); "open" lets the call run without a hold and takes `grace` credits
    from the account's grace.
    """

    fail: Fail
    grace: str | None


class AuthorizeFields(FailureFields, total=False):
    """What to hold: an `amount` in credits, or the fields of a call that the book prices, or neither for the default.

    `units`, `attributes`, `own_key`: as in usage, as far as they are known before the call: the tokens that the
    provider will read from its cache, the service tier. `ttl`: seconds until the hold expires. `clamp`: if credits are
    short, hold for the largest affordable output instead of refusing.
    """

    amount: str | None
    provider: str | None
    model: str | None
    mode: Mode | None
    input_tokens: int | None
    max_output_tokens: int | None
    units: dict[str, int | str] | None
    attributes: dict[str, str] | None
    own_key: bool
    ttl: int | None
    api_key_id: str | None
    clamp: bool


@dataclass(frozen=True, eq=False)
class Authorization:
    """A call may run. Amounts are credits, as decimal text.

    `id` is None when the gate did not answer and the call runs without a hold, within the account's grace.
    """

    account_id: str
    amount: str
    """Credits that are held; without a hold, the credits that the call takes from the grace."""
    id: str | None = None
    max_output_tokens: int | None = None
    """Output tokens that the hold pays for; None when the book did not price the hold."""
    expires_at: datetime | None = None
    available: str | None = None
    """Credits left for other calls; None when the gate did not say."""
    grant: Grant | None = field(default=None, repr=False)

    @property
    def granted_without_hold(self) -> bool:
        """Whether the call runs without a hold."""
        return self.id is None


class _HoldBody(BaseModel):
    """A hold as the gate's responses describe it."""

    id: str
    account_id: str
    amount: str
    max_output_tokens: int | None
    expires_at: datetime
    available: str | None = None
    state: str = "open"


class GateOptions(NamedTuple):
    """Where the gate is.

    `seconds`: time for one authorization, with its retry. `grace`: credits per account and process.
    """

    api: str
    key: str
    seconds: float
    grace: str

    def client(self) -> dict[str, Any]:
        """The arguments of an httpx client."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return {"base_url": self.api, "headers": headers, "timeout": self.seconds}


class Gate:
    """The gate's operations, as steps without I/O. Raises UnsuitableOption if the grace is not an amount."""

    def __init__(self, options: GateOptions) -> None:
        self.options = options
        self.grace = Grace(parse_nanos(_credits(options.grace)))
        self.releases = Releases(lambda: httpx.Client(**options.client()))

    def authorize(self, account_id: str, ask: AuthorizeFields) -> Steps[Authorization]:
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
            grant = self._grant_grace(account_id, taken, closed)
            return Authorization(account_id, taken, max_output_tokens=body.max_output_tokens, grant=grant)

    def grant_grace(self, held: Authorization, grace: str, closed: GateClosed) -> Authorization:
        """Lets a call go on without more hold, within the grace. Raises GateClosed when the grace is used up."""
        return replace(held, grant=self._grant_grace(held.account_id, grace, closed))

    def extend(self, held: Authorization, body: Extension) -> Steps[Authorization]:
        """Raises InsufficientCredits, GateClosed, AuthorizationEnded, InvalidAuthorization.

        After a lost response it reads the hold to learn whether it was extended: a second request could extend it
        twice.
        """
        if held.grant is not None or held.id is None:
            return held
        request = self._request("POST", f"{PATH}/{held.id}/extend", json_of(body))
        if body.renews_only:  # a repetition is harmless
            return _hold_of((yield from self._send(request)))
        trouble: httpx.TransportError | None = None
        for _ in range(_ATTEMPTS):
            try:
                return _hold_of((yield request))
            except httpx.TransportError as error:
                trouble = error
            now = _hold_of((yield from self._send(self._request("GET", f"{PATH}/{held.id}"))))
            if parse_nanos(now.amount) > parse_nanos(held.amount):
                return now
        raise GateClosed(repr(trouble), in_doubt=True)

    def release(self, held: Authorization) -> None:
        """Gives back what is held for a call without usage. Returns at once; a thread tells the gate."""
        if held.grant is not None:
            self.grace.cancel(held.grant)
        if held.id is not None:
            self.releases.release(held.id, held.expires_at or _until(None))

    def expect_usage(self, held: Authorization, event_id: str) -> None:
        """Notes that this event is the authorization's usage. Call it before the event is recorded."""
        if held.grant is not None:
            self.grace.expect_usage(event_id, held.grant)

    def _hold(self, body: NewAuthorization) -> Steps[Authorization]:
        request = self._request("POST", PATH, json_of(body), {"Idempotency-Key": secrets.token_hex(16)})
        try:
            held = _hold_of((yield from self._send(request)))
            self.grace.decided(body.account_id)
            return held
        except InsufficientCredits:
            self.grace.decided(body.account_id)
            raise
        except InvalidAuthorization:
            raise
        except BaseException as error:  # also Ctrl-C and a cancelled task: the caller never learns the hold's id
            if not isinstance(error, GateClosed) or error.in_doubt:
                self.releases.undo(request, _until(body.ttl))
            raise

    def _send(self, request: Request) -> Steps[httpx.Response]:
        """Sends the request, and once more if no response came. Raises GateClosed."""
        trouble: httpx.TransportError | None = None
        for _ in range(_ATTEMPTS):
            try:
                return (yield request)
            except httpx.TransportError as error:
                trouble = error if trouble is None or isinstance(trouble, _NOT_SENT) else trouble
        raise GateClosed(repr(trouble), in_doubt=not isinstance(trouble, _NOT_SENT))

    def _request(
        self, method: str, path: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Request:
        if not self.options.api:
            raise UnsuitableOption("authorizations need the API's URL and a key", field="api")
        return Request(method, path, content, headers or {}, self.options.seconds / _ATTEMPTS)

    def _grant_grace(self, account_id: str, credits: str, closed: GateClosed) -> Grant:
        grant = self.grace.grant(account_id, parse_nanos(credits))
        if grant is None:
            raise GateClosed(f"{closed.detail}; the account's grace is used up", in_doubt=closed.in_doubt) from None
        return grant


def extension(**fields: Any) -> Extension:
    """The body that extends a hold. Raises InvalidAuthorization."""
    try:
        return Extension.model_validate(fields)
    except ValidationError as error:
        raise invalid(InvalidAuthorization, error) from None


def grace_of(fail: Fail, credits: str | None) -> str:
    """Credits that a call takes from its account's grace when the gate does not answer. Raises UnsuitableOption."""
    if fail == "closed":
        return "0"
    if fail != "open":
        raise UnsuitableOption('must be "closed" or "open"', field="fail")
    if credits is None or parse_nanos(_credits(credits)) == 0:
        raise UnsuitableOption('with fail "open", say how many credits of the grace the call takes', field="grace")
    return credits


def _credits(text: str) -> str:
    try:
        return _CREDITS.validate_python(text, strict=True)
    except ValidationError as error:
        raise UnsuitableOption(error.errors()[0]["msg"], field="grace") from None


def _until(ttl: int | None) -> datetime:
    """When a hold that is made now expires."""
    return datetime.now(UTC) + timedelta(seconds=_HELD_SECONDS if ttl is None else ttl)


def _hold_of(response: httpx.Response) -> Authorization:
    """The hold that a response describes. Raises the error that the response reports."""
    if response.status_code == 402 and "Credits-Available" in response.headers:
        raise _insufficient(response)
    if not response.is_success:
        raise _error_of(response)
    try:
        body = _HoldBody.model_validate_json(response.content)
    except ValidationError as error:
        raise GateClosed("the response does not come from the ledger", in_doubt=True) from error
    if body.state != "open":
        raise AuthorizationEnded(body.state)
    return Authorization(body.account_id, body.amount, body.id, body.max_output_tokens, body.expires_at, body.available)


def _insufficient(response: httpx.Response) -> InsufficientCredits:
    tokens = response.headers.get("Max-Affordable-Output-Tokens")
    return InsufficientCredits(
        response.content,
        available=response.headers["Credits-Available"],
        required=response.headers["Credits-Required"],
        max_affordable_output_tokens=None if tokens is None else int(tokens),
        top_up_in_flight=response.headers.get("Top-Up-In-Flight") == "true",
        top_up_url=response.headers.get("Top-Up-Url"),
    )


def _error_of(response: httpx.Response) -> AuthorizationEnded | InvalidAuthorization | GateClosed:
    problem = problem_of(response)
    if problem.code in _ENDED:
        return AuthorizationEnded()
    if response.status_code in _REQUEST_IS_WRONG:
        return InvalidAuthorization(problem.reason, field=problem.field and problem.field.removeprefix("data."))
    detail = f"{response.status_code} {problem.code}: {problem.message}"
    return GateClosed(detail, in_doubt=response.status_code >= 500 and problem.code != _BEHIND)
