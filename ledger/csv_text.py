"""CSV as in RFC 4180: UTF-8 with a header. A spreadsheet can open it without running a formula from it.

A cell that a spreadsheet would read as a formula gets an apostrophe in front, as OWASP advises. A cell that is a number
is not a formula, so negative amounts stay numbers.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
Cell = str | int | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as lines, each ended by CR LF. None is an empty cell."""
    text = io.StringIO()
    csv.writer(text).writerows([_guarded(cell) for cell in row] for row in rows)
    return text.getvalue()


def _guarded(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
