"""Answers as providers document them: the whole answer and the stream of one call, and what they count, by hand.

`cost`: credits, at the `rates`, which are the list prices of November 2026; the comment multiplies them out.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

Json = dict[str, Any]


class Call(NamedTuple):
    """One call. `counts`: what went in, what came out, and the other units."""

    provider: str
    model: str
    whole: Json
    chunks: list[Json]
    counts: tuple[int, int, dict[str, int | str]]
    rates: Mapping[str, str]
    cost: str
    attributes: Mapping[str, str] = MappingProxyType({})
    names_model: bool = True
    variants: Sequence[Json] = ()


def _delta(text: str | None, finish: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [choice], **more}


def _chat(usage: Json, **more: Any) -> Json:
    message = {"role": "assistant", "content": "Hello, world"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "c1", "object": "chat.completion", "choices": choices, "usage": usage, **more}


# https://platform.openai.com/docs/api-reference/chat/object and /chat-streaming: with include_usage the last chunk has
# the counts and no choice. prompt_tokens has what was read from and written to the cache, completion_tokens has the
# reasoning: https://platform.openai.com/docs/guides/prompt-caching
_OPENAI_USAGE = {
    "prompt_tokens": 12_000,
    "completion_tokens": 1_500,
    "total_tokens": 13_500,
    "prompt_tokens_details": {"cached_tokens": 8_000, "cache_write_tokens": 3_000, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 900, "audio_tokens": 0, "accepted_prediction_tokens": 0},
}
_SOL = {"model": "gpt-5.6-sol", "service_tier": "default"}
OPENAI_CHAT = Call(
    "openai",
    "gpt-5.6-sol",
    _chat(_OPENAI_USAGE, **_SOL),
    [
        _delta("Hello", usage=None, **_SOL),
        _delta(", world", usage=None, **_SOL),
        _delta(None, "stop", usage=None, **_SOL),
        {"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": _OPENAI_USAGE, **_SOL},
    ],
    (12_000, 1_500, {"cache_read_tokens": 8_000, "cache_write_tokens": 3_000, "output_reasoning_tokens": 900}),
    {"input_tokens": "4", "cache_read_tokens": "0.4", "cache_write_tokens": "5", "output_tokens": "20"},
    # 1,000 × 4 + 8,000 × 0.4 + 3,000 × 5 + 1,500 × 20, by 1,000,000
    "0.0522",
    {"service_tier": "default"},
)

# https://platform.openai.com/docs/api-reference/responses-streaming; a search is billed, opening a page is not:
# https://platform.openai.com/docs/guides/tools-web-search
_RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5.6-sol",
    "service_tier": "priority",
    "output": [
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "prices"}},
        {"type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "https://a.example"}},
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "prices today"}},
        {"type": "file_search_call", "status": "completed", "queries": ["prices"]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
    ],
    "usage": {
        "input_tokens": 1_000,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 200,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1_200,
    },
}
OPENAI_RESPONSES = Call(
    "openai",
    "gpt-5.6-sol",
    _RESPONSE,
    [
        {"type": "response.created", "response": _RESPONSE | {"status": "in_progress", "usage": None, "output": []}},
        {"type": "response.output_item.done", "item": _RESPONSE["output"][0]},
        {"type": "response.output_text.delta", "delta": "Hello"},
        {"type": "response.completed", "response": _RESPONSE},
    ],
    (1_000, 200, {"web_searches": 2, "storage_searches": 1}),
    {"input_tokens": "4", "output_tokens": "20", "web_searches": "10", "storage_searches": "2.5"},
    # 1,000 × 8 + 200 × 40, by 1,000,000; 2 × 10 + 1 × 2.5, by 1,000
    "0.0385",
    {"service_tier": "priority"},
    variants=[{"attributes": {"service_tier": "priority"}, "rates": {"input_tokens": "8", "output_tokens": "40"}}],
)

# https://platform.claude.com/docs/en/build-with-claude/streaming: message_start has a preliminary count of output, and
# the counts of message_delta are running totals. input_tokens leaves reads and writes out:
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching
_ANTHROPIC_USAGE = {
    "input_tokens": 2_000,
    "cache_creation_input_tokens": 6_000,
    "cache_read_input_tokens": 10_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 4_000},
    "output_tokens": 800,
    "server_tool_use": {"web_search_requests": 3},
    "service_tier": "standard",
}
_MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": _ANTHROPIC_USAGE,
}
ANTHROPIC = Call(
    "anthropic",
    "claude-sonnet-5-5",
    _MESSAGE,
    [
        {
            "type": "message_start",
            "message": _MESSAGE
            | {"content": [], "stop_reason": None}
            | {"usage": {k: v for k, v in _ANTHROPIC_USAGE.items() if k != "server_tool_use"} | {"output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 2_000,
                "cache_creation_input_tokens": None,
                "cache_read_input_tokens": 10_000,
                "output_tokens": 800,
                "server_tool_use": {"web_search_requests": 3},
            },
        },
        {"type": "message_stop"},
    ],
    (
        18_000,
        800,
        {
            "cache_read_tokens": 10_000,
            "cache_write_tokens": 6_000,
            "cache_write_5m_tokens": 2_000,
            "cache_write_1h_tokens": 4_000,
            "web_searches": 3,
        },
    ),
    {
        "input_tokens": "2",
        "cache_read_tokens": "0.1",
        "cache_write_tokens": "2.5",
        "cache_write_1h_tokens": "4",
        "output_tokens": "10",
        "web_searches": "10",
    },
    # 2,000 × 2 + 10,000 × 0.1 + 2,000 × 2.5 + 4,000 × 4 + 800 × 10, by 1,000,000; 3 × 10, by 1,000
    "0.064",
    {"service_tier": "standard"},
)

# https://ai.google.dev/api/generate-content#UsageMetadata: the prompt has what is cached, and neither the tools'
# prompts nor the thoughts are in the other counts. Each chunk has the running totals. Gemini 2.5 is billed by grounded
# prompt, whatever number of queries: https://ai.google.dev/gemini-api/docs/google-search
_GROUNDING = {"groundingMetadata": {"webSearchQueries": ["prices", "", "prices today", "prices"]}}
_GEMINI_USAGE: Json = {
    "promptTokenCount": 5_000,
    "cachedContentTokenCount": 1_500,
    "toolUsePromptTokenCount": 700,
    "candidatesTokenCount": 400,
    "thoughtsTokenCount": 600,
    "totalTokenCount": 6_700,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3_000}, {"modality": "AUDIO", "tokenCount": 2_000}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 1_500}],
    "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 700}],
}
_CONTENT = {"content": {"role": "model", "parts": [{"text": "Hello"}]}, "index": 0}
GEMINI = Call(
    "google",
    "gemini-2.5-flash",
    {
        "candidates": [_CONTENT | {"finishReason": "STOP"} | _GROUNDING],
        "usageMetadata": _GEMINI_USAGE,
        "modelVersion": "gemini-2.5-flash",
    },
    [
        {
            "candidates": [_CONTENT],
            "usageMetadata": {"promptTokenCount": 5_000, "thoughtsTokenCount": 350, "totalTokenCount": 5_350},
            "modelVersion": "gemini-2.5-flash",
        },
        {
            "candidates": [_CONTENT | _GROUNDING],
            "usageMetadata": {"promptTokenCount": 5_000, "candidatesTokenCount": 90, "thoughtsTokenCount": 600},
            "modelVersion": "gemini-2.5-flash",
        },
        {
            "candidates": [_CONTENT | {"finishReason": "STOP"}],
            "usageMetadata": _GEMINI_USAGE,
            "modelVersion": "gemini-2.5-flash",
        },
    ],
    (
        5_700,
        1_000,
        {
            "cache_read_tokens": 1_500,
            "cache_text_read_tokens": 1_500,
            "cache_audio_read_tokens": 0,
            "input_audio_tokens": 2_000,
            "input_audio_tool_tokens": 0,
            "input_text_tokens": 3_700,
            "input_text_tool_tokens": 700,
            "input_tool_tokens": 700,
            "output_reasoning_tokens": 600,
            "web_searches": 1,
        },
    ),
    {
        "input_tokens": "0.3",
        "cache_read_tokens": "0.03",
        "input_audio_tokens": "1",
        "cache_audio_read_tokens": "0.1",
        "output_tokens": "2.5",
        "web_searches": "35",
    },
    # 2,200 × 0.3 + 1,500 × 0.03 + 2,000 × 1 + 1,000 × 2.5, by 1,000,000; 1 × 35, by 1,000
    "0.040205",
)

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html and
# https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html: inputTokens leaves reads and writes out. The
# stream ends with the event `metadata`. An answer doesn't name its model.
_BEDROCK_USAGE: Json = {
    "inputTokens": 1_200,
    "outputTokens": 300,
    "totalTokens": 6_500,
    "cacheReadInputTokens": 3_000,
    "cacheWriteInputTokens": 2_000,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 500}, {"ttl": "5m", "inputTokens": 1_500}],
}
BEDROCK = Call(
    "aws",
    "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        "stopReason": "end_turn",
        "usage": _BEDROCK_USAGE,
        "metrics": {"latencyMs": 551},
        "serviceTier": {"type": "default"},
    },
    [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {
            "metadata": {
                "usage": _BEDROCK_USAGE,
                "metrics": {"latencyMs": 551},
                "serviceTier": {"type": "default"},
            }
        },
    ],
    (
        6_200,
        300,
        {
            "cache_read_tokens": 3_000,
            "cache_write_tokens": 2_000,
            "cache_write_1h_tokens": 500,
            "cache_write_5m_tokens": 1_500,
        },
    ),
    {
        "input_tokens": "1",
        "cache_read_tokens": "0.1",
        "cache_write_tokens": "1.25",
        "cache_write_1h_tokens": "2",
        "output_tokens": "5",
    },
    # 1,200 × 1 + 3,000 × 0.1 + 1,500 × 1.25 + 500 × 2 + 300 × 5, by 1,000,000
    "0.005875",
    {"service_tier": "default"},
    names_model=False,
)

# https://docs.x.ai/docs/key-information/consumption-and-rate-limits: reasoning is counted apart from
# completion_tokens, and is in total_tokens.
_XAI_USAGE = {
    "prompt_tokens": 10_120,
    "completion_tokens": 1_499,
    "total_tokens": 14_428,
    "prompt_tokens_details": {"text_tokens": 10_120, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 128},
    "completion_tokens_details": {"reasoning_tokens": 2_809, "audio_tokens": 0, "accepted_prediction_tokens": 0},
    "num_sources_used": 0,
}
XAI = Call(
    "x-ai",
    "grok-4",
    _chat(_XAI_USAGE, model="grok-4"),
    [
        _delta("Hello", model="grok-4"),
        _delta(None, "stop", model="grok-4"),
        {"object": "chat.completion.chunk", "choices": [], "model": "grok-4", "usage": _XAI_USAGE},
    ],
    (10_120, 4_308, {"cache_read_tokens": 128, "output_reasoning_tokens": 2_809}),
    {"input_tokens": "3", "cache_read_tokens": "0.75", "output_tokens": "15"},
    # 9,992 × 3 + 128 × 0.75 + 4,308 × 15, by 1,000,000
    "0.094692",
)

# https://docs.mistral.ai/capabilities/audio: seconds of audio beside the tokens; the stream's last chunk has them.
_MISTRAL_USAGE = {
    "prompt_tokens": 4,
    "completion_tokens": 635,
    "total_tokens": 3_264,
    "prompt_audio_seconds": 203,
}
_VOXTRAL = "voxtral-mini-2602"
MISTRAL = Call(
    "mistral",
    _VOXTRAL,
    _chat(_MISTRAL_USAGE, model=_VOXTRAL),
    [  # as Mistral's SDK wraps them
        {"data": _delta("Hello", model=_VOXTRAL)},
        {"data": _delta(", world", "stop", model=_VOXTRAL, usage=_MISTRAL_USAGE)},
    ],
    (4, 635, {"audio_seconds": 203, "input_audio_seconds": 203}),
    {"audio_seconds": "0.18", "input_audio_seconds": "0.18"},
    # 203 × 0.18, by 3,600; tokens are free
    "0.01015",
)

# https://docs.cohere.com/v2/reference/chat: billed_units is what is paid for, tokens is what the model saw. An answer
# doesn't name its model.
_COHERE_USAGE = {
    "billed_units": {"input_tokens": 250, "output_tokens": 90},
    "tokens": {"input_tokens": 312, "output_tokens": 95},
    "cached_tokens": 32,
}
COHERE = Call(
    "cohere",
    "command-r",
    {
        "id": "c1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        "usage": _COHERE_USAGE,
    },
    [
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hello"}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USAGE}},
    ],
    (250, 90, {}),
    {"input_tokens": "0.15", "output_tokens": "0.6"},
    # 250 × 0.15 + 90 × 0.6, by 1,000,000
    "0.0000915",
    names_model=False,
)

# https://console.groq.com/docs/api-reference#chat-create: the last chunk of a stream has the counts in x_groq.
_GROQ_USAGE = {
    "prompt_tokens": 4_000,
    "completion_tokens": 500,
    "total_tokens": 4_500,
    "prompt_tokens_details": {"cached_tokens": 1_000},
    "completion_tokens_details": {"reasoning_tokens": 120},
    "total_time": 0.72,
}
_OSS = {"model": "openai/gpt-oss-120b"}
GROQ = Call(
    "groq",
    "openai/gpt-oss-120b",
    _chat(_GROQ_USAGE, service_tier="on_demand", x_groq={"id": "req_1"}, **_OSS),
    [
        _delta("Hello", x_groq={"id": "req_1"}, **_OSS),
        _delta(None, "stop", x_groq={"id": "req_1", "usage": _GROQ_USAGE}, service_tier="on_demand", **_OSS),
    ],
    (4_000, 500, {"cache_read_tokens": 1_000, "output_reasoning_tokens": 120}),
    {"input_tokens": "0.15", "cache_read_tokens": "0.075", "output_tokens": "0.6"},
    # 3,000 × 0.15 + 1,000 × 0.075 + 500 × 0.6, by 1,000,000
    "0.000825",
    {"service_tier": "on_demand"},
)

CALLS = {
    "OpenAI chat": OPENAI_CHAT,
    "OpenAI Responses": OPENAI_RESPONSES,
    "Anthropic": ANTHROPIC,
    "Gemini": GEMINI,
    "Bedrock": BEDROCK,
    "xAI": XAI,
    "Mistral": MISTRAL,
    "Cohere": COHERE,
    "Groq": GROQ,
}
