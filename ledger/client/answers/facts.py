"""What genai-prices 0.2.3 does not read of providers' answers, one table per provider, each fact with its source.

A fact can only add: its count is used if it is above the library's. So a fact that the library learns later is
harmless.
"""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, NamedTuple

Answer = Mapping[str, Any]
Read = Callable[[Answer], Any]

_OPENAI_SEARCH = "https://platform.openai.com/docs/guides/tools-web-search: search actions incur a tool call cost"
_OPENAI_FILES = "https://platform.openai.com/docs/pricing: file search is billed per call"
_OPENAI_AUDIO = "https://platform.openai.com/docs/api-reference/audio/json-object: usage.input_token_details"
_ANTHROPIC_USAGE = "https://platform.claude.com/docs/en/api/messages: usage.server_tool_use, output_tokens_details"
_ANTHROPIC_TIERS = "https://platform.claude.com/docs/en/api/service-tiers"
_GEMINI_GROUNDING = (
    "https://ai.google.dev/gemini-api/docs/google-search: Gemini 3 is billed by unique query that is not empty, older"
    " models by grounded prompt"
)
_GEMINI_TIERS = "https://ai.google.dev/gemini-api/docs/priority-inference: header x-gemini-service-tier"
_VERTEX_TIERS = "https://cloud.google.com/vertex-ai/generative-ai/docs/priority-paygo: usageMetadata.trafficType"
_BEDROCK_TIERS = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamMetadataEvent.html"
_XAI_TOOLS = "https://docs.x.ai/developers/tools/tool-usage-details: successful calls are billed"
_OPENROUTER_USAGE = "https://openrouter.ai/docs/use-cases/usage-accounting"
_MISTRAL_AUDIO = "https://docs.mistral.ai/capabilities/audio: usage.prompt_audio_seconds"
_MISTRAL_PAGES = "https://docs.mistral.ai/capabilities/document_ai/annotations: annotated pages have their own price"
_DEEPSEEK_CACHE = "https://api-docs.deepseek.com/guides/kv_cache: usage.prompt_cache_hit_tokens"
_KIMI_CACHE = "https://platform.kimi.ai/docs/api/chat: usage.cached_tokens"
_COHERE_BILLED = "https://docs.cohere.com/reference/rerank: meta.billed_units"
_VOYAGE_USAGE = "https://docs.voyageai.com/reference/embeddings-api: usage.total_tokens"


class Fact(NamedTuple):
    """A count that the library does not read. `alone`: whether an answer may have no other count."""

    unit: str
    read: Read
    source: str
    alone: bool = False


class Said(NamedTuple):
    """How the call was served, which may decide its price: an attribute of usage, and where the answer says it."""

    attribute: str
    read: Read
    source: str


def at(*path: str) -> Read:
    """Reads the value at this path; None if there is none."""

    def read(answer: Answer) -> Any:
        value: Any = answer
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    return read


def _calls(kind: str) -> Read:
    """Counts the calls of a hosted tool in the output of a response. Of web searches, only those that search."""

    def read(answer: Answer) -> int:
        output = answer.get("output")
        items = [item for item in output if isinstance(item, Mapping)] if isinstance(output, list) else []
        return sum(item.get("type") == kind and at("action", "type")(item) in (None, "search") for item in items)

    return read


def _grounding_searches(answer: Answer) -> int:
    candidates = [each for each in answer.get("candidates") or () if isinstance(each, Mapping)]
    found = [at("groundingMetadata", "webSearchQueries")(each) for each in candidates]
    queries = {query for query in chain.from_iterable(each or () for each in found) if query}
    per_prompt = str(answer.get("modelVersion")).removeprefix("models/").startswith(("gemini-1.", "gemini-2."))
    return min(len(queries), 1) if per_prompt else len(queries)


def _annotated_pages(answer: Answer) -> Any:
    return at("usage_info", "pages_processed")(answer) if answer.get("document_annotation") else None


def _xai_tool(calls: str) -> Read:
    return at("usage", "server_side_tool_usage_details", calls)


def _lower(read: Read) -> Read:
    def lowered(answer: Answer) -> Any:
        value = read(answer)
        return value.lower() if isinstance(value, str) else None

    return lowered


def _one_of(read: Read, meanings: Mapping[str, str]) -> Read:
    def meant(answer: Answer) -> str | None:
        value = read(answer)
        return meanings.get(value) if isinstance(value, str) else None

    return meant


