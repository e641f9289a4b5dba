"""The names under which a model is looked up: as usage has it, with its date in hyphens, without its provider.

Routers write `gpt-4o-20240806` for `gpt-4o-2024-08-06`, and `openai/gpt-4o` for the `gpt-4o` of `openai`.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date

# A date without hyphens at the end of a part of the name.
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)", re.ASCII)


def spellings(model: str, is_provider: Callable[[str], bool]) -> Iterator[str]:
    """The names to look for, the likeliest first. `is_provider`: whether a prefix names where the model is from."""
    yield from _dated(model)
    prefix, slash, rest = model.partition("/")
    if slash and is_provider(prefix):
        yield from _dated(rest)


def _dated(model: str) -> Iterator[str]:
    yield model
    hyphenated = _COMPACT_DATE.sub(_hyphenated, model)
    if hyphenated != model:
        yield hyphenated


def _hyphenated(found: re.Match[str]) -> str:
    year, month, day = found.groups()
    try:
        date(int(year), int(month), int(day))
    except ValueError:  # 31 February is no date
        return found.group()
    return f"-{year}-{month}-{day}"
