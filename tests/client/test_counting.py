"""Which count of a stream is charged: the provider's final one; until it has come, the larger."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.client import UnreadableAnswer, usage_of
from ledger.client.counting import Counting
from tests.client.answers import ANTHROPIC, OPENAI_CHAT

Step = Callable[[Counting], None]
FINAL, PRELIMINARY = usage_of("anthropic", ANTHROPIC.whole), usage_of("anthropic", ANTHROPIC.chunks[:1])
ALL = ANTHROPIC.counts[1]


def output(tokens: int) -> Step:
    return lambda counting: counting.produce(tokens)


def reported(tokens: int, final: bool = True) -> Step:
    return lambda counting: counting.report(None, final, {"output_tokens": tokens})


def usage(counted: Any) -> Step:
    return lambda counting: counting.report(counted, True, {})


def read(*chunks: Any) -> Step:
    return lambda counting: [counting.read(chunk) for chunk in chunks] and None


CHARGED: dict[str, tuple[list[Step], int]] = {
    "nothing": ([], 0),
    "output alone": ([output(3), output(4)], 7),
    "a report after the output": ([output(500), reported(480)], 480),
    "a report that is not final": ([output(500), reported(1, final=False)], 500),
    "a larger one that is not final": ([output(5), reported(90, final=False)], 90),
    "a report before the output": ([reported(1), output(500)], 500),
    "a report, and no output after it": ([output(500), reported(480), output(0)], 480),
    "two reports": ([reported(1), output(500), reported(480)], 480),
    "a preliminary usage": ([output(500), usage(PRELIMINARY)], 500),
    "a preliminary usage before": ([usage(PRELIMINARY), output(500)], 500),
    "a final usage": ([output(5_000), usage(FINAL)], ALL),
    "a final usage, with the last output counted after it": ([output(5_000), usage(FINAL), output(1)], ALL),
    "chunks until the end": ([output(5_000), read(*ANTHROPIC.chunks)], ALL),
    "the last chunk before its output": ([read(*ANTHROPIC.chunks), output(5_000)], ALL),
    "chunks that were cut off": ([read(*ANTHROPIC.chunks[:4]), output(500)], 500),
    "chunks that were cut off, without output": ([read(*ANTHROPIC.chunks[:4])], 1),
    "a report beside chunks": ([read(*ANTHROPIC.chunks), output(5_000), reported(7)], 7),
}


@pytest.mark.parametrize(("steps", "tokens"), CHARGED.values(), ids=CHARGED)
def test_the_final_count_holds_and_until_then_the_larger(steps: list[Step], tokens: int) -> None:
    counting = Counting("anthropic", "claude-sonnet-5-5", None)
    for step in steps:
        step(counting)
    assert counting.fields(counting.read_so_far())["output_tokens"] == tokens
    assert counting.empty == (not steps)


def test_all_else_that_the_provider_counted_is_taken() -> None:
    counting = Counting("anthropic", "claude-sonnet-5-5", None)
    read(*ANTHROPIC.chunks)(counting)
    counting.report(None, True, {"metadata": {"team": "a"}})
    assert counting.fields(counting.read_so_far()) == {
        "input_tokens": 18_000,
        "output_tokens": ALL,
        "units": ANTHROPIC.counts[2],
        "attributes": {"service_tier": "standard"},
        "metadata": {"team": "a"},
    }


def test_chunks_without_counts_count_nothing() -> None:
    counting = Counting("openai", "gpt-5.6-sol", None)
    read(*OPENAI_CHAT.chunks[:2])(counting)
    with pytest.raises(UnreadableAnswer):
        counting.read_so_far()
    assert (counting.empty, counting.only_read) == (True, True)
    counting.produce(2)
    assert (counting.empty, counting.only_read) == (False, False)
