"""The book: read a version that a person wrote, compare it with the latest one, and publish it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ledger.core.book import Version, compiled
from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError
from ledger.guard.guard import Guard
from ledger.log import book_history
from ledger.log.book import BookEmpty
from ledger.log.book_history import BookHistory
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.reports.book_diff import Difference, changes, removed_models
from ledger.settings import Settings
from ledger.views.models_used import ModelUse, models_used
from schemas.book import BookVersion

USED_DAYS = 30


class NotJson(LedgerError):
    message = "The file is not a JSON object"


class Changes(NamedTuple):
    """What a version changes in the latest one, and the removed models that were used in the last USED_DAYS days."""

    differences: list[Difference]
    removed_in_use: list[ModelUse]


def read_version(
    text: str, file: str, number: int | None = None, effective_from: datetime | None = None
) -> BookVersion:
    """The version in a text. `number`: its number if it has none. `effective_from`: replaces the version's own.

    Raises NotJson, which names the file, or BookVersionInvalid.
    """
    try:
        fields: Any = json.loads(text)
    except ValueError as error:
        raise NotJson(str(error), field=file) from None
    if not isinstance(fields, dict):
        raise NotJson(field=file)
    if number is not None:
        fields.setdefault("version", number)
    if effective_from is not None:
        fields["effective_from"] = effective_from.isoformat()
    return book_history.version_of(json.dumps(fields))


def next_version(settings: Settings) -> BookVersion:
    """The latest version on the log, with the next number and no date. Raises BookEmpty, BookStale, BookNotReadable."""
    history = book_history.read_history(settings)
    if history.latest is None:
        raise BookEmpty()
    return history.latest.wire.model_copy(update={"version": history.next_number, "effective_from": None})


def draft(wire: BookVersion) -> Version:
    """A version that is not checked against the earlier ones."""
    return compiled(wire, 0)


def rehearse(settings: Settings, history: BookHistory, wire: BookVersion) -> Version:
    """The version as the readers of the book would accept it now. Raises the error with which they would reject it."""
    return history.rehearse(wire, settings.signing_key(), ms_of(datetime.now(UTC)))


def changes_by(settings: Settings, history: BookHistory, version: Version) -> Changes:
    """What a version would change. Reads Postgres only if it removes models."""
    before = history.latest.version if history.latest else None
    return Changes(changes(before, version), _used_recently(settings, removed_models(before, version)))


def publish(settings: Settings, wire: BookVersion) -> Version:
    """Appends a version, signed; returns it as the readers accept it. Raises what `rehearse` raises."""
    with Guard(settings) as guard:
        return book_history.publish(settings, wire, guard).version


def _used_recently(settings: Settings, models: list[tuple[str, str]]) -> list[ModelUse]:
    if not models:
        return []
    with connect(settings.database, COMMAND) as connection:
        return models_used(connection, models, datetime.now(UTC).date() - timedelta(days=USED_DAYS))
