"""The book: its versions, and which of them is in force at which log time."""

from bisect import bisect_right

from ledger.core.book import Version, compiled
from ledger.core.calendar import ms_of
from ledger.core.errors import BookNoticeTooShort, BookVersionOutOfOrder
from schemas.book import NOTICE, BookVersion

NOTICE_MS = int(NOTICE.total_seconds()) * 1000


class Book:
    """The versions so far, in the order in which they take effect. Immutable: `with_version` returns another book."""

    def __init__(self, versions: tuple[Version, ...] = ()) -> None:
        self.versions = versions
        self._starts = [version.effective_from_ms for version in versions]

    def at(self, log_time_ms: int) -> Version:
        """The version in force at a log time. The first version is in force from the beginning of the log."""
        if self._starts and log_time_ms >= self._starts[-1]:
            return self.versions[-1]
        return self.versions[max(bisect_right(self._starts, log_time_ms), 1) - 1]

    def with_version(self, wire: BookVersion, appended_ms: int) -> "Book":
        """This book and one more version. Raises BookVersionOutOfOrder or BookNoticeTooShort."""
        if wire.version != len(self.versions) + 1:
            raise BookVersionOutOfOrder(f"{wire.version} after {len(self.versions)}", field="version")
        version = compiled(wire, self._effective_from_ms(wire, appended_ms))
        return Book((*self.versions, version))

    def _effective_from_ms(self, wire: BookVersion, appended_ms: int) -> int:
        if not self.versions:
            return 0
        if wire.effective_from is None:
            return max(appended_ms + NOTICE_MS, self._starts[-1] + 1)
        effective_from_ms = ms_of(wire.effective_from)
        if effective_from_ms < appended_ms + NOTICE_MS:
            raise BookNoticeTooShort(field="effective_from")
        if effective_from_ms <= self._starts[-1]:
            raise BookVersionOutOfOrder(field="effective_from")
        return effective_from_ms
