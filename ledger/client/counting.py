"""What a stream of output has used: as the router counts it while it passes, and as the provider counts it.

The provider's final count holds. Until it has come, the larger count of output does: an aborted stream has only a
preliminary count, such as the one output token of Anthropic's `message_start`.
"""

from typing import Any, TypedDict

from ledger.client.answers import ProviderUsage, UsageReader
from ledger.client.errors import UnreadableAnswer


class CountedFields(TypedDict, total=False):
    """What the provider counted: fields of `schemas.events.Usage`. Costs are credits, as decimal text."""

    input_tokens: int
    output_tokens: int
    units: dict[str, int | str] | None
    attributes: dict[str, str] | None
    provider_cost: str | None
    extra_cost: str | None
    own_key: bool | None
    metadata: dict[str, str] | None


class Counting:
    """The counts of one stream. `produced`: output tokens that the router counted."""

    def __init__(self, provider: str, model: str, like: str | None) -> None:
        self.produced = 0
        self._call = provider, model, like
        self._reader: UsageReader | None = None
        self._reported: CountedFields = {}
        self._final = self._ended = False

    def produce(self, tokens: int) -> None:
        """Counts more output. A count that was reported before can't be all, unless the provider ended the answer."""
        self.produced += tokens
        self._final = self._final and (self._ended or tokens == 0)

    def read(self, chunk: Any) -> None:
        """Reads a chunk of the provider's answer. Raises UnreadableAnswer."""
        if self._reader is None:
            provider, model, like = self._call
            self._reader = UsageReader(provider, model=model, like=like)
        self._reader.read(chunk)

    def report(self, counted: ProviderUsage | None, final: bool, fields: CountedFields) -> None:
        """Takes what the router reports. It goes before what was read of the chunks."""
        read = _counts_of(counted) if counted else CountedFields()
        self._reported = {**self._reported, **read, **fields}
        if "output_tokens" in read or "output_tokens" in fields:
            self._ended = counted is not None and counted.final
            self._final = final and (counted is None or counted.final)

    def read_so_far(self) -> ProviderUsage | None:
        """What the chunks count; None if none was read. Raises UnreadableAnswer if they count nothing."""
        return self._reader.usage() if self._reader else None

    def fields(self, read: ProviderUsage | None = None) -> CountedFields:
        """What the usage event says of the counts. `read`: what the chunks count, if that is to be used."""
        counted: CountedFields = {**(_counts_of(read) if read else CountedFields()), **self._reported}
        output = counted.get("output_tokens", self.produced)
        final = self._final if "output_tokens" in self._reported else read is not None and read.final
        # A wrong type is left to the event's own check.
        counted["output_tokens"] = output if final or type(output) is not int else max(output, self.produced)
        return counted

    @property
    def empty(self) -> bool:
        """Whether nothing was counted, here or by the provider."""
        try:
            return self.produced == 0 and not self._reported and self.read_so_far() is None
        except UnreadableAnswer:
            return True

    @property
    def only_read(self) -> bool:
        """Whether nothing but the chunks can say what was used."""
        return self.produced == 0 and not self._reported and self._reader is not None


def _counts_of(usage: ProviderUsage) -> CountedFields:
    """Without provider and model: those of the authorization are charged."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "units": usage.units or None,
        "attributes": usage.attributes or None,
    }
