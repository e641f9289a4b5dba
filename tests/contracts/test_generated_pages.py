"""The generated pages of the reference are what the program says now."""

import pytest

from docs.generate import PAGES, REFERENCE


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    """When this fails: make docs"""
    assert PAGES[name]() == (REFERENCE / name).read_text(encoding="utf-8")
