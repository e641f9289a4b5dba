"""Passing over what a person has decided to pass over, whether it can be read by now or not."""

from collections.abc import Sequence

from ledger.records.skips import Skip
from projectors.fetching import Stretch


def skipping(stretch: Stretch, skips: Sequence[Skip]) -> Stretch:
    """The stretch with one dead letter in the place of each skip that it meets; it may end behind where it did."""
    for skip in skips:
        if skip.last >= stretch.starts_at and skip.first <= stretch.ends_at:
            before = [record for record in stretch.records if record.offset < skip.first]
            behind = [record for record in stretch.records if record.offset > skip.last]
            goes_on = skip.last < stretch.ends_at
            stretch = Stretch(
                stretch.starts_at,
                stretch.ends_at if goes_on else skip.last + 1,
                [*before, skip.record(), *behind],
                stretch.unreadable if goes_on else None,
            )
    return stretch
