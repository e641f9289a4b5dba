"""The providers of the list prices by the names that routers have for them, and which sell whose models."""

from collections.abc import Collection

from genai_prices.data import providers as CATALOGUE
from genai_prices.data_snapshot import find_provider_by_id

# Of LiteLLM, of OpenTelemetry's `gen_ai.provider.name`, and of Pydantic AI.
_ROUTERS_NAMES = (
    *("vertex_ai", "vertex_ai_beta", "gemini", "bedrock", "bedrock_converse", "amazon_nova", "xai", "together_ai"),
    *("cohere_chat", "text-completion-openai", "voyage", "moonshot", "github_copilot", "mistral_ai"),
    *("gcp.gemini", "gcp.vertex_ai", "aws.bedrock", "google-gla", "google-vertex"),
)
# The list does not know these names, or takes them for another provider.
_UNLISTED_NAMES = {
    "azure_ai": "azure",
    "azure_text": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "fireworks_ai": "fireworks",
    "x_ai": "x-ai",
    "gcp.gen_ai": "google",
}


def provider_names(providers: Collection[str]) -> dict[str, str]:
    """Other names of these providers, each with the list's own."""
    found = {name: find_provider_by_id(CATALOGUE, name) for name in _ROUTERS_NAMES}
    names = {name: provider.id for name, provider in found.items() if provider and provider.id != name}
    return {name: provider for name, provider in (names | _UNLISTED_NAMES).items() if provider in providers}


def provider_fallbacks(providers: Collection[str], priced: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By each of these providers: the priced ones whose models it sells at their prices, in the list's order."""
    found = {
        provider.id: tuple(other for other in provider.fallback_model_providers or () if other in priced)
        for provider in CATALOGUE
        if provider.id in providers
    }
    return {provider: others for provider, others in found.items() if others}
