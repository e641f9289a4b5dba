"""What providers count and bill: the units of usage and of prices, by the names of genai-prices' unit registry.

A unit's dimensions say what it counts. A unit with more dimensions is a part of each unit that has fewer of the same:
`cache_write_1h_tokens` of `cache_write_tokens`, and both of `input_tokens`. A test compares this table with the
library's.
"""

from functools import partial
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from schemas.fields import matching

COUNT_MAX = 10**12
SECOND_DIGITS = 6  # the finest part of a second that a count has


class Unit(NamedTuple):
    """One kind of thing to count. `per`: how many a price is for. A dimension that is None makes no difference."""

    family: str
    per: int
    direction: str | None = None
    modality: str | None = None
    token_type: str | None = None
    cache_ttl: str | None = None
    page_type: str | None = None
    tool_type: str | None = None

    @property
    def dimensions(self) -> frozenset[tuple[str, str]]:
        """The dimensions that it has, each with its value."""
        named = zip(self._fields, self, strict=True)
        return frozenset((name, value) for name, value in named if isinstance(value, str))

    @property
    def counts_seconds(self) -> bool:
        """Whether a count may be a part of one."""
        return self.family == "durations"


_input = partial(Unit, "tokens", 1_000_000, "input")
_output = partial(Unit, "tokens", 1_000_000, "output")

UNITS: dict[str, Unit] = {
    "input_tokens": _input(),
    "output_tokens": _output(),
    "cache_read_tokens": _input(token_type="cache_read"),
    "cache_write_tokens": _input(token_type="cache_write"),
    "cache_write_5m_tokens": _input(token_type="cache_write", cache_ttl="5m"),
    "cache_write_1h_tokens": _input(token_type="cache_write", cache_ttl="1h"),
    "input_text_tokens": _input(modality="text"),
    "output_text_tokens": _output(modality="text"),
    "cache_text_read_tokens": _input(modality="text", token_type="cache_read"),
    "cache_text_write_tokens": _input(modality="text", token_type="cache_write"),
    "cache_text_write_5m_tokens": _input(modality="text", token_type="cache_write", cache_ttl="5m"),
    "cache_text_write_1h_tokens": _input(modality="text", token_type="cache_write", cache_ttl="1h"),
    "input_audio_tokens": _input(modality="audio"),
    "output_audio_tokens": _output(modality="audio"),
    "cache_audio_read_tokens": _input(modality="audio", token_type="cache_read"),
    "cache_audio_write_tokens": _input(modality="audio", token_type="cache_write"),
    "cache_audio_write_5m_tokens": _input(modality="audio", token_type="cache_write", cache_ttl="5m"),
    "cache_audio_write_1h_tokens": _input(modality="audio", token_type="cache_write", cache_ttl="1h"),
    "input_image_tokens": _input(modality="image"),
    "output_image_tokens": _output(modality="image"),
    "cache_image_read_tokens": _input(modality="image", token_type="cache_read"),
    "cache_image_write_tokens": _input(modality="image", token_type="cache_write"),
    "cache_image_write_5m_tokens": _input(modality="image", token_type="cache_write", cache_ttl="5m"),
    "cache_image_write_1h_tokens": _input(modality="image", token_type="cache_write", cache_ttl="1h"),
    "input_video_tokens": _input(modality="video"),
    "output_video_tokens": _output(modality="video"),
    "cache_video_read_tokens": _input(modality="video", token_type="cache_read"),
    "cache_video_write_tokens": _input(modality="video", token_type="cache_write"),
    "cache_video_write_5m_tokens": _input(modality="video", token_type="cache_write", cache_ttl="5m"),
    "cache_video_write_1h_tokens": _input(modality="video", token_type="cache_write", cache_ttl="1h"),
    "input_tool_tokens": _input(token_type="tool"),
    "input_text_tool_tokens": _input(modality="text", token_type="tool"),
    "input_audio_tool_tokens": _input(modality="audio", token_type="tool"),
    "input_image_tool_tokens": _input(modality="image", token_type="tool"),
    "input_video_tool_tokens": _input(modality="video", token_type="tool"),
    "output_reasoning_tokens": _output(token_type="reasoning"),
    "output_text_reasoning_tokens": _output(modality="text", token_type="reasoning"),
    "output_audio_reasoning_tokens": _output(modality="audio", token_type="reasoning"),
    "output_image_reasoning_tokens": _output(modality="image", token_type="reasoning"),
    "output_video_reasoning_tokens": _output(modality="video", token_type="reasoning"),
    "output_citation_tokens": _output(token_type="citation"),
    "output_text_citation_tokens": _output(modality="text", token_type="citation"),
    "output_audio_citation_tokens": _output(modality="audio", token_type="citation"),
    "output_image_citation_tokens": _output(modality="image", token_type="citation"),
    "output_video_citation_tokens": _output(modality="video", token_type="citation"),
    "input_characters": Unit("characters", 1_000_000, direction="input"),
    "input_text_messages": Unit("messages", 1_000, direction="input", modality="text"),
    "audio_seconds": Unit("durations", 3_600, modality="audio"),
    "input_audio_seconds": Unit("durations", 3_600, direction="input", modality="audio"),
    "output_audio_seconds": Unit("durations", 3_600, direction="output", modality="audio"),
    "input_pixels": Unit("pixels", 1_000_000_000, direction="input"),
    "input_document_pages": Unit("document_pages", 1_000, direction="input"),
    "input_annotated_document_pages": Unit("document_pages", 1_000, direction="input", page_type="annotated"),
    "rerank_searches": Unit("rerank", 1_000),
    "web_searches": Unit("tool_calls", 1_000, tool_type="web_search"),
    "social_searches": Unit("tool_calls", 1_000, tool_type="social_search"),
    "storage_searches": Unit("tool_calls", 1_000, tool_type="storage_search"),
    "code_executions": Unit("tool_calls", 1_000, tool_type="code_execution"),
    "requests": Unit("requests", 1_000),
}
# What a usage event counts besides its input and output tokens. Each event is one request.
COUNTED = frozenset(UNITS) - {"input_tokens", "output_tokens", "requests"}


