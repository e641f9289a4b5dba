"""Stripe's form bodies and queries: `a[b][0][c]=1` is `{"a": {"b": [{"c": "1"}]}}`."""

import re
from typing import Any
from urllib.parse import parse_qsl

_PART = re.compile(r"\[([^\]]*)\]")


def parse_form(text: str) -> dict[str, Any]:
    """The nested parameters. Every value is a text."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, parts = name.split("[", 1)[0], _PART.findall(name)
        place = found
        for part, following in zip([first, *parts], [*parts, None], strict=True):
            key = part or str(len(place))  # `a[]=1&a[]=2`
            if following is None:
                place[key] = value
            else:
                inner = place.setdefault(key, {})
                place = inner if isinstance(inner, dict) else {}  # `a=1&a[b]=2`: the first value wins
    return {name: _listed(value) for name, value in found.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(each) for key, each in value.items()}
    return list(inner.values()) if inner and all(key.isdigit() for key in inner) else inner
