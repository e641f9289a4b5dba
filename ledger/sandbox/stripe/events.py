"""Events: what was told by webhooks, to be asked for, too."""

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.account import Account
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import Dated, Params


class Events(Dated):
    """Events by their types."""

    type: str | None = None
    types: list[str] | None = None


def retrieve(account: Account, _params: Params, id: str) -> Document:
    """One event."""
    return account.get("event", id)


def list_(account: Account, params: Events) -> Document:
    """Events, newest first."""
    types = params.types or ([params.type] if params.type else None)
    found = (each for each in account.find("event") if types is None or each["type"] in types)
    return account.page("/v1/events", found, params)


OPERATIONS = (
    Operation("events.list", "GET", "/v1/events", Events, list_),
    Operation("events.retrieve", "GET", "/v1/events/{id}", Params, retrieve),
)
