"""How often models were used, so that a change of prices shows whom it affects."""

from collections.abc import Collection
from datetime import date
from importlib.resources import files
from typing import NamedTuple

from ledger.postgres.types import Connection

_QUERY = files("ledger.views").joinpath("models_used.sql").read_bytes()


class ModelUse(NamedTuple):
    """Model calls of all accounts."""

    provider: str
    model: str
    requests: int


def models_used(connection: Connection, models: Collection[tuple[str, str]], since: date) -> list[ModelUse]:
    """Which of these (provider, model) were used on or after a UTC day, the most used first."""
    parameters = {
        "providers": [provider for provider, _ in models],
        "models": [model for _, model in models],
        "since": since,
    }
    return [ModelUse(*row) for row in connection.execute(_QUERY, parameters)]
