"""When a fact is the same fact again.

A fact's identity is its account, whether it is signed, and its event id. Of two facts with one identity the second is a
duplicate if its content is the same: it is counted and changes nothing. Otherwise its id was reused: the first fact
stays as it is, and the second becomes a dead letter (`IdReused`).
"""

Identity = tuple[str, bool, str]


def is_duplicate(content: str, posted: str | None) -> bool:
    """Whether a fact with this content was posted before.

    `posted`: the content of the entry that has the fact's identity; None: there is no such entry.
    """
    return posted == content
