"""The generated pages of the reference, and the first book, are what the program says now."""

import pytest

from docs.generate import PAGES, REFERENCE
from docs.making.first_book import FIRST_BOOK, MODELS, first_book
from ledger.dev.bootstrap import first_version_of


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    """When this fails: make docs"""
    assert PAGES[name]() == (REFERENCE / name).read_text(encoding="utf-8")


def test_the_first_book_has_the_list_prices_of_today() -> None:
    """When this fails: make docs"""
    text = FIRST_BOOK.read_text(encoding="utf-8")
    assert text == first_book()
    version = first_version_of(text, "test-1")
    assert {(price.provider, price.model) for price in version.prices} == {
        (provider, model) for provider, models in MODELS.items() for model in models
    }
    assert "List prices of genai-prices " in str(version.note)
