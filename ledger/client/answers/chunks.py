"""Answers and chunks of streams, as SDKs and plain HTTP give them, in one form: what a chunk adds to its answer.

Counts in a stream are running totals, so the last one holds. A count is final when the provider has ended the answer;
what an aborted stream has is preliminary (Anthropic's `message_start` says one output token).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ledger.client.errors import UnreadableAnswer

Json = dict[Any, Any]

_ROOTS = ("usage", "usage_info", "meta", "result", "tokenUsage")  # where a whole answer has its counts


class Part(NamedTuple):
    """What a chunk adds. `ended`: whether the provider says that the answer ends here. `whole`: it is an answer."""

    answer: Json
    ended: bool
    whole: bool = False


def plain(answer: Any) -> Json:
    """The answer as JSON has it: of a mapping, or of an object of an SDK."""
    if isinstance(answer, Mapping):
        found = dict(answer)
    elif hasattr(answer, "model_dump"):  # pydantic, as most SDKs; by_alias: names as in JSON
        found = answer.model_dump(mode="json", by_alias=True, warnings=False)
    elif hasattr(answer, "to_dict"):
        found = answer.to_dict()
    else:
        raise UnreadableAnswer(f"{type(answer).__name__} is neither a mapping nor an object of an SDK", field="answer")
    inner = found.get("data")  # Mistral's SDK wraps each chunk
    return dict(inner) if set(found) == {"data"} and isinstance(inner, Mapping) else found


def part_of(chunk: Json) -> Part:
    """What a chunk, or a whole answer, adds."""
    match chunk:
        case {"type": "message_start", "message": {**message}}:  # Anthropic
            return Part(message, False)
        case {"type": "message_delta"}:
            return Part(_only(chunk, "usage"), _at(chunk, "delta", "stop_reason") is not None)
        case {"type": "message-end", "delta": {**delta}}:  # Cohere
            return Part(_only(delta, "usage"), True)
        case {"type": str(kind), "response": {**response}} if kind.startswith("response."):  # OpenAI's Responses
            return _response(kind, chunk, response)
        case {"metadata": {"usage": _, **metadata}} if len(chunk) == 1:  # Bedrock's ConverseStream
            return Part({"usage": chunk["metadata"]["usage"], **metadata}, True)
        case {"usage_metadata": _} | {"usageMetadata": _} | {"candidates": _}:  # Gemini
            return _gemini(chunk)
        case {"choices": [*choices]}:  # chat completions
            return _chat(chunk, choices)
        case {"type": "message_stop"}:
            return Part({}, True)
    return Part(chunk, True, True) if any(chunk.get(root) is not None for root in _ROOTS) else Part({}, False)


def merge(answer: Json, more: Mapping[Any, Any]) -> None:
    """Adds to an answer what a later part has. What is absent or null there stays."""
    for name, value in more.items():
        before = answer.get(name)
        if isinstance(value, Mapping) and isinstance(before, dict):
            merge(before, value)
        elif name == "candidates" and isinstance(before, list):
            answer[name] = [*before, *value]
        elif value is not None:
            answer[name] = dict(value) if isinstance(value, Mapping) else value


def _response(kind: str, event: Json, response: Json) -> Part:
    ended = response.get("usage") is not None
    return Part(event if kind == "response.done" else response, ended, ended)  # done: of a realtime session


def _gemini(chunk: Json) -> Part:
    """Without the text. Some SDKs have the names in snake case."""
    chunk = {_camel(name): value for name, value in chunk.items()}
    candidates = [each for each in chunk.get("candidates") or () if isinstance(each, Mapping)]
    candidates = [{_camel(name): value for name, value in each.items()} for each in candidates]
    kept = _only(chunk, "usageMetadata", "modelVersion", "sdkHttpResponse")
    if isinstance(kept.get("usageMetadata"), Mapping):
        kept["usageMetadata"] = _camels(kept["usageMetadata"])
    kept["candidates"] = [
        {"groundingMetadata": _camels(each["groundingMetadata"])}
        for each in candidates
        if isinstance(each.get("groundingMetadata"), Mapping)
    ]
    ended = any(each.get("finishReason") for each in candidates) or bool(chunk.get("promptFeedback"))
    return Part(kept, ended)


def _chat(chunk: Json, choices: list[Any]) -> Part:
    """Without the text. Usage is in the chunk; Groq also has it in `x_groq`, and Kimi in the choice."""
    kept = {name: value for name, value in chunk.items() if name not in ("choices", "x_groq")}
    known = [each for each in choices if isinstance(each, Mapping)]
    usage = chunk.get("usage") or _at(chunk, "x_groq", "usage")
    kept["usage"] = usage or next((each["usage"] for each in known if each.get("usage")), None)
    closing = not known and kept["usage"] is not None  # OpenAI's last chunk has usage and no choice
    ended = closing or any(each.get("finish_reason") for each in known)
    return Part(kept, ended, whole=any("message" in each for each in known))


def _only(chunk: Json, *names: str) -> Json:
    return {name: chunk[name] for name in names if chunk.get(name) is not None}


def _at(chunk: Any, *path: str) -> Any:
    for step in path:
        chunk = chunk.get(step) if isinstance(chunk, Mapping) else None
    return chunk


def _camels(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel(name): _camels(each) for name, each in value.items()}
    return [_camels(each) for each in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
