"""Counts that the ledger can price: a narrower unit is a part of the wider one, and what two have in common is said.

Providers leave some of it out. What they say stays as it is; only what they leave open is filled in.
"""

from collections import Counter
from decimal import Decimal

from schemas.units import UNITS, WIDER

Counts = dict[str, int | Decimal]

_NARROW_FIRST = sorted(UNITS, key=lambda unit: -len(UNITS[unit].dimensions))
# In the order in which cached tokens and the like are supposed to be what a provider doesn't break down.
_MODALITIES = ("text", "image", "video", "audio")
_TYPES = {"input": ("cache_read", "cache_write", "tool"), "output": ("reasoning", "citation")}
_TOKENS = {
    (unit.direction, unit.modality, unit.token_type): name
    for name, unit in UNITS.items()
    if unit.family == "tokens" and unit.cache_ttl is None
}


def nest(counts: Counts) -> None:
    """Raises each wider unit to what its parts are together, where a provider counts them beside it or rounds."""
    for wide in _NARROW_FIRST:
        parts: Counter[str] = Counter()
        for narrow in counts.keys() & UNITS.keys():
            more = UNITS[narrow].dimensions - UNITS[wide].dimensions
            if len(more) == 1 and wide in WIDER[narrow]:
                parts[next(iter(more))[0]] += counts[narrow]  # type: ignore[assignment]  # seconds are decimals
        least = max(parts.values(), default=0)
        if least > counts.get(wide, 0):
            counts[wide] = least


def fill_in(counts: Counts) -> set[str]:
    """Says how many cached tokens, and the like, are audio, images and so on, as prices may differ by both.

    Returns the units that say so, of which zero means something.
    """
    return {unit for direction in _TYPES for unit in _fill_in(counts, direction)}


def _fill_in(counts: Counts, direction: str) -> set[str]:
    sizes = {modality: counts.get(_TOKENS[direction, modality, None], 0) for modality in _MODALITIES}
    types = [each for each in _TYPES[direction] if counts.get(_TOKENS[direction, None, each])]
    cells = {(each, modality): _TOKENS[direction, modality, each] for each in types for modality in _MODALITIES}
    cells = {cell: unit for cell, unit in cells.items() if sizes[cell[1]]}
    said = {unit for unit in cells.values() if unit in counts}
    rest = counts[_TOKENS[direction, None, None]] - sum(sizes.values())
    for each in types:
        own = [unit for (type_, _), unit in cells.items() if type_ == each]
        left = counts[_TOKENS[direction, None, each]] - sum(counts.get(unit, 0) for unit in own)
        taken = min(left, rest)
        left, rest = left - taken, rest - taken
        for (_, modality), unit in ((cell, unit) for cell, unit in cells.items() if unit in own and unit not in said):
            others = sum(counts.get(name, 0) for cell, name in cells.items() if cell[1] == modality)
            counts[unit] = min(left, sizes[modality] - others)
            left -= counts[unit]
    return set(cells.values())
