"""Which form of answer this is. A provider has several APIs, and genai-prices an extractor for each: its flavors.

The form is told by what is there: the flavor whose paths the answer has. No caller names it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.client.answers.facts import PREFERRED_FLAVORS, Answer
from ledger.client.errors import UnreadableAnswer

if TYPE_CHECKING:  # the library's data takes half a second to load, which only those who read answers wait for
    from genai_prices.types import ArrayMatch, ExtractPath, Provider, UsageExtractor


class Fit(NamedTuple):
    """How well a flavor fits an answer. `wrong`: the first path that it needs and the answer lacks, or is no number."""

    extractor: "UsageExtractor"
    found: int
    wrong: str | None


def provider_named(name: str) -> "Provider":
    """The provider that genai-prices knows by this name, such as "anthropic", "bedrock" or "gemini"."""
    from genai_prices.data import providers
    from genai_prices.data_snapshot import find_provider_by_id

    provider = find_provider_by_id(providers, name)
    if provider is None:
        hint = "genai-prices doesn't know it; like= names the provider whose form its answers have"
        raise UnreadableAnswer(f"{ascii(name)[:100]}: {hint}", field="provider")
    return provider


def flavor_of(provider: "Provider", answer: Answer) -> "UsageExtractor | None":
    """The flavor that finds the most counts; of equals the first."""
    preferred = PREFERRED_FLAVORS.get(provider.id)
    fits = [fit for fit in _fits(provider, answer) if fit.wrong is None and fit.found]
    best = max(fits, key=lambda fit: (fit.extractor.api_flavor == preferred, fit.found), default=None)
    return best.extractor if best else None


def nothing_found(provider: "Provider", answer: Answer) -> UnreadableAnswer:
    """The error that names the path which the most fitting flavor misses."""
    fits = list(_fits(provider, answer))
    flavors = ", ".join(fit.extractor.api_flavor for fit in fits) or "none"
    nearest = max(fits, key=lambda fit: fit.found, default=None)
    path = nearest.wrong or dotted(steps(nearest.extractor.root)) if nearest else "usage"
    return UnreadableAnswer(f"{provider.id}: no count here; known forms of its answers: {flavors}", field=path)


def steps(path: "ExtractPath") -> "tuple[str | ArrayMatch, ...]":
    """A path as its steps."""
    return (path,) if isinstance(path, str) else tuple(path)


def value_at(answer: Any, path: "Sequence[str | ArrayMatch]") -> Any:
    """The value at a path; None if there is none."""
    for step in path:
        if isinstance(step, str):
            answer = answer.get(step) if isinstance(answer, Mapping) else None
        else:
            answer = step.extract(answer) if isinstance(answer, list) else None
    return answer


def dotted(path: "Sequence[str | ArrayMatch]") -> str:
    """A path as people read it: "usage.prompt_tokens"."""
    return ".".join(step if isinstance(step, str) else step.field for step in path)


def _fits(provider: "Provider", answer: Answer) -> Iterator[Fit]:
    for extractor in provider.extractors or ():
        root = steps(extractor.root)
        usage = value_at(answer, root)
        if not isinstance(usage, Mapping):
            yield Fit(extractor, 0, dotted(root))
            continue
        values = [(mapping, value_at(usage, steps(mapping.path))) for mapping in extractor.mappings]
        wrong = [steps(mapping.path) for mapping, value in values if value is None and mapping.required]
        found = {dotted(steps(mapping.path)) for mapping, value in values if value is not None}
        if extractor.api_flavor == "embeddings" and not _nothing_came_out(usage):
            wrong = [*wrong, ("completion_tokens",)]
        yield Fit(extractor, len(found), dotted((*root, *wrong[0])) if wrong else None)


def _nothing_came_out(usage: Mapping[str, Any]) -> bool:
    """Whether the totals say so. Else a chat's answer that lacks its output count would pass for an embedding's."""
    return "prompt_tokens" not in usage or usage.get("total_tokens") == usage["prompt_tokens"]
