"""The book: everything besides the events that the fold's answer depends on, as append-only versions.

A version takes effect at `effective_from`, at least `NOTICE` after its own append; the first record of the topic
applies from the beginning. So a replay answers every event as the first run did, whatever was changed since.
"""

from collections import Counter
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from schemas.envelope import Envelope
from schemas.fields import Frozen, KeyId, Moment, Token
from schemas.money import Cost, Credits, PricePerMillion, SignedCredits, parse_nanos

NOTICE = timedelta(seconds=60)
BOOK_SUBJECT = "book"

Markup = Annotated[Cost, Field(description="Added to the provider's cost, as a fraction: 0.10 is ten percent.")]


class Price(Frozen):
    """Credits per 1,000,000 tokens of one model. Absent cache prices are the input price."""

    provider: Token
    model: Token
    input_per_million: PricePerMillion
    output_per_million: PricePerMillion
    cached_input_per_million: PricePerMillion | None = None
    cache_write_per_million: PricePerMillion | None = None


class Markups(Frozen):
    auto: Markup
    tier: Markup


class Package(Frozen):
    """`included_traces`: free in each UTC calendar month."""

    name: Token
    included_traces: Annotated[int, Field(ge=0, le=10**12)]


class Level(Frozen):
    """A balance of `at_most` so many credits is at this level."""

    name: Token
    at_most: SignedCredits


class Bounds(Frozen):
    """`event_credits_max`: an event that would move more is refused. `top_up_credits_min`: the smallest top-up."""

    event_credits_max: Credits = "1000000"
    top_up_credits_min: Credits = "5"

    @model_validator(mode="after")
    def _a_smallest_top_up_can_be_bought(self) -> "Bounds":
        if not 0 < parse_nanos(self.top_up_credits_min) <= parse_nanos(self.event_credits_max):
            raise ValueError("top_up_credits_min must be above zero and at most event_credits_max")
        return self


class KeyValidity(Frozen):
    """From when to when, in log time, signatures by this key are accepted. The secret itself is a setting."""

    key_id: KeyId
    valid_from: Moment | None = None
    valid_until: Moment | None = None


class BookVersion(Frozen):
    """One complete state of the book; versions count up from 1."""

    version: Annotated[int, Field(ge=1)]
    effective_from: Moment | None = None
    rules: Annotated[int, Field(ge=1)] = 1
    markups: Markups
    prices: tuple[Price, ...]
    packages: Annotated[tuple[Package, ...], Field(min_length=1)]
    default_package: Token
    trace_price: Cost
    levels: tuple[Level, ...] = ()
    bounds: Bounds = Bounds()
    schema_versions: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    signing_keys: Annotated[tuple[KeyValidity, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_known_and_unique(self) -> "BookVersion":
        _unique("prices", [f"{price.provider}/{price.model}" for price in self.prices])
        _unique("packages", [package.name for package in self.packages])
        _unique("levels", ["ok", *(level.name for level in self.levels)])  # "ok" is above all levels
        _unique("signing_keys", [key.key_id for key in self.signing_keys])
        if self.default_package not in {package.name for package in self.packages}:
            raise ValueError(f"default_package {self.default_package!r} is not one of packages")
        return self


class BookPublished(Envelope):
    """A new version of the book."""

    subject: Literal["book"] = "book"
    type: Literal["book.published"] = "book.published"
    data: BookVersion


BOOK: TypeAdapter[BookPublished] = TypeAdapter(BookPublished)


def _unique(field: str, names: list[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"{field}: {', '.join(twice)} more than once")
