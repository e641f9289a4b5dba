"""deploy/first-book.json: well-known models at list prices, as an operator's first version of the book.

Made by the importer, so that nobody types a price; all else is as in the book of a development ledger. Its note says
when, and with which list.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.dev import first_book as development
from ledger.list_prices import catalogue, list_prices, source, with_prices

FIRST_BOOK = Path(__file__).parents[2] / "deploy" / "first-book.json"
MODELS = {
    "anthropic": ("claude-haiku-4-5", "claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-5", "claude-sonnet-5-5"),
    "deepseek": ("deepseek-v4-flash", "deepseek-v4-pro"),
    "google": ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.8-flash", "gemini-4-argon"),
    "mistral": ("mistral-large-4", "mistral-small-2603"),
    "openai": ("gpt-4o", "gpt-4o-mini", "gpt-5-mini", "gpt-6-luna", "gpt-6-sol", "gpt-6.1-sol", "gpt-image-2"),
    "x-ai": ("grok-4.7",),
}


def first_book() -> str:
    """The file, with the date of the last change."""
    prices = [
        price for price in list_prices(catalogue(tuple(MODELS)), "*").prices if price.model in MODELS[price.provider]
    ]
    version = with_prices(development.first_book("unused"), prices, replace=True)
    book = version.model_dump(mode="json", exclude_defaults=True, exclude={"version", "signing_keys"})
    bounds = version.bounds.model_dump(mode="json")
    return json.dumps({"note": _note({**book, "bounds": bounds}), **book, "bounds": bounds}, indent=2) + "\n"


def _note(book: dict[str, Any]) -> str:
    """The note of the file that there is, as long as nothing else in it changes."""
    if FIRST_BOOK.exists():
        note, *rest = json.loads(FIRST_BOOK.read_text(encoding="utf-8")).items()
        if dict(rest) == book:
            return str(note[1])
    return source(datetime.now(UTC).date())
