"""What a provider counted, read from its answer as it came: whole, or chunk by chunk.

genai-prices knows where each provider has its counts; `facts.py` adds what it does not read.
"""

from ledger.client.answers.reading import ProviderUsage, UsageReader, usage_of

__all__ = ["ProviderUsage", "UsageReader", "usage_of"]
