"""Entries as lines of COPY's text format: the hot path of the projection, hence f-strings rather than a row writer.

Text fields of an event can't hold control characters (schemas.fields). So a NUL represents SQL's NULL until
`copy_texts`, which then escapes the only other character that means anything, for all lines at once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ledger.core.calendar import moment_of
from ledger.core.entry import Entry
from schemas.events import UsageAccepted, UsageRecorded
from schemas.fields import json_of

NULL = "\0"
# The fields of `Usage` in the order of their declaration.
UsageValues = tuple[
    str,
    str,
    str,
    str,
    int,
    int,
    dict[str, int | str] | None,
    dict[str, str] | None,
    str | None,
    str | None,
    bool | None,
    str | None,
    str | None,
    dict[str, str] | None,
]


def copy_texts(lines: Sequence[str]) -> Iterator[str]:
    """Lines as COPY reads them, in pieces that the allocator keeps; a piece of megabytes is new memory each time."""
    for start in range(0, len(lines), 250):
        yield "".join(lines[start : start + 250]).replace("\\", "\\\\").replace(NULL, "\\N")


def usage_values(event: UsageRecorded) -> UsageValues:
    """All fields of an event's data at once: an attribute of a pydantic model costs four locals."""
    return tuple(event.data.__dict__.values())


def usage_line(entry: Entry, usage: UsageValues, partition: int, offset: int) -> str:
    """One line for `copy_usage`."""
    request, provider, model, mode, input_, output, units, attributes, cost, extra, own, key, authorization, more = (
        usage
    )
    return (
        f"{_common(entry, partition, offset)}\t{request}\t{provider}\t{model}\t{mode}"
        f"\t{NULL if key is None else key}\t{NULL if authorization is None else authorization}"
        f"\t{input_}\t{output}\t{NULL if units is None else _json(units)}"
        f"\t{NULL if attributes is None else _json(attributes)}"
        f"\t{NULL if cost is None else cost}\t{NULL if extra is None else extra}\t{NULL if own is None else own}"
        f"\t{NULL if more is None else _json(more)}\n"
    )


def other_line(entry: Entry, partition: int, offset: int) -> str:
    """One line for `copy_others`."""
    event, money = entry.fact.event, entry.money
    free = entry.free_traces if event.type == "trace.recorded" else None
    values: tuple[Any, ...] = (free, None, None, None, None, None)
    if money is not None:
        values = (free, money.provider, money.currency, money.clearing_minor, money.tax_minor, money.fee_minor)
    elif isinstance(event, UsageAccepted):
        values = (free, event.data.usage.provider, None, None, None, None)
    fields = "\t".join(NULL if value is None else str(value) for value in values)
    return f"{_common(entry, partition, offset)}\t{fields}\t{json_of(event.data).decode()}\n"


def _json(value: Mapping[str, int | str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _common(entry: Entry, partition: int, offset: int) -> str:
    fact, log_time_ms, seq, amount, balance_after, cost, _, _, book_version, rules = entry
    event, event_id, content, key_id, _ = fact
    time, dataschema = event.time, event.dataschema
    return (
        f"{event_id}\t{event.subject}\t{'f' if key_id is None else 't'}\t{content}\t{event.type}"
        f"\t{seq}\t{_moment(log_time_ms)}\t{NULL if time is None else time.isoformat()}"
        f"\t{event.source}\t{NULL if dataschema is None else dataschema}"
        f"\t{amount}\t{balance_after}\t{cost}\t{book_version}\t{rules}\t{partition}\t{offset}"
    )


@lru_cache(maxsize=4096)
def _moment(log_time_ms: int) -> str:
    # Kafka stamps a whole batch of records with one append time.
    return str(moment_of(log_time_ms))
