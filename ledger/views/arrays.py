"""Columns as Postgres array literals: one parameter per column instead of one adapted object per element.

psycopg's own array dumpers wrap every element in a Python object, which cost more than the fold (docs/decisions/0003).
"""

from collections.abc import Iterable


def integers(values: Iterable[int]) -> str:
    """A literal for a bigint[] or int[] parameter."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Iterable[str]) -> str:
    """A literal for a text[] parameter; every element is quoted, so that none can end the array or be NULL."""
    # No text of ours has a NUL, so it separates the elements until all of them are escaped at once.
    joined = "\0".join(values).replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return '{"' + joined + '"}'
