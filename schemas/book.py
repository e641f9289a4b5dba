"""The book: everything besides the events that the fold's answer depends on, as append-only versions.

A version takes effect at `effective_from`, at least `NOTICE` after its own append; the first record of the topic
applies from the beginning. An announced version can be withdrawn until `NOTICE` before it takes effect. So a replay
answers every event as the first run did, whatever was changed since.
"""

from collections import Counter
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from schemas.envelope import Envelope
from schemas.fields import Frozen, KeyId, Moment, Text, Token, described
from schemas.money import Cost, Credits, SignedCredits, parse_nanos
from schemas.prices import Price

NOTICE = timedelta(seconds=60)
BOOK_SUBJECT = "book"

Markup = Annotated[Cost, Field(description="Added to the provider's cost, as a fraction: 0.10 is ten percent.")]


class Markups(Frozen):
    auto: Markup
    tier: Markup


class Package(Frozen):
    """What an account gets without charge."""

    name: Annotated[Token, described("The name in accounts and events.")]
    included_traces: Annotated[int, Field(ge=0, le=10**12), described("Free in each UTC calendar month.")]


class Level(Frozen):
    """A balance that is announced when an account reaches it."""

    name: Annotated[Token, described("The name in effects.")]
    at_most: Annotated[SignedCredits, described("A balance of this amount or less is at this level.")]


class Bounds(Frozen):
    """Limits on single events."""

    event_credits_max: Annotated[
        Credits, described("The most that one event may move; a larger amount is refused.")
    ] = "1000000"
    usage_credits_max: Annotated[
        Credits,
        described(
            "The most that one `usage.recorded` may be charged; more is kept aside until an operator accepts or drops "
            "it. The default is some multiples of a call that fills the largest context of the dearest model."
        ),
    ] = "500"
    top_up_credits_min: Annotated[Credits, described("The smallest top-up.")] = "5"

    @model_validator(mode="after")
    def _a_smallest_top_up_can_be_bought(self) -> "Bounds":
        if not 0 < parse_nanos(self.top_up_credits_min) <= parse_nanos(self.event_credits_max):
            raise ValueError("top_up_credits_min must be above zero and at most event_credits_max")
        return self


class KeyValidity(Frozen):
    """Whose signatures are accepted, and when, in log time. The secret itself is a setting."""

    key_id: Annotated[KeyId, described("The key's id; its secret is a setting.")]
    valid_from: Annotated[Moment | None, described("Log time from which its signatures count. Absent: always.")] = None
    valid_until: Annotated[
        Moment | None, described("Log time from which its signatures no longer count. Absent: never.")
    ] = None


class BookVersion(Frozen):
    """One complete state of the book; versions count up from 1."""

    version: Annotated[int, Field(ge=1), described("Counted from 1.")]
    note: Annotated[Text | None, described("For people: where its prices are from, why it was made.")] = None
    effective_from: Annotated[
        Moment | None,
        described(
            "At least 60 s after the version's append. Absent: 60 s after it. The first holds from the beginning."
        ),
    ] = None
    rules: Annotated[int, Field(ge=1), described("The number of the fold's rules.")] = 1
    markups: Annotated[Markups, described("By the mode of a request.")]
    prices: Annotated[
        tuple[Price, ...], described("What calls cost, before the markup; one for each provider and model.")
    ]
    provider_names: Annotated[
        dict[Token, Token] | None,
        described("Other names of providers, each with the one that prices have: `vertex_ai` for `google`."),
    ] = None
    provider_fallbacks: Annotated[
        dict[Token, tuple[Token, ...]] | None,
        described(
            "By provider: the others whose models it sells at their prices, `azure` those of `openai`. A price of its "
            "own goes first; the others' variants by attribute do not count."
        ),
    ] = None
    own_key_fee: Annotated[
        Cost, described("What usage with the customer's own key is charged, as a fraction of its cost: 0.05 is 5 %.")
    ] = "0"
    packages: Annotated[tuple[Package, ...], Field(min_length=1), described("Included traces by package.")]
    default_package: Annotated[Token, described("The package of accounts that are opened without one.")]
    trace_price: Annotated[Cost, described("Credits for a trace beyond the included ones.")]
    levels: Annotated[
        tuple[Level, ...], described("Balance levels that are announced when they are reached or left.")
    ] = ()
    bounds: Annotated[Bounds, described("Limits on single events.")] = Bounds()
    schema_versions: Annotated[
        tuple[int, ...], Field(min_length=1), described("Versions of `data` that are accepted.")
    ] = (1,)
    signing_keys: Annotated[
        tuple[KeyValidity, ...], Field(min_length=1), described("Whose signatures are accepted, and when.")
    ]

    @model_validator(mode="after")
    def _names_are_known_and_unique(self) -> "BookVersion":
        names = ((price.provider, name) for price in self.prices for name in (price.model, *price.names))
        _unique("prices", [f"{provider}/{name}" for provider, name in names])
        _unique("packages", [package.name for package in self.packages])
        _unique("levels", ["ok", *(level.name for level in self.levels)])  # "ok" is above all levels
        _unique("signing_keys", [key.key_id for key in self.signing_keys])
        if self.default_package not in {package.name for package in self.packages}:
            raise ValueError(f"default_package {self.default_package!r} is not one of packages")
        return self


class Withdrawal(Frozen):
    version: Annotated[int, Field(ge=1), described("The number of the announced version. It is not used again.")]


class BookPublished(Envelope):
    """A new version of the book."""

    subject: Literal["book"] = "book"
    type: Literal["book.published"] = "book.published"
    data: BookVersion


class BookWithdrawn(Envelope):
    """An announced version of the book will never take effect. Accepted until 60 s before it would."""

    subject: Literal["book"] = "book"
    type: Literal["book.withdrawn"] = "book.withdrawn"
    data: Withdrawal


BookEvent = BookPublished | BookWithdrawn
BOOK: TypeAdapter[BookEvent] = TypeAdapter(Annotated[BookEvent, Field(discriminator="type")])


def _unique(field: str, names: list[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"{field}: {', '.join(twice)} more than once")
