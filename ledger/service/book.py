"""The book: read a version that a person wrote, compare it with what it replaces, publish it, and withdraw one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ledger.core.book import Version, compiled
from ledger.core.book_versions import NOTICE_MS, Book
from ledger.core.calendar import ms_of
from ledger.core.errors import LedgerError
from ledger.guard.guard import Guard
from ledger.log import book_history
from ledger.log.book import published, withdrawn
from ledger.log.book_history import BookHistory
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.reports.book_diff import Difference, changed_prices, changes, removed_models
from ledger.reports.book_overtaking import TakeOver, take_over
from ledger.reports.price_warnings import PriceWarning, absurd_prices
from ledger.settings import Settings
from ledger.views.models_used import ModelUse, models_used
from schemas.book import BookVersion

USED_DAYS = 30


class NotJson(LedgerError):
    message = "The file is not a JSON object"


class AnnouncedVersionConflicts(LedgerError):
    message = (
        "Parts of this version, or of one that is announced, would not last. Announce that one again, mended, or "
        "withdraw it first; or add --until-announced"
    )


class Changes(NamedTuple):
    """What a version changes in the one that it replaces, and what a person should look at before it is published.

    `removed_in_use`: the removed models that were used in the last USED_DAYS days. `warnings`: new prices that are
    absurd beside others. `take_overs`: the announced versions that take effect after it.
    """

    differences: list[Difference]
    removed_in_use: list[ModelUse]
    warnings: list[PriceWarning]
    take_overs: list[TakeOver]


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
    """The version that one without a date would replace, with the next number. Raises BookEmpty or BookNotReadable.

    So what is announced for later does not come earlier with the next version.
    """
    history = book_history.read_history(settings)
    base = history.in_force(_now_ms() + NOTICE_MS).wire
    return base.model_copy(update={"version": history.next_number, "effective_from": None})


def version_in_force(settings: Settings) -> BookVersion:
    """The version that charges now. Raises BookEmpty or what `read_history` raises."""
    return book_history.read_history(settings).in_force(_now_ms()).wire


def draft(wire: BookVersion) -> Version:
    """A version as if it were published now. It is not checked against the earlier ones."""
    return compiled(wire, ms_of(wire.effective_from) if wire.effective_from else _now_ms() + NOTICE_MS)


def rehearse(settings: Settings, history: BookHistory, wire: BookVersion) -> Version:
    """The version as the readers of the book would accept it now. Raises the error with which they would reject it."""
    return history.rehearse(published(wire), settings.signing_key(), _now_ms()).versions[-1]


def rehearse_withdrawal(settings: Settings, history: BookHistory, number: int) -> Book:
    """The book without a version. Raises the error with which the readers of the book would reject the withdrawal."""
    return history.rehearse(withdrawn(number), settings.signing_key(), _now_ms())


def changes_by(settings: Settings, history: BookHistory, version: Version) -> Changes:
    """What a version would change, and for how long. Reads Postgres only if it removes models."""
    book = history.book
    before = book.at(version.effective_from_ms) if book.versions else None
    return Changes(
        changes(before, version),
        _used_recently(settings, removed_models(before, version)),
        absurd_prices(changed_prices(before, version), (price.wire for price in version.prices.prices)),
        [take_over(before, version, later) for later in book.following(version)] if before else [],
    )


def require_lasting(found: Changes) -> None:
    """Raises AnnouncedVersionConflicts if an announced version undoes changes, or loses its own of keys."""
    conflicting = [each for each in found.take_overs if each.conflicts]
    if conflicting:
        raise AnnouncedVersionConflicts(f"version {', '.join(str(each.version) for each in conflicting)}")


def publish(settings: Settings, wire: BookVersion) -> Version:
    """Appends a version, signed; returns it as the readers accept it. Raises what `rehearse` raises."""
    with Guard(settings) as guard:
        return book_history.publish(settings, wire, guard).version


def withdraw(settings: Settings, number: int) -> None:
    """Appends the withdrawal of an announced version, signed. Raises what `rehearse_withdrawal` raises."""
    with Guard(settings) as guard:
        book_history.withdraw(settings, number, guard)


def _now_ms() -> int:
    return ms_of(datetime.now(UTC))


def _used_recently(settings: Settings, models: list[tuple[str, str]]) -> list[ModelUse]:
    if not models:
        return []
    with connect(settings.database, COMMAND) as connection:
        return models_used(connection, models, datetime.now(UTC).date() - timedelta(days=USED_DAYS))
