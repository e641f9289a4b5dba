"""What a provider counted is read from its answer, whole, streamed or cut off; nothing is silently zero."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from ledger.client import ProviderUsage, UnreadableAnswer, UsageReader, usage_of
from schemas.events import Usage
from schemas.money import format_nanos
from schemas.units import UNITS, WIDER
from tests.client.answers import ANTHROPIC, BEDROCK, CALLS, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, XAI, Call
from tests.core.records import plain_book
from tests.core.story import Story

EACH = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
Counts = tuple[int, int, dict[str, int | str]]


def counts(usage: ProviderUsage) -> Counts:
    return usage.input_tokens, usage.output_tokens, usage.units


@EACH
def test_a_whole_answer_is_read(call: Call) -> None:
    usage = usage_of(call.provider, call.whole)
    assert (counts(usage), usage.attributes, usage.final) == (call.counts, call.attributes, True)
    assert (usage.provider, usage.model) == (call.provider, call.model if call.names_model else None)


@EACH
def test_a_stream_says_the_same_as_the_whole_answer(call: Call) -> None:
    assert usage_of(call.provider, iter(call.chunks)) == usage_of(call.provider, call.whole)


@EACH
def test_a_stream_that_was_cut_off_is_never_final(call: Call) -> None:
    whole, preliminary = usage_of(call.provider, call.whole), list[Counts]()
    for end in range(len(call.chunks)):
        try:
            usage = usage_of(call.provider, call.chunks[:end])
        except UnreadableAnswer:
            continue
        if usage.final:  # the provider has ended it; only markers without counts follow
            assert counts(usage) == counts(whole)
        else:
            preliminary.append(counts(usage))
            assert usage.output_tokens < whole.output_tokens
    assert preliminary or call.provider not in ("anthropic", "google")


@EACH
def test_what_is_read_is_a_usage_event(call: Call) -> None:
    usage = usage_of(call.provider, call.chunks, model=call.model)
    event = Usage(request_id="req_1", mode="auto", **usage.fields())
    assert (event.model, event.input_tokens, event.units or {}) == (call.model, usage.input_tokens, usage.units)


@EACH
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_it_costs_what_the_list_says(call: Call, streamed: bool) -> None:
    price = {"provider": call.provider, "model": call.model, "rates": call.rates, "variants": call.variants}
    usage = usage_of(call.provider, call.chunks if streamed else call.whole, model=call.model).fields()
    entry = Story(plain_book(prices=[price])).apply("usage.recorded", request_id="req_1", mode="auto", **usage).entry
    assert format_nanos(entry.cost) == call.cost


def chat(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"object": "chat.completion", "model": "m", "choices": [{"finish_reason": "stop"}], "usage": usage, **more}


OTHERS: dict[str, tuple[str, Any, Counts]] = {
    # https://platform.openai.com/docs/api-reference/embeddings/create
    "OpenAI embeddings": (
        "openai",
        {"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 8, "total_tokens": 8}},
        (8, 0, {}),
    ),
    # https://platform.openai.com/docs/api-reference/audio/json-object
    "OpenAI transcription": (
        "openai",
        {
            "text": "Hello",
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
                "output_tokens": 45,
                "total_tokens": 59,
            },
        },
        (14, 45, {"input_audio_tokens": 10}),
    ),
    "OpenAI transcription by duration": (
        "openai",
        {"text": "Hello", "usage": {"type": "duration", "seconds": 12.5}},
        (0, 0, {"audio_seconds": "12.5"}),
    ),
    # https://platform.openai.com/docs/api-reference/images/object
    "OpenAI images": (
        "openai",
        {
            "data": [],
            "usage": {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens": 4_160,
                "output_tokens_details": {"text_tokens": 0, "image_tokens": 4_160},
                "total_tokens": 4_210,
            },
        },
        (50, 4_160, {"input_image_tokens": 40, "input_text_tokens": 10, "output_image_tokens": 4_160}),
    ),
    # https://platform.openai.com/docs/api-reference/realtime-server-events/response/done
    "OpenAI realtime": (
        "openai",
        {
            "type": "response.done",
            "response": {
                "object": "realtime.response",
                "usage": {
                    "input_tokens": 127,
                    "output_tokens": 148,
                    "input_token_details": {
                        "text_tokens": 119,
                        "audio_tokens": 8,
                        "cached_tokens": 64,
                        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0},
                    },
                    "output_token_details": {"text_tokens": 36, "audio_tokens": 112},
                },
            },
        },
        (
            127,
            148,
            {
                "cache_read_tokens": 64,
                "cache_text_read_tokens": 64,
                "cache_audio_read_tokens": 0,
                "input_audio_tokens": 8,
                "input_text_tokens": 119,
                "output_audio_tokens": 112,
                "output_text_tokens": 36,
            },
        ),
    ),
    # https://docs.x.ai/developers/tools/tool-usage-details
    "xAI Responses": (
        "x-ai",
        {
            "object": "response",
            "output": [],
            "usage": {
                "input_tokens": 7_583,
                "input_tokens_details": {"cached_tokens": 3_072},
                "output_tokens": 3_192,
                "output_tokens_details": {"reasoning_tokens": 700},
                "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 3, "file_search_calls": 0},
            },
        },
        (
            7_583,
            3_192,
            {"cache_read_tokens": 3_072, "output_reasoning_tokens": 700, "social_searches": 3, "web_searches": 2},
        ),
    ),
    # Gemini 3 is billed by unique query: https://ai.google.dev/gemini-api/docs/google-search
    "Gemini 3 with searches": (
        "gemini",
        GEMINI.whole | {"modelVersion": "gemini-3.8-flash"},
        (*GEMINI.counts[:2], GEMINI.counts[2] | {"web_searches": 2}),
    ),
    # https://ai.google.dev/gemini-api/docs/openai: only the total has the thoughts
    "Gemini as OpenAI": (
        "google",
        chat({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}),
        (20, 603, {}),
    ),
    # https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
    "Claude on Vertex": ("vertex", ANTHROPIC.whole, ANTHROPIC.counts),
    # https://api-docs.deepseek.com/guides/kv_cache
    "DeepSeek": (
        "deepseek",
        chat({"prompt_tokens": 100, "completion_tokens": 9, "prompt_cache_hit_tokens": 64}),
        (100, 9, {"cache_read_tokens": 64}),
    ),
    # https://platform.kimi.ai/docs/api/chat: the last chunk of a stream has usage in its choice
    "Kimi, streamed": (
        "moonshot",
        [
            {
                "object": "chat.completion.chunk",
                "choices": [
                    {
                        "delta": {},
                        "finish_reason": "stop",
                        "usage": {"prompt_tokens": 19, "completion_tokens": 13, "cached_tokens": 7},
                    }
                ],
            }
        ],
        (19, 13, {"cache_read_tokens": 7}),
    ),
    # https://openrouter.ai/docs/use-cases/usage-accounting
    "OpenRouter": (
        "openrouter",
        chat(
            {
                "prompt_tokens": 194,
                "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 100, "audio_tokens": 5},
                "completion_tokens": 1_300,
                "completion_tokens_details": {"reasoning_tokens": 3, "image_tokens": 1_290},
                "total_tokens": 1_494,
                "cost": 0.95,
                "server_tool_use": {"web_search_requests": 1},
            }
        ),
        (
            194,
            1_300,
            {
                "cache_read_tokens": 10,
                "cache_write_tokens": 100,
                "cache_audio_read_tokens": 0,
                "cache_audio_write_tokens": 0,
                "input_audio_tokens": 5,
                "output_image_tokens": 1_290,
                "output_image_reasoning_tokens": 0,
                "output_reasoning_tokens": 3,
                "web_searches": 1,
            },
        ),
    ),
    # https://docs.perplexity.ai/api-reference/chat-completions-post: deep research
    "Perplexity": (
        "perplexity",
        chat(
            {
                "prompt_tokens": 7,
                "completion_tokens": 3_581,
                "citation_tokens": 19_028,
                "num_search_queries": 18,
                "reasoning_tokens": 73_997,
            }
        ),
        (
            7,
            96_606,
            {"output_citation_tokens": 19_028, "output_reasoning_tokens": 73_997, "web_searches": 18},
        ),
    ),
    # https://docs.mistral.ai/capabilities/document_ai/annotations
    "Mistral OCR": (
        "mistral",
        {"pages": [], "model": "m", "usage_info": {"pages_processed": 29}, "document_annotation": "{}"},
        (0, 0, {"input_annotated_document_pages": 29, "input_document_pages": 29}),
    ),
    # https://docs.cohere.com/reference/rerank
    "Cohere rerank": (
        "cohere",
        {"results": [], "meta": {"billed_units": {"search_units": 2}}},
        (0, 0, {"rerank_searches": 2}),
    ),
    # https://docs.voyageai.com/reference/embeddings-api
    "Voyage": ("voyageai", {"data": [], "model": "m", "usage": {"total_tokens": 10}}, (10, 0, {})),
}


@pytest.mark.parametrize(("provider", "answer", "expected"), OTHERS.values(), ids=OTHERS)
def test_other_forms_of_answers_are_read(provider: str, answer: Any, expected: Counts) -> None:
    assert counts(usage_of(provider, answer)) == expected


SERVED: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "a batch of Anthropic's": (
        "anthropic",
        ANTHROPIC.whole | {"usage": ANTHROPIC.whole["usage"] | {"service_tier": "batch", "speed": "fast"}},
        {"service_tier": "batch", "processing": "batch", "speed": "fast"},
    ),
    "an Anthropic region": (
        "anthropic",
        ANTHROPIC.whole | {"usage": ANTHROPIC.whole["usage"] | {"inference_geo": "us"}},
        {"service_tier": "standard", "inference_geo": "us"},
    ),
    "Gemini's header, as its SDK has it": (
        "google",
        GEMINI.whole | {"sdkHttpResponse": {"headers": {"x-gemini-service-tier": "priority"}}},
        {"service_tier": "priority"},
    ),
    "Vertex's traffic type": (
        "google",
        GEMINI.whole | {"usageMetadata": GEMINI.whole["usageMetadata"] | {"trafficType": "ON_DEMAND_FLEX"}},
        {"service_tier": "flex"},
    ),
    "Bedrock": (
        "aws",
        BEDROCK.whole | {"serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "optimized"}},
        {"service_tier": "flex", "latency": "optimized"},
    ),
    "nothing, as the request's auto is no tier": ("openai", OPENAI_CHAT.whole | {"service_tier": "auto"}, {}),
}


@pytest.mark.parametrize(("provider", "answer", "expected"), SERVED.values(), ids=SERVED)
def test_how_the_call_was_served_is_read(provider: str, answer: dict[str, Any], expected: dict[str, str]) -> None:
    assert usage_of(provider, answer).attributes == expected


def test_reasoning_that_is_in_the_completion_tokens_already_is_not_counted_twice() -> None:
    inside = XAI.whole["usage"] | {"completion_tokens": 4_308}
    assert counts(usage_of("x-ai", XAI.whole | {"usage": inside})) == XAI.counts


def test_the_caller_says_what_only_the_caller_knows() -> None:
    usage = usage_of("aws", BEDROCK.whole, model="haiku", attributes={"processing": "batch", "service_tier": "flex"})
    assert usage.fields() == {
        "provider": "aws",
        "model": "haiku",
        "input_tokens": 6_200,
        "output_tokens": 300,
        "units": BEDROCK.counts[2],
        "attributes": {"processing": "batch", "service_tier": "flex"},
    }


def test_a_provider_has_the_name_that_the_caller_gives_it() -> None:
    assert usage_of("my-vllm", OPENAI_CHAT.whole, like="openai")[:4] == ("my-vllm", "gpt-5.6-sol", 12_000, 1_500)
    assert usage_of("bedrock", BEDROCK.whole).provider == "bedrock"


class Model(BaseModel):
    """An object as SDKs have it: attributes in snake case, JSON in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", protected_namespaces=())


