"""Events: what the webhooks reported, to be read again."""

from ledger.sandbox.store import Document
from ledger.sandbox.stripe.operations import Operation
from ledger.sandbox.stripe.params import DatedListParams, Params
from ledger.sandbox.stripe.stripe_account import StripeAccount


class Events(DatedListParams):
    """Parameters of a list of events, by their types."""

    type: str | None = None
    types: list[str] | None = None


def retrieve(account: StripeAccount, _params: Params, id: str) -> Document:
    """One event."""
    return account.get("event", id)


def list_(account: StripeAccount, params: Events) -> Document:
    """Events, newest first."""
    types = params.types or ([params.type] if params.type else None)
    found = (each for each in account.find("event") if types is None or each["type"] in types)
    return account.page("/v1/events", found, params)


OPERATIONS = (
    Operation("events.list", "GET", "/v1/events", Events, list_),
    Operation("events.retrieve", "GET", "/v1/events/{id}", Params, retrieve),
)
