"""Parameters of operations: what is not declared is refused, as Stripe refuses what it doesn't know."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from ledger.sandbox.stripe.errors import Refusal, invalid

Metadata = dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=500)]]


def _whole(value: Any) -> Any:
    """Pydantic would read 5.00 as 5."""
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+", value):
        raise PydanticCustomError("int_parsing", "must be an integer")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
# An empty text takes a value away.
Unset = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
Currency = Annotated[str, Field(pattern="^[a-z]{3}$"), BeforeValidator(str.lower)]


class Part(BaseModel):
    """Parameters within a parameter."""

    model_config = ConfigDict(extra="forbid")


class Params(Part):
    """The parameters of one operation. `expand`: which ids are answered as whole objects."""

    expand: list[str] = Field(default=[], max_length=20)


class Between(Part):
    """Bounds of a time, in seconds since 1970."""

    gt: Whole | None = None
    gte: Whole | None = None
    lt: Whole | None = None
    lte: Whole | None = None

    def holds(self, moment: int) -> bool:
        """Whether the time is within them."""
        return (
            (self.gt is None or moment > self.gt)
            and (self.gte is None or moment >= self.gte)
            and (self.lt is None or moment < self.lt)
            and (self.lte is None or moment <= self.lte)
        )


class Page(Params):
    """What every list takes."""

    limit: Whole = Field(10, ge=1, le=100)
    starting_after: str | None = None
    ending_before: str | None = None


class Dated(Page):
    """What lists take whose objects are looked for by time."""

    created: Between | Whole | None = None

    def covers(self, moment: int) -> bool:
        """Whether an object of that time belongs to the list."""
        if isinstance(self.created, Between):
            return self.created.holds(moment)
        return self.created is None or moment == self.created


class Address(Part):
    """A postal address."""

    line1: Unset = None
    line2: Unset = None
    city: Unset = None
    state: Unset = None
    postal_code: Unset = None
    country: Unset = None


P = TypeVar("P", bound=Params)


def read_params(kind: type[P], given: dict[str, Any]) -> P:
    """The parameters, or the first thing that is wrong with them, as Stripe says it."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> Refusal:
    problems = error.errors()
    # Between a text and an object both are tried, and only the unknown name says what is meant.
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
