"""Effects as events. Their ids are derived from the fact that caused them, so a second fold gives the same effects."""

from typing import Any

from ledger.core.calendar import moment_of
from ledger.core.entry import Context
from schemas.effects import AutoTopUpTriggered, Effect
from schemas.fields import Frozen
from schemas.identity import derived_id

SOURCE = "ledger/fold"


def effect_id(kind: type[Effect], context: Context) -> str:
    """uuid5 of account, kind of effect, and id of the event that caused it. For a trigger the kind is left out.

    A signed event is marked, because a router may use the id of a payment's event for its own.
    """
    account_id, signed, event_id = context.fact.identity
    parts = ("signed", event_id) if signed else (event_id,)
    if kind is not AutoTopUpTriggered:
        parts = (kind.model_fields["type"].default, *parts)
    return derived_id(account_id, *parts)


def effect_of(kind: type[Effect], data: Frozen, context: Context) -> Effect:
    """The effect as an event of the account at the context's log time."""
    fields: dict[str, Any] = {
        "source": SOURCE,
        "id": effect_id(kind, context),
        "subject": context.fact.event.subject,
        "time": moment_of(context.log_time_ms),
        "data": data,
    }
    return kind(**fields)