def common_part(one: str, other: str) -> str | None:
    """The unit of what two units both count; None if there is none, or if one is a part of the other."""
    return _COMMON_PARTS.get(frozenset((one, other)))


def parse_count(unit: str, count: int | str) -> int:
    """A count as an integer: of seconds in millionths, of all else as it is."""
    if not UNITS[unit].counts_seconds:
        return int(count)
    whole, _, fraction = str(count).partition(".")
    return int(whole + fraction.ljust(SECOND_DIGITS, "0"))


def count_text(unit: str, count: int) -> str:
    """A count that `parse_count` gave, as text."""
    if not UNITS[unit].counts_seconds:
        return str(count)
    whole, rest = divmod(count, 10**SECOND_DIGITS)
    return f"{whole}.{rest:0{SECOND_DIGITS}}".rstrip("0") if rest else str(whole)


_DIMENSIONS = {name: unit.dimensions for name, unit in UNITS.items()}
_BY_DIMENSIONS = {dimensions: name for name, dimensions in _DIMENSIONS.items()}
# By unit: those that it is a part of.
WIDER: dict[str, frozenset[str]] = {
    name: frozenset(wide for wide, fewer in _DIMENSIONS.items() if fewer < dimensions)
    for name, dimensions in _DIMENSIONS.items()
}
_COMMON_PARTS = {
    frozenset((one, other)): _BY_DIMENSIONS[_DIMENSIONS[one] | _DIMENSIONS[other]]
    for one in UNITS
    for other in UNITS
    if one not in WIDER[other] | {other}
    and other not in WIDER[one]
    and (_DIMENSIONS[one] | _DIMENSIONS[other]) in _BY_DIMENSIONS
}


def _known(counts: dict[str, int | str]) -> dict[str, int | str]:
    if not COUNTED.issuperset(counts):
        unknown = min(counts.keys() - COUNTED)
        raise ValueError(f"{ascii(unknown)[:100]} is not a unit of usage; docs/reference/events.md lists them")
    for name, count in counts.items():
        if isinstance(count, str) and not UNITS[name].counts_seconds:
            raise ValueError(f"{name} must be a whole number")
    return counts if len(counts) < 2 else dict(sorted(counts.items()))


WholeCount = Annotated[int, Field(ge=0, le=COUNT_MAX)]
Seconds = Annotated[
    str,
    matching(r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$", "seconds: decimal text with at most 6 digits after the point"),
]
# Sorted by name, so that the same counts in another order have the same content.
Counts = Annotated[
    dict[str, WholeCount | Seconds],
    Field(json_schema_extra={"propertyNames": {"enum": sorted(COUNTED)}}),
    AfterValidator(_known),
]
