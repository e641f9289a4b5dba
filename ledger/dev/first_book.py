"""The first book of a development ledger: real models at list prices, in credits (1 credit = 1.00 USD)."""

from schemas.book import BookVersion, KeyValidity, Level, Markups, Package
from schemas.prices import Price


def first_book(signing_key_id: str) -> BookVersion:
    """Version 1: auto +10 %, tier +8 %, three packages, levels at 5 credits and at zero."""
    return BookVersion(
        version=1,
        markups=Markups(auto="0.10", tier="0.08"),
        prices=(
            _price("openai", "gpt-4o", "2.50", "10", "1.25"),
            _price("openai", "gpt-4o-mini", "0.15", "0.60", "0.075"),
            _price("anthropic", "claude-sonnet-4-5", "3", "15", "0.30", "3.75"),
            _price("google", "gemini-2.5-flash", "0.30", "2.50", "0.075"),
        ),
        packages=(
            Package(name="free", included_traces=100),
            Package(name="team", included_traces=10_000),
            Package(name="scale", included_traces=1_000_000),
        ),
        default_package="free",
        trace_price="0.0005",
        levels=(Level(name="low", at_most="5"), Level(name="exhausted", at_most="0")),
        signing_keys=(KeyValidity(key_id=signing_key_id),),
    )


def _price(
    provider: str, model: str, input_: str, output: str, cached: str | None = None, written: str | None = None
) -> Price:
    rates = {
        "input_tokens": input_,
        "output_tokens": output,
        "cache_read_tokens": cached,
        "cache_write_tokens": written,
    }
    return Price(provider=provider, model=model, rates={unit: rate for unit, rate in rates.items() if rate is not None})
