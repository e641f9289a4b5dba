"""Leaves out the offsets that a person has decided to skip, even if they can be read again."""

from collections.abc import Sequence

from ledger.records.skips import Skip
from projectors.fetching import FetchedRange


def apply_skips(range_: FetchedRange, skips: Sequence[Skip]) -> FetchedRange:
    """The range with one dead letter in place of each skip. If a skip reaches beyond it, the result ends there."""
    for skip in skips:
        if skip.last >= range_.starts_at and skip.first <= range_.ends_at:
            before = [record for record in range_.records if record.offset < skip.first]
            behind = [record for record in range_.records if record.offset > skip.last]
            range_continues = skip.last < range_.ends_at
            range_ = FetchedRange(
                range_.starts_at,
                range_.ends_at if range_continues else skip.last + 1,
                [*before, skip.record(), *behind],
                range_.unreadable if range_continues else None,
            )
    return range_
