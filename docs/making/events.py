"""docs/reference/events.md: every event of every topic, from the models, with what the fold makes of an example."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from docs.making import prose
from docs.making.story import KEY, Shown, examples
from docs.making.tables import FORMS, Schema, fields_of, resolved, table
from docs.making.wrapping import wrapped
from ledger.core import errors
from ledger.core.entry import Applied
from ledger.core.errors import Refused, Unusable
from ledger.log.partitioning import partition_of
from schemas.book import BookEvent
from schemas.dead_letters import RecordDeadLettered
from schemas.effects import Effect
from schemas.envelope import Envelope
from schemas.events import EVENT_TYPES, ROUTER_TYPES
from schemas.export import exported_types
from schemas.fields import json_of
from schemas.identity import LEDGER_NAMESPACE, event_id_of
from schemas.money import format_nanos
from schemas.records import RecordsEvent
from schemas.topics import BOOK, DEAD_LETTERS, EVENTS, RECORDS, TOP_UPS

Types = Mapping[str, type[Envelope]]
_LINE_CHARACTERS = 110

# Who sends it, and what it does to the balance. Each type needs a line here.
_ABOUT: dict[str, tuple[str, str]] = {
    "usage.recorded": ("routers", "− `round(cost × (1 + markup))`, also below zero: the call has happened"),
    "usage.accepted": ("operators", "− as `usage.recorded`, for usage that was kept aside"),
    "usage.dropped": ("operators", "none"),
    "trace.recorded": ("routers", "− the trace price for each trace beyond the included ones of the UTC month"),
    "credits.purchased": ("payments", "+ `credits`"),
    "credits.refunded": ("payments", "− `credits`"),
    "dispute.opened": ("payments", "− `credits`"),
    "dispute.closed": ("payments", "+ the disputed credits if `won`"),
    "credits.adjusted": ("operators", "+ `amount`, which may be negative"),
    "auto_top_up.configured": ("customers", "none; may trigger a purchase at once"),
    "auto_top_up.failed": ("payments", "none; `suspended` ends the triggers"),
    "auto_top_up.resumed": ("operators, payments", "none; may trigger a purchase at once"),
    "auto_top_up.requested": ("the gate", "none; triggers a purchase if `available` is below the threshold"),
    "auto_top_up.rechecked": ("a consumer", "none; may trigger a purchase at once"),
    "account.opened": ("operators", "none; the first event of any type opens an account, too"),
    "account.package_changed": ("operators", "none"),
    "invoice.issued": ("invoices", "none"),
    "payout.received": ("payments", "none of a customer; clears what the provider owed"),
    "log.recovered": ("`ledger recover`", "none of a customer; from here on the topics are different ones"),
    "usage.quarantined": ("the fold", "none; the usage waits for an operator"),
    "auto_top_up.triggered": ("the fold", "none; the purchase will"),
    "auto_top_up.skipped": ("the fold", "none"),
    "auto_top_up.suspended": ("the fold", "none"),
    "balance.level_changed": ("the fold", "none"),
    "book.published": ("operators", "none; later charges follow it"),
    "book.withdrawn": ("operators", "none"),
    "api_key.revoked": ("operators", "none"),
    "webhook_endpoint.ended": ("operators, customers, notices", "none"),
    "tax_id.deleted": ("customers", "none"),
    "account.erased": ("operators", "none"),
    "log.claimed": ("the database that folds the log", "none"),
    "record.dead_lettered": ("the projector", "none; nor has the record that it names"),
}


def events() -> str:
    """The whole page."""
    types: Types = {**exported_types(), "record.dead_lettered": RecordDeadLettered}
    shown = examples()
    parts = [prose.HEAD, fields_of(_envelope(), {}), prose.AFTER_ENVELOPE, "## All types", _overview(types)]
    for topic, sentence in prose.TOPICS.items():
        parts += [f"## On `{topic}`", sentence]
        for name, cls in types.items():
            if _topic_of(cls) == topic:
                parts += _type(cls, name, shown[name])
    parts += [_signatures(), _identity(), *_partitions(), *_kinds(), *_refusals()]
    return wrapped("\n\n".join(parts) + "\n")


def _topic_of(cls: type[Envelope]) -> str:
    if cls in EVENT_TYPES.values():
        return EVENTS
    if cls in Effect.__args__:
        return TOP_UPS
    if cls in RecordsEvent.__args__:
        return RECORDS
    return BOOK if cls in BookEvent.__args__ else DEAD_LETTERS


def _envelope() -> Schema:
    """The envelope's schema with type and data, in the order in which people write them."""
    schema = Envelope.model_json_schema()
    found = {name: {**schema["properties"][name], "description": text} for name, text in prose.ENVELOPE.items()}
    found["specversion"].pop("default")
    type_ = {"type": "text", "description": "One of the types below."}
    data = {"type": "object", "description": "The fields of the type."}
    properties = {"specversion": found.pop("specversion"), "type": type_, **found, "data": data}
    return {"properties": properties, "required": [*schema["required"], "specversion", "type", "data"]}


