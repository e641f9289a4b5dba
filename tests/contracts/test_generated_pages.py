"""The generated pages of the reference are what the program says now."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def generator() -> Any:
    found = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


PAGES: dict[str, Callable[[], str]] = generator().PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    """When this fails: make docs"""
    assert PAGES[name]() == (DOCS / "reference" / name).read_text(encoding="utf-8")
