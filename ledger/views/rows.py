"""Entries as lines of COPY's text format: the hot path of the projection, hence f-strings rather than a row writer.

Text fields of an event can't hold control characters (schemas.fields). So a NUL can stand for SQL's NULL until
`copy_text`, which then escapes the only other character that means anything, for all lines at once.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ledger.core.calendar import moment_of
from ledger.core.entry import Entry
from schemas.events import UsageRecorded
from schemas.fields import json_of

NULL = "\0"


def copy_text(lines: Iterable[str]) -> str:
    """Lines as COPY reads them."""
    return "".join(lines).replace("\\", "\\\\").replace(NULL, "\\N")


def usage_line(entry: Entry, event: UsageRecorded, partition: int, offset: int) -> str:
    """One line for `copy_usage`."""
    usage = event.data
    key, authorization, cost = usage.api_key_id, usage.authorization_id, usage.provider_cost
    cached, written = usage.cached_input_tokens, usage.cache_write_tokens
    return (
        f"{_common(entry, partition, offset)}\t{usage.request_id}\t{usage.provider}\t{usage.model}\t{usage.mode}"
        f"\t{NULL if key is None else key}\t{NULL if authorization is None else authorization}"
        f"\t{usage.input_tokens}\t{usage.output_tokens}"
        f"\t{NULL if cached is None else cached}\t{NULL if written is None else written}"
        f"\t{NULL if cost is None else cost}"
        f"\t{NULL if usage.metadata is None else json.dumps(usage.metadata, ensure_ascii=False)}\n"
    )


def other_line(entry: Entry, partition: int, offset: int) -> str:
    """One line for `copy_others`."""
    event, money = entry.fact.event, entry.money
    free = entry.free_traces if event.type == "trace.recorded" else None
    values: tuple[Any, ...] = (free, None, None, None, None, None)
    if money is not None:
        values = (free, money.provider, money.currency, money.clearing_minor, money.tax_minor, money.fee_minor)
    fields = "\t".join(NULL if value is None else str(value) for value in values)
    return f"{_common(entry, partition, offset)}\t{fields}\t{json_of(event.data).decode()}\n"


def _common(entry: Entry, partition: int, offset: int) -> str:
    fact = entry.fact
    event = fact.event
    return (
        f"{fact.event_id}\t{event.subject}\t{'f' if fact.key_id is None else 't'}\t{fact.content}\t{event.type}"
        f"\t{entry.seq}\t{_moment(entry.log_time_ms)}\t{NULL if event.time is None else event.time.isoformat()}"
        f"\t{event.source}\t{entry.amount}\t{entry.balance_after}\t{entry.cost}"
        f"\t{entry.book_version}\t{entry.rules}\t{partition}\t{offset}"
    )


@lru_cache(maxsize=4096)
def _moment(log_time_ms: int) -> str:
    # Kafka stamps a whole batch of records with one append time.
    return str(moment_of(log_time_ms))
