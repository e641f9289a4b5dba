"""The counts of one answer by unit: as genai-prices reads them, with the facts of `facts.py`, nested, without gaps.

Nothing is silently zero: an answer without a count, or with one that is no number, raises UnreadableAnswer.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from ledger.client.answers.facts import FACTS, OUTPUT_IS_IN_THE_TOTAL, Answer, at
from ledger.client.answers.flavors import dotted, flavor_of, nothing_found, steps, value_at
from ledger.client.answers.nesting import Counts, fill_in, nest
from ledger.client.errors import UnreadableAnswer
from schemas.units import SECOND_DIGITS, UNITS

if TYPE_CHECKING:
    from genai_prices.types import Provider, UsageExtractor

_ALWAYS = frozenset({"input_tokens", "output_tokens"})
_FINEST_SECOND = Decimal(1).scaleb(-SECOND_DIGITS)


def counts_of(provider: "Provider", answer: Answer) -> dict[str, int | str]:
    """The counts that say something: zero only of input, of output, and of what two others have in common.

    Raises UnreadableAnswer.
    """
    facts = [(fact, value) for fact in FACTS.get(provider.id, ()) if (value := fact.read(answer)) is not None]
    flavor = flavor_of(provider, answer)
    if flavor is None and not any(fact.alone for fact, _ in facts):
        raise nothing_found(provider, answer)
    counts: Counts = {unit: 0 for unit in _ALWAYS}
    if flavor is not None:
        counts |= _by_library(provider, flavor, answer)
    for fact, value in facts:
        counts[fact.unit] = max(counts.get(fact.unit, 0), _number(provider, fact.unit, value))
    by_total = _output_by_total(provider, answer)
    if by_total is not None:
        counts["output_tokens"] = by_total
    nest(counts)
    common = fill_in(counts)
    return {unit: _written(unit, count) for unit, count in counts.items() if count or unit in common | _ALWAYS}


def _by_library(provider: "Provider", flavor: "UsageExtractor", answer: Answer) -> Counts:
    usage = value_at(answer, steps(flavor.root))
    for mapping in flavor.mappings:  # the library would ignore an optional count that is no number
        value = value_at(usage, steps(mapping.path))
        if value is not None:
            _number(provider, dotted((*steps(flavor.root), *steps(mapping.path))), value)
    _, found = flavor.extract(answer)
    return {unit: _exact(vars(found)[unit]) for unit in UNITS if unit in vars(found)}


def _number(provider: "Provider", path: str, value: Any) -> int | Decimal:
    number = _exact(value) if type(value) in (int, float, Decimal) else Decimal("NaN")
    if not Decimal(number).is_finite() or number < 0:
        raise UnreadableAnswer(f"{provider.id}: a count must be a number from 0", field=path)
    return number


def _exact(value: Any) -> int | Decimal:
    """A count without a float: JSON has seconds as 12.5."""
    number = value if type(value) is int else Decimal(str(value))
    return int(number) if number == number // 1 else number


def _output_by_total(provider: "Provider", answer: Answer) -> int | None:
    """The output tokens of a chat answer whose own count of them leaves reasoning out."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    prompt, completion, total = (at("usage", name)(answer) for name in names)
    if provider.id not in OUTPUT_IS_IN_THE_TOTAL or not all(type(each) is int for each in (prompt, completion, total)):
        return None
    return max(int(completion), int(total) - int(prompt))


def _written(unit: str, count: int | Decimal) -> int | str:
    if isinstance(count, int):
        return count
    if not UNITS[unit].counts_seconds:
        raise UnreadableAnswer("a count must be a whole number", field=unit)
    return f"{count.quantize(_FINEST_SECOND, ROUND_HALF_UP).normalize():f}"