def _overview(types: Types) -> str:
    header = ("type", "sent by", "", "effect on the balance")
    rows = (
        (f"[`{name}`](#{name.replace('.', '')})", sender, _signed(name), balance)
        for name in types
        for sender, balance in [_ABOUT[name]]
    )
    return table(header, rows)


def _signed(name: str) -> str:
    return "unsigned" if name in ROUTER_TYPES else "signed"


def _type(cls: type[Envelope], name: str, shown: Shown) -> Iterator[str]:
    """One type: what it says, its fields, an example and what becomes of it."""
    sender, balance = _ABOUT[name]
    schema = cls.model_json_schema()
    yield f"### {name}"
    yield f"{str(cls.__doc__).strip()}\n\nSent by {sender}, {_signed(name)}. Effect on the balance: {balance}."
    yield fields_of(resolved(schema["properties"]["data"], schema["$defs"]), schema["$defs"], "data.")
    yield f"```json\n{_pretty(shown.event)}\n```"
    if shown.applied is not None:
        yield _outcome(shown.applied)


def _outcome(applied: Applied) -> str:
    """What the fold makes of the example, in a sentence."""
    entry = applied.entry
    before, after = format_nanos(entry.balance_after - entry.amount), format_nanos(entry.balance_after)
    moved = f"goes from {before} to {after}" if entry.amount else f"stays at {after}"
    free = f" ({entry.free_traces} of the {entry.fact.event.data.count} are included)" if entry.free_traces else ""  # type: ignore[union-attr]
    effects = "".join(f", and the fold emits `{effect.type}`" for effect in applied.effects)
    return f"Here the balance {moved}{free}{effects}."


def _pretty(event: Envelope) -> str:
    """The event as people write it, each attribute on a line of its own."""
    attributes = {"specversion": event.specversion, "type": None, **json.loads(json_of(event))}
    return "{\n" + ",\n".join(f'  "{name}": {_json(value, "  ")}' for name, value in attributes.items()) + "\n}"


def _json(value: Any, indent: str) -> str:
    """JSON on one line if there is room, else what is in it on lines of their own."""
    line, inner = json.dumps(value, ensure_ascii=False), indent + "  "
    if not isinstance(value, (dict, list)) or len(line) <= _LINE_CHARACTERS - len(inner):
        return line
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"{inner}{_json(each, inner)}" for each in value) + f"\n{indent}]"
    items = (f'{inner}"{name}": {_json(each, inner)}' for name, each in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def _signatures() -> str:
    value = '{"specversion":"1.0","type":"account.opened","source":"api","id":"req_1","subject":"acct_42","data":{}}'
    header = KEY.header(value.encode())[1].decode()
    secret = KEY.secret.decode()
    return prose.SIGNATURES.format(
        value=value, header=header, key_id=KEY.key_id, secret=secret, digest=header.rpartition(":")[2]
    )


def _identity() -> str:
    return prose.IDENTITY.format(id=event_id_of("router/eu-1", "req_9"), namespace=LEDGER_NAMESPACE)


def _partitions() -> Iterator[str]:
    keys = ("acct_1", "acct_2", "acct_3", "acct_42", "provider:stripe")
    yield prose.PARTITIONS
    rows = ((f"`{key}`", *(str(partition_of(key.encode(), count)) for count in (4, 64))) for key in keys)
    yield table(("key", "of 4 partitions", "of 64"), rows)


def _kinds() -> Iterator[str]:
    yield "## Kinds of values"
    yield prose.KINDS
    rows = ((name, _escaped(form["description"]), f"`{_escaped(form['pattern'])}`") for name, form in FORMS.items())
    yield table(("kind", "form", "pattern"), rows)


def _escaped(text: str) -> str:
    """For a cell of a table."""
    return text.replace("|", "\\|")


def _refusals() -> Iterator[str]:
    found = [each for each in Refused.__subclasses__() if each.__module__ == errors.__name__ and each is not Unusable]
    rules = {each.code: f"{each.message}." for each in found}
    yield "## Why a record is refused"
    yield prose.REFUSALS
    yield table(("code", "why"), ((f"`{code}`", why) for code, why in {**prose.READING, **rules}.items()))
