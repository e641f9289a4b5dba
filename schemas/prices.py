"""The price of a model in the book: for each unit that is billed, with thresholds, and with variants by condition."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from schemas.fields import Attributes, Frozen, Moment, Token, described, matching
from schemas.money import Cost
from schemas.units import COUNT_MAX, UNITS, WIDER, common_part

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _shortest(price: str) -> str:
    """ "2.50" is the same price as "2.5"."""
    return price.rstrip("0").rstrip(".") if "." in price else price


UnitPrice = Annotated[Cost, AfterValidator(_shortest)]
TimeOfDay = Annotated[
    str, matching(r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$", "a time of day in UTC such as 16:30")
]


def _compilable(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return pattern


# Of Python's `re`, for the whole name in lower case.
Pattern = Annotated[
    str,
    matching(r"^[ -~]{1,500}$", "a regular expression of at most 500 printable ASCII characters"),
    AfterValidator(_compilable),
]


class Threshold(Frozen):
    """Another price for requests with many input tokens. It is for all that such a request counts of the unit."""

    input_tokens: Annotated[int, Field(ge=0, le=COUNT_MAX), described("The bound.")]
    reached: Annotated[
        Literal[">", ">="], described("Whether the price is for more input tokens than the bound, or for as many, too.")
    ] = ">"
    price: Annotated[UnitPrice, described("Instead of the price below the bound.")]

    @property
    def first(self) -> int:
        """The smallest count of input tokens that the price is for."""
        return self.input_tokens + (self.reached == ">")


class Rate(Frozen):
    """The price of one unit."""

    price: Annotated[UnitPrice, described("Credits for as many as the unit's `per` says: 1,000,000 tokens.")]
    thresholds: Annotated[tuple[Threshold, ...], described("Prices of longer requests, by their input tokens.")] = ()
    at_least: Annotated[
        Annotated[int, Field(ge=1, le=COUNT_MAX)] | None,
        described("A request that counts any of the unit pays for at least as many."),
    ] = None

    @model_validator(mode="after")
    def _thresholds_rise(self) -> "Rate":
        firsts = [threshold.first for threshold in self.thresholds]
        if firsts != sorted(set(firsts)):
            raise ValueError("thresholds must rise")
        return self


def _known_units(rates: Mapping[str, object]) -> None:
    for name in rates:
        if name not in UNITS:
            raise ValueError(f"{ascii(name)[:100]} is not a unit; schemas/units.py lists them")


class Hours(Frozen):
    """A part of each day, in UTC: from a time up to, not including, another; past midnight when that one is earlier."""

    start: Annotated[TimeOfDay, described("The first moment.")]
    end: Annotated[TimeOfDay, described("The first moment after it.")]


class Variant(Frozen):
    """Other prices of some units, for requests that meet every condition named. The last such variant counts."""

    attributes: Annotated[
        Attributes | None, described("As served: `service_tier`, `processing`, `speed` ...; each must be equal.")
    ] = None
    since: Annotated[Moment | None, described("For requests from this moment on.")] = None
    until: Annotated[Moment | None, described("For requests before this moment.")] = None
    hours: Annotated[Hours | None, described("For requests at these times of day.")] = None
    weekdays: Annotated[tuple[Weekday, ...], described("For requests on these days of the week, in UTC.")] = ()
    rates: Annotated[
        dict[str, UnitPrice | Rate | None],
        Field(min_length=1),
        described("By unit. null: the unit has no price of its own then, and costs what the wider unit does."),
    ]

    @model_validator(mode="after")
    def _has_a_condition(self) -> "Variant":
        _known_units(self.rates)
        if not (self.attributes or self.since or self.until or self.hours or self.weekdays):
            raise ValueError("a variant needs a condition")
        return self


class Price(Frozen):
    """What the calls of one model cost, before the markup."""

    provider: Annotated[Token, described("The same name as in usage.")]
    model: Annotated[Token, described("The same name as in usage.")]
    names: Annotated[tuple[Token, ...], described("Other names of the model.")] = ()
    patterns: Annotated[
        tuple[Pattern, ...],
        described("Regular expressions of further names, in lower case. The first price that matches counts."),
    ] = ()
    rates: Annotated[
        dict[str, UnitPrice | Rate],
        Field(min_length=1),
        described("By unit. The price of a unit is for what no narrower unit with a price counts."),
    ]
    variants: Annotated[tuple[Variant, ...], described("Other prices, under conditions.")] = ()

    @model_validator(mode="after")
    def _every_count_has_one_price(self) -> "Price":
        _known_units(self.rates)
        _check_coverage(self.rates)
        for variant in self.variants:
            _check_coverage(overlaid(self.rates, variant.rates))
        return self


Rates = Mapping[str, UnitPrice | Rate]


def overlaid(rates: Rates, changes: Mapping[str, UnitPrice | Rate | None]) -> dict[str, UnitPrice | Rate]:
    """The rates with those of a variant instead of their own."""
    return {unit: rate for unit, rate in {**rates, **changes}.items() if rate is not None}


def gap_in(units: Iterable[str]) -> str | None:
    """Why some part of a request would have no price or two; each part must have that of the narrowest unit."""
    priced = sorted(units)
    for unit in priced:
        for wide in sorted(WIDER[unit].difference(priced)):
            return f"{unit} has a price, so {wide}, which it is a part of, needs one"
        for other in priced:
            part = common_part(unit, other)
            if part is not None and part not in priced:
                return f"{unit} and {other} have prices, so {part}, which both count, needs one"
    return None


def _check_coverage(rates: Rates) -> None:
    gap = gap_in(rates)
    if gap is not None:
        raise ValueError(f"rates: {gap}")
