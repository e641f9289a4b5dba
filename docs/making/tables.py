"""Tables of fields from JSON Schemas: name, whether it is required, what it may hold, what it means."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from schemas import envelope, fields, money, prices, units

Schema = dict[str, Any]
Definitions = Mapping[str, Schema]

# What the tables call the forms of text.
KINDS: dict[str, Any] = {
    "account id": fields.AccountId,
    "provider's subject": fields.ProviderSubject,
    "provider": fields.PaymentProvider,
    "name": fields.Token,
    "key id": fields.KeyId,
    "code": fields.Code,
    "text": fields.Text,
    "currency": fields.Currency,
    "UUID": fields.Uuid,
    "credits": money.Credits,
    "signed credits": money.SignedCredits,
    "cost": money.Cost,
    "price": prices.UnitPrice,
    "pattern": prices.Pattern,
    "seconds": units.Seconds,
    "time of day": prices.TimeOfDay,
    "source": envelope.Source,
    "schema": envelope.DataSchema,
    "content type": envelope.ContentType,
}
FORMS: dict[str, Schema] = {name: TypeAdapter(kind).json_schema() for name, kind in KINDS.items()}
_KIND_OF_PATTERN = {form["pattern"]: name for name, form in FORMS.items()}


def table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])


def fields_of(schema: Schema, definitions: Definitions, prefix: str = "") -> str:
    """The fields of an object, those of nested ones below their own."""
    return table(("field", "required", "value", "meaning"), _rows(schema, definitions, prefix))


def resolved(field: Schema, definitions: Definitions) -> Schema:
    """The schema itself behind a reference, or what a field may be besides null."""
    if "anyOf" in field:
        field = next(each for each in field["anyOf"] if each.get("type") != "null")
    return definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else field


def _rows(schema: Schema, definitions: Definitions, prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in schema["properties"].items():
        required = "yes" if name in schema.get("required", ()) else ""
        found = resolved(field, definitions)
        yield f"`{prefix}{name}`", required, _value(found, definitions), _meaning(field, found)
        many = found.get("type") == "array"
        inner = resolved(found["items"], definitions) if many else found
        if "properties" in inner:
            yield from _rows(inner, definitions, f"{prefix}{name}{'[]' if many else ''}.")


def _value(field: Schema, definitions: Definitions) -> str:
    """What a field may hold."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{each}`" for each in field["enum"])
    if "pattern" in field:
        kind = _KIND_OF_PATTERN.get(field["pattern"])  # a subject's form is said by its topic
        return f"[{kind}](#kinds-of-values)" if kind else "text"
    if field.get("format") == "date-time":
        return "RFC 3339 time with an offset"
    match field.get("type"):
        case "integer":
            return _range(field)
        case "array":
            return _list(field, definitions)
        case "object" if "maxProperties" in field:
            return f"at most {field['maxProperties']} names, each with a text"
        case "boolean":
            return "`true` or `false`"
        case other:
            return str(other)


def _range(field: Schema) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    if most is not None:
        return f"integer, {least:,} to {most:,}"
    return f"integer from {least}" if least is not None else "integer"


def _list(field: Schema, definitions: Definitions) -> str:
    least = f", at least {field['minItems']}" if "minItems" in field else ""
    item = resolved(field["items"], definitions)
    return f"list{least}" if "properties" in item else f"list of {_value(item, definitions)}{least}"


def _meaning(field: Schema, found: Schema) -> str:
    said = str(field.get("description") or found.get("description", ""))
    default = field.get("default")
    plain = isinstance(default, (bool, int, str))
    return f"{said} Default: `{json.dumps(default)}`." if plain else said
