"""The kinds of text and number that fields have. Each has a set of characters and a bound.

Control characters are refused everywhere: a tab, newline or NUL in a name breaks tables, logs and terminals downstream.
"""

from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

RECORD_BYTES_MAX = 65_536

_FAULTS_MAX = 20
_FIELD_CHARACTERS_MAX = 200
_REASONS_CHARACTERS_MAX = 2_000

_MEANINGS: dict[str, str] = {}


def matching(pattern: str, meaning: str, **more: Any) -> Any:
    """A text field of this form; `meaning` is its documentation and what a person reads when it doesn't match."""
    _MEANINGS[pattern] = meaning
    return Field(pattern=pattern, description=meaning, **more)


def described(meaning: str) -> Any:
    """What a field means: its description in the JSON Schemas, the OpenAPI document and docs/reference/events.md."""
    return Field(description=meaning)


# An account id is part of URLs and of the Kafka key; ":" is kept for `provider:<name>`.
AccountId = Annotated[str, matching(r"^[A-Za-z0-9][A-Za-z0-9_.~|-]{0,127}$", "1 to 128 letters, digits or _.~|-")]
ProviderSubject = Annotated[str, matching(r"^provider:[a-z][a-z0-9_]{0,31}$", "provider: and its name in lower case")]
PaymentProvider = Annotated[str, matching(r"^[a-z][a-z0-9_]{0,31}$", "a provider's name in lower case")]
Token = Annotated[str, matching(r"^[!-~]{1,128}$", "1 to 128 printable ASCII characters without spaces")]
KeyId = Annotated[str, matching(r"^[!-9;-~]{1,128}$", "1 to 128 printable ASCII characters without spaces and colons")]
Code = Annotated[str, matching(r"^[a-z][a-z0-9_]{0,63}$", "a snake_case code of at most 64 characters")]
Text = Annotated[
    str, matching(r"^[^\x00-\x1f\x7f-\x9f]{1,256}$", "1 to 256 characters of any script, no control characters")
]
Currency = Annotated[str, matching(r"^[A-Z]{3}$", "an ISO 4217 code in capitals", examples=["USD"])]
# The place of a field in a record, "data.model"; what is not printable ASCII is escaped.
FieldName = Annotated[str, matching(r"^[ -~]{1,200}$", "1 to 200 printable ASCII characters")]
CountryCode = Annotated[str, matching(r"^[A-Z]{2}$", "an ISO 3166-1 code of two capitals", examples=["DE"])]
LocaleTag = Annotated[
    str, matching(r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$", "a BCP 47 tag such as en-US: language, script, region")
]
PostalCode = Annotated[str, matching(r"^[0-9A-Za-z][0-9A-Za-z -]{0,15}$", "1 to 16 letters, digits, spaces and dashes")]
TaxNumber = Annotated[
    str, matching(r"^[^\x00-\x1f\x7f-\x9f]{1,40}$", "1 to 40 characters of any script, no control characters")
]
# The form of our invoice numbers, in Python and in Postgres; ledger/core/invoice_numbers.py makes them.
INVOICE_NUMBER = r"^[A-Z]{1,3}-[0-9]{4}-[0-9]{7}$"
InvoiceNumber = Annotated[str, matching(INVOICE_NUMBER, "a number of ours such as INV-2026-0000001")]
WebAddress = Annotated[
    str, matching(r"^https?://[!-;=?-Z\[\]_a-z~]{1,500}$", "an http or https address of at most 500 characters")
]
Uuid = Annotated[str, matching(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "a UUID in lower case")]
TokenCount = Annotated[int, Field(ge=0, le=1_000_000_000)]
TraceCount = Annotated[int, Field(ge=1, le=1_000_000)]
Minor = Annotated[int, Field(ge=0, le=1_000_000_000_000, description="Minor units of the currency: cents, paise.")]
# Sorted by key, so that the same object in another order has the same content.
_SORTED = AfterValidator(lambda given: dict(sorted(given.items())))
Metadata = Annotated[dict[Token, Text], Field(max_length=16), _SORTED]
Attributes = Annotated[dict[Code, Text], Field(max_length=16), _SORTED]
Moment = AwareDatetime


class Frozen(BaseModel):
    """A value: immutable, without conversion between types, without unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def json_of(model: BaseModel) -> bytes:
    """The wire form: declared order, absent fields left out, so that equal values are equal bytes."""
    return model.__pydantic_serializer__.to_json(model, exclude_none=True)


class Fault(NamedTuple):
    """What is wrong with one field. `field` None: with the whole record. `str()` is what people read."""

    field: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


def faults_of(error: ValidationError) -> Fault:
    """All faults as one: the first field, and a reason that also lists the other fields. It never contains a value.

    Bounded: a record may have thousands of wrong fields, and its dead letter must fit into one record.
    """
    problems = error.errors(include_url=False)
    first, *others = map(fault_of, problems[:_FAULTS_MAX])
    reasons = "; ".join([first.reason, *map(str, others)])
    if len(reasons) > _REASONS_CHARACTERS_MAX:
        reasons = f"{reasons[:_REASONS_CHARACTERS_MAX]}..."
    more = len(problems) - _FAULTS_MAX
    return Fault(first.field, f"{reasons}; and {more} more" if more > 0 else reasons)


def fault_of(problem: ErrorDetails) -> Fault:
    """The field, and what is wrong with it."""
    place, sentence = _place(problem["loc"]), _sentence(problem)
    return Fault(place, sentence) if place else Fault(None, f"record: {sentence}")


def _place(location: tuple[int | str, ...]) -> str | None:
    # A discriminated union puts the event's type first; it is the only part that has a dot.
    path = location[1:] if location and "." in str(location[0]) else location
    place = ".".join(ascii(part)[1:-1] if isinstance(part, str) else str(part) for part in path)
    return f"{place[: _FIELD_CHARACTERS_MAX - 3]}..." if len(place) > _FIELD_CHARACTERS_MAX else place or None


def _sentence(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "string_pattern_mismatch":
            return f"must be {_MEANINGS[problem['ctx']['pattern']]}"
        case "extra_forbidden":
            return "is not a field of this type"
        case "missing":
            return "is missing"
        case "union_tag_not_found":
            return "type is missing"
        case "union_tag_invalid":
            return "type is not one that the ledger knows"
        case "value_error":
            return str(problem["ctx"]["error"])
    return problem["msg"]
