"""The topics table: the only names, keys and retentions there are."""

from typing import NamedTuple

EVENTS = "ledger.events"
TOP_UPS = "ledger.topups"
BOOK = "ledger.book"
DEAD_LETTERS = "ledger.deadletters"
RECORDS = "ledger.records"


class Topic(NamedTuple):
    """`partitions` None: the number is a setting (64 in production, 4 embedded)."""

    name: str
    partitions: int | None
    key: str
    holds: str


# All use LogAppendTime and keep records for ever: only the log can't be computed again from something else.
TOPICS = (
    Topic(EVENTS, None, "account id", "every fact, in one total order per account"),
    Topic(
        TOP_UPS,
        None,
        "account id",
        "what the fold derives for consumers: triggers, skips, suspensions, balance levels",
    ),
    Topic(BOOK, 1, "book", "versions of prices, markups, packages, levels, bounds, signing keys and rules"),
    Topic(
        DEAD_LETTERS,
        1,
        "topic/partition",
        "what could not be read or applied, with its offset and the reason",
    ),
    Topic(
        RECORDS,
        1,
        "records",
        "what people ended or erased in Postgres, so that a restore doesn't undo it, and whose the log is",
    ),
)