_RESPONSES = (
    Fact("web_searches", _calls("web_search_call"), _OPENAI_SEARCH),
    Fact("storage_searches", _calls("file_search_call"), _OPENAI_FILES),
)
_MESSAGES = (
    Fact("web_searches", at("usage", "server_tool_use", "web_search_requests"), _ANTHROPIC_USAGE),
    Fact("output_reasoning_tokens", at("usage", "output_tokens_details", "thinking_tokens"), _ANTHROPIC_USAGE),
)

FACTS: dict[str, tuple[Fact, ...]] = {
    "anthropic": _MESSAGES,
    "aws": _MESSAGES,
    "azure": (*_RESPONSES, *_MESSAGES),
    "cohere": (
        Fact("rerank_searches", at("meta", "billed_units", "search_units"), _COHERE_BILLED, alone=True),
        Fact("output_tokens", at("meta", "billed_units", "output_tokens"), _COHERE_BILLED),
    ),
    "deepseek": (Fact("cache_read_tokens", at("usage", "prompt_cache_hit_tokens"), _DEEPSEEK_CACHE),),
    "google": (*_MESSAGES, Fact("web_searches", _grounding_searches, _GEMINI_GROUNDING)),
    "meta": _RESPONSES,
    "mistral": (
        Fact("input_audio_seconds", at("usage", "prompt_audio_seconds"), _MISTRAL_AUDIO),
        Fact("input_annotated_document_pages", _annotated_pages, _MISTRAL_PAGES),
    ),
    "moonshotai": (Fact("cache_read_tokens", at("usage", "cached_tokens"), _KIMI_CACHE),),
    "openai": (
        *_RESPONSES,
        Fact("input_audio_tokens", at("usage", "input_token_details", "audio_tokens"), _OPENAI_AUDIO),
    ),
    "openrouter": (
        Fact("web_searches", at("usage", "server_tool_use", "web_search_requests"), _OPENROUTER_USAGE),
        Fact("input_video_tokens", at("usage", "prompt_tokens_details", "video_tokens"), _OPENROUTER_USAGE),
        Fact("output_image_tokens", at("usage", "completion_tokens_details", "image_tokens"), _OPENROUTER_USAGE),
    ),
    "voyageai": (Fact("input_tokens", at("usage", "total_tokens"), _VOYAGE_USAGE, alone=True),),
    "x-ai": (
        Fact("web_searches", _xai_tool("web_search_calls"), _XAI_TOOLS),
        Fact("social_searches", _xai_tool("x_search_calls"), _XAI_TOOLS),
        Fact("code_executions", _xai_tool("code_interpreter_calls"), _XAI_TOOLS),
        Fact("storage_searches", _xai_tool("file_search_calls"), _XAI_TOOLS),
    ),
}

_TIER = (
    Said("service_tier", at("service_tier"), "https://platform.openai.com/docs/api-reference/chat/object"),
    Said("service_tier", at("usage", "service_tier"), _ANTHROPIC_TIERS),
)
_TRAFFIC = {"ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex"}
_ANTHROPIC = (
    *_TIER,
    Said("processing", _one_of(at("usage", "service_tier"), {"batch": "batch"}), _ANTHROPIC_TIERS),
    Said("speed", at("usage", "speed"), "https://platform.claude.com/docs/en/build-with-claude/fast-mode"),
    Said("inference_geo", at("usage", "inference_geo"), "https://platform.claude.com/docs/en/about-claude/pricing"),
)

SAID: dict[str, tuple[Said, ...]] = {
    "anthropic": _ANTHROPIC,
    "aws": (
        *_ANTHROPIC,
        Said("service_tier", at("serviceTier", "type"), _BEDROCK_TIERS),
        Said("latency", at("performanceConfig", "latency"), _BEDROCK_TIERS),
    ),
    "google": (
        *_ANTHROPIC,
        Said("service_tier", _lower(at("usageMetadata", "serviceTier")), _GEMINI_TIERS),
        Said("service_tier", _lower(at("sdkHttpResponse", "headers", "x-gemini-service-tier")), _GEMINI_TIERS),
        Said("service_tier", _one_of(at("usageMetadata", "trafficType"), _TRAFFIC), _VERTEX_TIERS),
    ),
}
SAID_BY_ALL = _TIER
UNSAID = frozenset({"auto", "not_available"})  # values that name no tier and no place

# Cohere bills other tokens than it counts: https://docs.cohere.com/v2/docs/how-does-cohere-pricing-work
PREFERRED_FLAVORS = {"cohere": "default"}

# Their `completion_tokens` leave reasoning out, and `total_tokens` has it:
# x-ai: https://docs.x.ai/docs/key-information/consumption-and-rate-limits
# google: the OpenAI-compatible API, as its `thoughtsTokenCount`: https://ai.google.dev/api/generate-content
OUTPUT_IS_IN_THE_TOTAL = frozenset({"x-ai", "google"})
