"""Leaves out the offsets that a person has decided to skip, whether they can be read by now or not."""

from collections.abc import Sequence

from ledger.records.skips import Skip
from projectors.fetching import FetchedRange


def apply_skips(range_: FetchedRange, skips: Sequence[Skip]) -> FetchedRange:
    """The range with one dead letter in place of each skip in it. The result may end later than the given range."""
    for skip in skips:
        if skip.last >= range_.starts_at and skip.first <= range_.ends_at:
            before = [record for record in range_.records if record.offset < skip.first]
            behind = [record for record in range_.records if record.offset > skip.last]
            goes_on = skip.last < range_.ends_at
            range_ = FetchedRange(
                range_.starts_at,
                range_.ends_at if goes_on else skip.last + 1,
                [*before, skip.record(), *behind],
                range_.unreadable if goes_on else None,
            )
    return range_
