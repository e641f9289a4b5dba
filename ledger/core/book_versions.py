"""The book: its versions, and which of them is in force at which log time.

A version may take effect before, between and after others. In force is the one that took effect last. Of two with the
same moment, the later one replaces the other for good. Signing keys are the exception: they are those of the version
that was published last among all that took effect, so that no older version brings back a retired key.
"""

import dataclasses
from bisect import bisect_right
from itertools import accumulate
from typing import Literal

from ledger.core.book import FOREVER_MS, Version, compiled
from ledger.core.calendar import ms_of
from ledger.core.errors import (
    BookNoticeTooShort,
    BookVersionOutOfOrder,
    BookVersionWithdrawn,
    BookWithdrawalTooLate,
    UnknownBookVersion,
)
from schemas.book import NOTICE, BookEvent, BookPublished, BookVersion

NOTICE_MS = int(NOTICE.total_seconds()) * 1000

State = Literal["announced", "in force", "past", "replaced", "withdrawn"]


class Book:
    """The versions so far, in the order of their numbers. Immutable: what changes it returns another book."""

    def __init__(self, versions: tuple[Version, ...] = (), withdrawn: frozenset[int] = frozenset()) -> None:
        self.versions = versions
        self.withdrawn = withdrawn
        self._last_of = {version.effective_from_ms: version.number for version in versions}
        counting = (
            version
            for version in versions
            if version.number not in withdrawn and self._last_of[version.effective_from_ms] == version.number
        )
        in_order = sorted(counting, key=lambda version: version.effective_from_ms)
        self._starts = [version.effective_from_ms for version in in_order]
        self._in_force = [
            _with_keys_of(version, last)
            for version, last in zip(in_order, accumulate(in_order, _published_later), strict=True)
        ]

    def at(self, log_time_ms: int) -> Version:
        """The version in force at a log time, with the keys that are accepted then.

        The first version is in force from the beginning of the log.
        """
        if self._starts and log_time_ms >= self._starts[-1]:
            return self._in_force[-1]
        return self._in_force[max(bisect_right(self._starts, log_time_ms), 1) - 1]

    def until_ms(self, number: int) -> int:
        """When a version ends: the next one takes effect. FOREVER_MS if there is none."""
        version = self.numbered(number)
        later = self.following(version)
        return later[0].effective_from_ms if later else FOREVER_MS

    def following(self, version: Version) -> list[Version]:
        """The versions that take over one after the other after this one, with the keys that are accepted then.

        The version itself need not be in the book.
        """
        return [each for each in self._in_force if each.effective_from_ms > version.effective_from_ms]

    def state_of(self, number: int, at_ms: int) -> State:
        """What a version is at a log time. `replaced`: a later one had the same moment, so it never takes effect."""
        version = self.numbered(number)
        if number in self.withdrawn:
            return "withdrawn"
        if self._last_of[version.effective_from_ms] != number:
            return "replaced"
        if version.effective_from_ms > at_ms:
            return "announced"
        return "in force" if self.at(at_ms).number == number else "past"

    def numbered(self, number: int) -> Version:
        """The version of this number, as it was published. Raises UnknownBookVersion."""
        if not 0 < number <= len(self.versions):
            raise UnknownBookVersion(f"{number}; there are {len(self.versions)}", field="version")
        return self.versions[number - 1]

    def with_event(self, event: BookEvent, appended_ms: int) -> "Book":
        """The book after an event of its topic. Raises what `with_version` and `without_version` raise."""
        if isinstance(event, BookPublished):
            return self.with_version(event.data, appended_ms)
        return self.without_version(event.data.version, appended_ms)

    def with_version(self, wire: BookVersion, appended_ms: int) -> "Book":
        """This book and one more version. Raises BookVersionOutOfOrder or BookNoticeTooShort."""
        if wire.version != len(self.versions) + 1:
            raise BookVersionOutOfOrder(f"{wire.version} after {len(self.versions)}", field="version")
        version = compiled(wire, self._effective_from_ms(wire, appended_ms))
        return Book((*self.versions, version), self.withdrawn)

    def without_version(self, number: int, appended_ms: int) -> "Book":
        """This book with an announced version withdrawn: nothing takes effect at its moment.

        The notice is that of a version: it lies before everything that the withdrawal changes. Raises
        UnknownBookVersion, BookVersionWithdrawn or BookWithdrawalTooLate.
        """
        version = self.numbered(number)
        if number in self.withdrawn:
            raise BookVersionWithdrawn(str(number), field="version")
        if version.effective_from_ms < appended_ms + NOTICE_MS:
            raise BookWithdrawalTooLate(str(number), field="version")
        return Book(self.versions, self.withdrawn | {number})

    def _effective_from_ms(self, wire: BookVersion, appended_ms: int) -> int:
        if not self.versions:
            return 0
        if wire.effective_from is None:
            return appended_ms + NOTICE_MS
        effective_from_ms = ms_of(wire.effective_from)
        if effective_from_ms < appended_ms + NOTICE_MS:
            raise BookNoticeTooShort(field="effective_from")
        return effective_from_ms


def _published_later(one: Version, other: Version) -> Version:
    return max(one, other, key=lambda version: version.number)


def _with_keys_of(version: Version, other: Version) -> Version:
    return version if version is other else dataclasses.replace(version, keys=other.keys)
