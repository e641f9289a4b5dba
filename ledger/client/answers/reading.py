"""`usage_of` reads a whole answer, and `UsageReader` a stream while it passes. Both give a `ProviderUsage`."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypedDict

from ledger.client.answers.chunks import Json, merge, part_of, plain
from ledger.client.answers.counts import counts_of
from ledger.client.answers.facts import SAID, SAID_BY_ALL, UNSAID
from ledger.client.answers.flavors import flavor_of, provider_named, steps, value_at
from ledger.client.errors import UnreadableAnswer

_CHARACTERS_MAX = 128


class CountedCall(TypedDict):
    """The fields of a usage event that an answer tells."""

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    units: dict[str, int | str] | None
    attributes: dict[str, str] | None


class ProviderUsage(NamedTuple):
    """What a provider counted.

    `input_tokens` is all that went in and `output_tokens` all that came out; `units` has the other counts, by the names
    of `schemas.units`, and `attributes` how the call was served. `final` is False if the provider had not ended the
    answer: then more may have come out than it says.
    """

    provider: str
    model: str | None
    input_tokens: int
    output_tokens: int
    units: dict[str, int | str]
    attributes: dict[str, str]
    final: bool

    def fields(self) -> CountedCall:
        """For `record_usage` and `settle`: `ledger.record_usage(account_id, **usage.fields(), ...)`."""
        if self.model is None:
            raise UnreadableAnswer(f"{self.provider}: the answer doesn't name it; give usage_of a model", field="model")
        return {
            "provider": self.provider,
            "model": self.model,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "units": self.units or None,
            "attributes": self.attributes or None,
        }


class UsageReader:
    """Reads the chunks of one answer and keeps what they count, not their text."""

    def __init__(
        self,
        provider: str,
        *,
        model: str | None = None,
        like: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """`provider` and `model`: as the book names them; by default the model that the answer names.

        `like`: the provider whose form the answers have, if genai-prices doesn't know `provider`. `attributes`: how
        the call is served, as far as only the caller knows it. Raises UnreadableAnswer for an unknown provider.
        """
        self._provider, self._model, self._attributes = provider, model, dict(attributes or {})
        self._known = provider_named(like or provider)
        self._answer: Json = {}
        self._ended = self._whole = False

    def read(self, chunk: Any) -> None:
        """Reads one chunk, or a whole answer: a mapping, or an object of an SDK. Raises UnreadableAnswer."""
        part = part_of(plain(chunk))
        if part.whole and self._whole:
            raise UnreadableAnswer(f"{self._provider}: a second answer; each is read by itself", field="answer")
        self._whole = self._whole or part.whole
        merge(self._answer, part.answer)
        self._ended = self._ended or part.ended

    def usage(self) -> ProviderUsage:
        """What the provider has counted so far. Raises UnreadableAnswer if it has counted nothing yet."""
        counts = counts_of(self._known, self._answer)
        into, out = counts.pop("input_tokens"), counts.pop("output_tokens")
        return ProviderUsage(
            provider=self._provider,
            model=self._model or self._model_of_the_answer(),
            input_tokens=int(into),
            output_tokens=int(out),
            units=dict(sorted(counts.items())),
            attributes=self._said() | self._attributes,
            final=self._ended,
        )

    def _model_of_the_answer(self) -> str | None:
        flavor = flavor_of(self._known, self._answer)
        named = value_at(self._answer, steps(flavor.model_path)) if flavor else None
        return named if isinstance(named, str) else None

    def _said(self) -> dict[str, str]:
        found = ((each.attribute, each.read(self._answer)) for each in SAID.get(self._known.id, SAID_BY_ALL))
        return {name: value for name, value in found if _is_text(value) and value not in UNSAID}


def usage_of(
    provider: str,
    answer: Any,
    *,
    model: str | None = None,
    like: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> ProviderUsage:
    """What the provider counted, from its whole answer or from the chunks of a stream.

    `answer`: a mapping or an object of an SDK, or an iterable of them, in their order. The others are as for
    `UsageReader`. Raises UnreadableAnswer, which names the path that is missing or wrong.
    """
    reader = UsageReader(provider, model=model, like=like, attributes=attributes)
    whole = isinstance(answer, Mapping | str | bytes) or hasattr(answer, "model_dump") or hasattr(answer, "to_dict")
    for chunk in [answer] if whole or not isinstance(answer, Iterable) else answer:
        reader.read(chunk)
    return reader.usage()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _CHARACTERS_MAX
