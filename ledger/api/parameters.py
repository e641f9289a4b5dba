"""Parameters of queries that several routes take."""

import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from ledger.views.history import BEGINNING, END

_SPACE = re.compile(r"(?<=\d) (\d\d:\d\d)$")


def _with_plus(given: object) -> object:
    """In a query HTTP reads "+" as a space. Before an offset from UTC only a plus can be meant."""
    return _SPACE.sub(r"+\1", given) if isinstance(given, str) else given


def _within_bounds(moment: datetime) -> datetime:
    return min(max(moment, BEGINNING), END).astimezone(UTC)


Limit = Annotated[int, Query(ge=1, le=500, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]
Time = Annotated[AwareDatetime, BeforeValidator(_with_plus), AfterValidator(_within_bounds)]
