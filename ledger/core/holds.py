"""When a hold is over.

A hold ends in one of three ways: usage settles it, its owner releases it, or its time is over. Its time is over by one
rule, which is asked about two moments:

- Whether a request may still use or extend the hold: asked of the clock, now.
- Whether the hold's credits become available again (it expires): asked of the log time up to which the account's
  partition is projected. All usage that was appended before the hold's end has been counted then.
"""

from datetime import datetime


def is_over(expires_at: datetime, moment: datetime) -> bool:
    """Whether a hold that ends at `expires_at` is over at `moment`. It is over at its end, not only after it."""
    return expires_at <= moment