class UsageMetadata(Model):
    prompt_token_count: int
    candidates_token_count: int
    thoughts_token_count: int | None = None


class GeminiAnswer(Model):
    usage_metadata: UsageMetadata
    model_version: str


class Sparse:
    def to_dict(self) -> dict[str, Any]:
        return {"usage_metadata": {"prompt_token_count": 5, "candidates_token_count": 7}, "model_version": "m"}


def test_objects_of_sdks_are_read_as_their_json() -> None:
    metadata = UsageMetadata(prompt_token_count=5, candidates_token_count=7, thoughts_token_count=2)
    answer = GeminiAnswer(usage_metadata=metadata, model_version="m")
    assert usage_of("google", answer)[1:4] == ("m", 5, 9)
    assert usage_of("google", [answer, answer])[1:4] == ("m", 5, 9)
    assert usage_of("google", Sparse())[1:4] == ("m", 5, 7)


BAD: dict[str, tuple[str, Any, str]] = {
    "no usage": ("openai", {"model": "m", "choices": []}, "usage"),
    "a stream without include_usage": ("openai", OPENAI_CHAT.chunks[:3], "usage"),
    "a response that still runs": ("openai", OPENAI_RESPONSES.chunks[0], "usage"),
    "no count of output": ("openai", chat({"prompt_tokens": 3, "total_tokens": 9}), "usage.completion_tokens"),
    "Anthropic without input": ("anthropic", {"usage": {"output_tokens": 3}}, "usage.input_tokens"),
    "Bedrock without output": ("aws", {"usage": {"inputTokens": 3}}, "usage.outputTokens"),
    "Gemini without counts": ("google", {"usageMetadata": {"trafficType": "ON_DEMAND"}}, "usageMetadata"),
    "text in a count": ("openai", chat({"prompt_tokens": "3", "completion_tokens": 1}), "usage.prompt_tokens"),
    "text in an optional count": (
        "anthropic",
        {"usage": {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": "7"}},
        "usage.cache_read_input_tokens",
    ),
    "text in a count of ours": (
        "deepseek",
        chat({"prompt_tokens": 3, "completion_tokens": 1, "prompt_cache_hit_tokens": "7"}),
        "cache_read_tokens",
    ),
    "a negative count": ("openai", chat({"prompt_tokens": -3, "completion_tokens": 1}), "usage.prompt_tokens"),
    "a truth value": ("openai", chat({"prompt_tokens": True, "completion_tokens": 1}), "usage.prompt_tokens"),
    "no number": ("openai", chat({"prompt_tokens": float("nan"), "completion_tokens": 1}), "usage.prompt_tokens"),
    "half a token": ("openai", chat({"prompt_tokens": 3.5, "completion_tokens": 1}), "input_tokens"),
    "an empty stream": ("cohere", [], "usage.billed_units"),
    "a provider without a known form": ("together", OPENAI_CHAT.whole, "usage"),
    "an unknown provider": ("my-vllm", OPENAI_CHAT.whole, "provider"),
    "text": ("openai", '{"usage": {}}', "answer"),
    "nothing": ("openai", None, "answer"),
    "text in a stream": ("openai", ["data: [DONE]"], "answer"),
    "two answers": ("openai", [OPENAI_CHAT.whole, OPENAI_CHAT.whole], "answer"),
    "two responses of a session": ("openai", [OTHERS["OpenAI realtime"][1]] * 2, "answer"),
}


@pytest.mark.parametrize(("provider", "answer", "path"), BAD.values(), ids=BAD)
def test_an_answer_that_says_nothing_is_refused_with_the_path(provider: str, answer: Any, path: str) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        usage_of(provider, answer)
    assert caught.value.field == path


@pytest.mark.parametrize("bad", ["no usage", "text in a count", "Bedrock without output", "an unknown provider"])
def test_the_error_names_the_provider(bad: str) -> None:
    provider, answer, _ = BAD[bad]
    with pytest.raises(UnreadableAnswer, match=provider):
        usage_of(provider, answer)


def test_an_answer_without_a_model_asks_for_one() -> None:
    with pytest.raises(UnreadableAnswer, match=r"^model: .*aws"):
        usage_of("aws", BEDROCK.whole).fields()


def test_a_stream_is_not_kept() -> None:
    """Nor is the caller's chunk changed."""
    reader, first = UsageReader("openai"), OPENAI_CHAT.chunks[0]
    for _ in range(1_000):
        reader.read(first)
    reader.read(OPENAI_CHAT.chunks[-1])
    assert "Hello" not in repr(vars(reader))
    assert counts(reader.usage()) == OPENAI_CHAT.counts
    assert first["choices"][0]["delta"] == {"content": "Hello"}


EVERY_UNIT = {"provider": "p", "model": "m", "rates": {unit: "1" for unit in UNITS}}
BOOK = plain_book(prices=[EVERY_UNIT])


def charged(provider: str, answer: dict[str, Any]) -> ProviderUsage:
    """What is read, after the ledger has taken it and charged every unit."""
    usage = usage_of(provider, answer, model="m")
    call = usage.fields() | {"provider": "p", "request_id": "req_1", "mode": "auto"}
    assert Story(BOOK).apply("usage.recorded", **call).entry is not None
    return usage


def numbers(*names: str) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({}, optional={name: st.integers(0, 1_000) for name in names})


def anthropic() -> Iterator[st.SearchStrategy[Any]]:
    yield numbers("cache_read_input_tokens", "cache_creation_input_tokens")
    yield st.fixed_dictionaries({"cache_creation": numbers("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")})
    yield st.fixed_dictionaries({"output_tokens_details": numbers("thinking_tokens")})
    yield st.fixed_dictionaries({"input_tokens": st.integers(0, 1_000), "output_tokens": st.integers(0, 1_000)})


@given(st.tuples(*anthropic()))
def test_a_narrower_unit_is_never_above_the_wider_one(parts: tuple[dict[str, Any], ...]) -> None:
    """Whatever a provider counts beside what it should be a part of."""
    usage = charged("anthropic", {"usage": {name: value for part in parts for name, value in part.items()}})
    found = usage.units | {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    for narrow, wide in ((narrow, wide) for narrow in found for wide in UNITS if wide in WIDER[narrow]):
        assert int(found[narrow]) <= int(found.get(wide, 0))


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """The counts of an answer of which each token was cached or not, and text, audio or an image."""
    sizes = draw(st.dictionaries(st.sampled_from(["text_tokens", "audio_tokens", "image_tokens"]), st.integers(0, 100)))
    undetailed = draw(st.integers(0, 100))
    total = sum(sizes.values()) + undetailed
    cached = draw(st.integers(0, total))
    details = {**sizes, "cached_tokens": cached}
    return {"input_tokens": total, "input_token_details": details, "output_tokens": draw(st.integers(0, 100))}


@given(chats())
def test_what_is_cached_of_audio_and_images_is_filled_in_so_that_every_token_has_one_price(usage: Any) -> None:
    read = charged("openai", {"type": "response.done", "response": {"usage": usage}})
    cached = usage["input_token_details"]["cached_tokens"]
    assert (read.input_tokens, read.units.get("cache_read_tokens", 0)) == (usage["input_tokens"], cached)
