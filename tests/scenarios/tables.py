"""The format of a story: one event per line, and what the ledger says to it.

    2026-11-21
    10:00:00 | credits.purchased | purchase_id=p1 credits=10 | 10 | level low→ok

Columns: when (UTC, on the day in the line above), type, data, the balance after it, and the result: effects, or
"refused: <code>". Fields that only have to be there come from DEFAULTS; `trigger=last` is the trigger that was said
last. Of usage, `cache_read_tokens=5` is a count and `service_tier=priority` an attribute. Empty lines and those that
begin with # are for people.
"""

from dataclasses import dataclass
from typing import Any

from ledger.core.errors import Refused
from schemas.effects import Effect
from schemas.units import COUNTED

from ..core.records import plain_book
from ..core.story import Story

LEVELS = [{"name": "low", "at_most": "5"}, {"name": "empty", "at_most": "0"}]
CALL = {
    "request_id": "req",
    "provider": "openai",
    "model": "gpt",
    "mode": "auto",
    "input_tokens": 1,
    "output_tokens": 1,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "usage.recorded": CALL,
    "trace.recorded": {"trace_id": "trace"},
    "credits.purchased": {"kind": "purchase", "provider": "stripe", "provider_payment_id": "pay"},
    "credits.refunded": {"provider_refund_id": "re"},
    "credits.adjusted": {"reason_code": "correction", "actor_id": "op_1"},
    "auto_top_up.configured": {"enabled": True},
    "auto_top_up.failed": {"reason_code": "card_declined"},
    "auto_top_up.resumed": {"reason_code": "card_changed"},
    "auto_top_up.rechecked": {"window": "day"},
}


@dataclass(frozen=True)
class Line:
    at: str
    type: str
    data: dict[str, str]
    balance: str
    said: str


def lines_of(table: str) -> list[Line]:
    """The lines of a table, each with its full moment."""
    lines: list[Line] = []
    day = ""
    for text in map(str.strip, table.splitlines()):
        if "|" in text:
            at, type, data, balance, said = (cell.strip() for cell in text.split("|"))
            fields = dict(field.split("=", 1) for field in data.split())
            lines.append(Line(f"{day} {at}", type, fields, balance, said))
        elif text and not text.startswith("#"):
            day = text
    return lines


def played(table: str) -> str:
    """The same table with the balances and effects that the ledger says, in even columns."""
    story = Story(plain_book(levels=LEVELS))
    rows = []
    for line in lines_of(table):
        said = _say(story, line)
        data = " ".join(f"{name}={value}" for name, value in line.data.items())
        rows.append([line.at, line.type, data, story.balance, said])
    return in_columns(rows)


def expected(table: str) -> str:
    """The table as the story states it, in even columns."""
    rows = []
    for line in lines_of(table):
        data = " ".join(f"{name}={value}" for name, value in line.data.items())
        rows.append([line.at, line.type, data, line.balance, line.said])
    return in_columns(rows)


def in_columns(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(" | ".join(map(str.ljust, row, widths)).rstrip(" |") for row in rows)


def _say(story: Story, line: Line) -> str:
    try:
        applied = story.apply(line.type, line.at.replace(" ", "T") + "Z", **_data(story, line))
    except Refused as refusal:
        return f"refused: {refusal.code}"
    return ", ".join(_in_words(effect) for effect in applied.effects)


def _data(story: Story, line: Line) -> dict[str, Any]:
    data = {**DEFAULTS.get(line.type, {}), **line.data}
    if data.pop("trigger", None) == "last":
        data["trigger_id"] = story.trigger
        data |= {"kind": "auto_top_up"} if line.type == "credits.purchased" else {}
    if line.type in ("credits.purchased", "credits.refunded"):
        # What an amount of credits costs: 1.00 USD each.
        data["charged"] = {"currency": "USD", "amount_minor": int(float(data["credits"]) * 100)}
    if line.type == "trace.recorded":
        data["count"] = int(data["count"])
    for field in ("suspended", "enabled", "own_key"):
        if field in line.data:
            data[field] = line.data[field] == "yes"
    return _usage(data) if line.type == "usage.recorded" else data


def _usage(said: dict[str, Any]) -> dict[str, Any]:
    units = {name: int(said[name]) for name in said if name in COUNTED}
    attributes = {name: said[name] for name in said if name == "service_tier"}
    data = {name: value for name, value in said.items() if name not in (*units, *attributes)}
    tokens = {name: int(data[name]) for name in ("input_tokens", "output_tokens")}
    return {**data, **tokens, "units": units or None, "attributes": attributes or None}


def _in_words(effect: Effect) -> str:
    data = effect.data
    match effect.type:
        case "auto_top_up.triggered":
            return f"triggered {data.credits}"
        case "auto_top_up.skipped":
            return f"skipped ({data.spent}/{data.cap} a {data.window})"
        case "auto_top_up.suspended":
            return f"suspended ({data.reason_code})"
    return f"level {data.previous}→{data.level}"
