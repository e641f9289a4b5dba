"""`ledger keys`: what was made is listed without its secret, and revoked once and for ever."""

import json
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.dev.child_processes import environment_of
from ledger.records import api_keys
from ledger.settings import Settings


class Commands:
    """An operator at a shell that is no terminal, with the settings of one ledger."""

    def __init__(self, settings: Settings) -> None:
        self._environment = environment_of(settings)

    def __call__(self, *words: str, status: int = 0) -> Any:
        """What a command prints as JSON, or says on stderr when it fails."""
        ended = CliRunner().invoke(app, ["keys", *words, "--json"], env=self._environment, catch_exceptions=False)
        assert ended.exit_code == status, ended.output
        return ended.stderr if status else json.loads(ended.stdout)


@pytest.fixture
def keys(settings: Settings) -> Commands:
    return Commands(settings)


def test_keys_are_listed_with_everything_but_their_secret(keys: Commands) -> None:
    words = ("--account", "acct_1", "--scope", "accounts:read", "--description", "the billing page")
    made, operators = keys("create", *words), keys("create")
    found = {key["key_id"]: key for key in keys("list")["data"]}
    assert set(found) == {made["key_id"], operators["key_id"]}
    one = found[made["key_id"]]
    assert one.pop("created_at")
    assert one == {
        "key_id": made["key_id"],
        "account_id": "acct_1",
        "scopes": ["accounts:read"],
        "description": "the billing page",
        "revoked_at": None,
    }
    assert [key["key_id"] for key in keys("list", "--account", "acct_1")["data"]] == [made["key_id"]]
    assert [key["key_id"] for key in keys("list", "--account", "")["data"]] == [operators["key_id"]]
    secret = made["key"].split("_", 2)[2]
    assert not any(secret[-4:] in str(value) for value in found[made["key_id"]].values())


def test_a_key_is_revoked_only_when_somebody_says_so_and_only_once(settings: Settings, keys: Commands) -> None:
    made = keys("create", "--description", "stolen")
    assert "add --yes" in keys("revoke", made["key_id"], status=1)
    assert api_key(settings, made["key_id"]).revoked_at is None
    revoked = keys("revoke", made["key_id"], "--yes")
    assert (revoked["revoked_now"], revoked["description"]) == (True, "stolen")
    again = keys("revoke", made["key_id"])  # asks no question: there is nothing to do
    assert (again["revoked_now"], again["revoked_at"]) == (False, revoked["revoked_at"])
    assert api_key(settings, made["key_id"]).revoked_at is not None


def test_a_key_that_there_is_not_cannot_be_revoked(keys: Commands) -> None:
    assert keys("revoke", "0123456789abcdef", "--yes", status=1) == (
        "Error: There is no key of this id: 0123456789abcdef\n"
    )


def api_key(settings: Settings, key_id: str) -> api_keys.KeyInfo:
    with psycopg.connect(settings.database) as connection:
        return api_keys.key_info(connection, key_id)
