"""What people call a unit: "cache write (1 hour)", "web searches"; and how many of it a price is for."""

from schemas.units import UNITS

_TTL = {None: "", "5m": " (5 minutes)", "1h": " (1 hour)"}
_TOKENS = {
    "cache_read": "cache read",
    "cache_write": "cache write",
    "tool": "tool input",
    "reasoning": "reasoning",
    "citation": "citations",
}
_OTHERS = {
    "trace": "traces",
    "input_text_messages": "text messages",
    "audio_seconds": "seconds of audio",
    "input_audio_seconds": "seconds of audio input",
    "output_audio_seconds": "seconds of audio output",
    "input_document_pages": "document pages",
    "input_annotated_document_pages": "annotated document pages",
}
_PER = {1: "each", 1_000: "per thousand", 3_600: "per hour", 1_000_000: "per million", 1_000_000_000: "per billion"}


def unit_name(name: str) -> str:
    """A unit in plain words, in lower case; also `trace`, which a charge may have a line for."""
    unit = UNITS.get(name)
    if unit is None or unit.family != "tokens":
        return _OTHERS.get(name, name.replace("_", " "))
    of = f"{unit.modality} " if unit.modality else ""
    if unit.token_type is None:
        return f"{of}{unit.direction}" if unit.modality else f"{unit.direction} tokens"
    return f"{of}{_TOKENS[unit.token_type]}{_TTL[unit.cache_ttl]}"


def per_name(per: int) -> str:
    """How many of a unit a price is for, in words: "per million"."""
    return _PER[per]
