"""Parameters of operations. An undeclared parameter is refused, as at Stripe."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from ledger.sandbox.stripe.errors import ApiError, invalid

Metadata = dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=500)]]


def _whole(value: Any) -> Any:
    """Refuses decimals, because pydantic would read 5.00 as 5."""
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+", value):
        raise PydanticCustomError("int_parsing", "must be an integer")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
# An empty text removes the value.
Unset = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
Currency = Annotated[str, Field(pattern="^[a-z]{3}$"), BeforeValidator(str.lower)]


class NestedParams(BaseModel):
    """Parameters within a parameter."""

    model_config = ConfigDict(extra="forbid")


class Params(NestedParams):
    """The parameters of one operation. `expand`: which ids to replace by whole objects."""

    expand: list[str] = Field(default=[], max_length=20)


class TimeRange(NestedParams):
    """Bounds of a time, in Unix seconds."""

    gt: Whole | None = None
    gte: Whole | None = None
    lt: Whole | None = None
    lte: Whole | None = None

    def holds(self, moment: int) -> bool:
        """Whether the time is within the bounds."""
        return (
            (self.gt is None or moment > self.gt)
            and (self.gte is None or moment >= self.gte)
            and (self.lt is None or moment < self.lt)
            and (self.lte is None or moment <= self.lte)
        )


class ListParams(Params):
    """The parameters of every list."""

    limit: Whole = Field(10, ge=1, le=100)
    starting_after: str | None = None
    ending_before: str | None = None


class DatedListParams(ListParams):
    """The parameters of lists that can be filtered by time."""

    created: TimeRange | Whole | None = None

    def covers(self, moment: int) -> bool:
        """Whether an object of that time belongs to the list."""
        if isinstance(self.created, TimeRange):
            return self.created.holds(moment)
        return self.created is None or moment == self.created


class Address(NestedParams):
    """A postal address."""

    line1: Unset = None
    line2: Unset = None
    city: Unset = None
    state: Unset = None
    postal_code: Unset = None
    country: Unset = None


P = TypeVar("P", bound=Params)


def read_params(kind: type[P], given: dict[str, Any]) -> P:
    """The parameters. Raises ApiError for the first wrong one, in Stripe's words."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise _error_of(error) from None


def _error_of(error: ValidationError) -> ApiError:
    problems = error.errors()
    # For a union of a text and an object pydantic reports both. Only an unknown name shows which one was meant.
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    names = [str(name) for name in problem["loc"] if not str(name)[:1].isupper() and str(name) not in ("int", "str")]
    param = names[0] + "".join(f"[{name}]" for name in names[1:])
    match problem["type"]:
        case "extra_forbidden":
            return invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")
        case "missing":
            return invalid(f"Missing required param: {param}.", param, "parameter_missing")
        case "int_parsing":
            return invalid(f"Invalid integer: {problem['input']}", param, "parameter_invalid_integer")
    return invalid(f"Invalid {param}: {problem['msg']}", param)
