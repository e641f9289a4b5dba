"""Keys of the HTTP API: made, listed and revoked by an operator."""

from collections.abc import Collection
from typing import NamedTuple

from ledger.core.scopes import SCOPES
from ledger.log.endings import append_endings
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND, COMMAND_AUTOCOMMIT
from ledger.records import api_keys
from ledger.records.api_keys import KeyInfo, NewKey
from ledger.records.log_events import key_revoked
from ledger.settings import Settings


class Revocation(NamedTuple):
    """A revoked key. `revoked_now` False: it was revoked before. `not_on_log`: why the log lacks it, or ""."""

    key: KeyInfo
    revoked_now: bool
    not_on_log: str


def create(settings: Settings, scopes: Collection[str] = (), account_id: str = "", description: str = "") -> NewKey:
    """Makes a key, for all scopes unless some are named. `account_id` "": for all accounts. Raises UnknownScope."""
    with connect(settings.database, COMMAND) as connection:
        return api_keys.create(connection, scopes or SCOPES, account_id, description)


def listed(settings: Settings, account_id: str | None = None) -> list[KeyInfo]:
    """The keys of one account (of operators: ""), or all; oldest first, with the revoked ones."""
    with connect(settings.database, COMMAND) as connection:
        return api_keys.listed(connection, account_id)


def key_info(settings: Settings, key_id: str) -> KeyInfo:
    """What may be shown of one key. Raises UnknownKey."""
    with connect(settings.database, COMMAND) as connection:
        return api_keys.key_info(connection, key_id)


def revoke(settings: Settings, key_id: str) -> Revocation:
    """Revokes a key for good: here, and on the log, so that no restore brings it back. Raises UnknownKey."""
    with connect(settings.database, COMMAND_AUTOCOMMIT) as connection:
        revoked = api_keys.revoke(connection, key_id, on_log=not settings.fold_only)
        key = api_keys.key_info(connection, key_id)
        not_on_log = append_endings(settings, connection, [key_revoked(key_id)] if revoked else [])
        return Revocation(key, revoked, not_on_log)
