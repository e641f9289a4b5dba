"""No line of a page is wider than 120 columns, except rows of tables, which can't be broken."""

import pytest

from docs.making.wrapping import COLUMNS, wrapped
from tests.docs.pages import ALL_PAGES, ROOT


@pytest.mark.parametrize("page", ALL_PAGES)
def test_no_line_but_a_row_of_a_table_is_wider_than_120_columns(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    wide = [number for number, line in enumerate(lines, 1) if len(line) > COLUMNS and not line.lstrip().startswith("|")]
    assert wide == []


LONG = "word " * 40
STAY = ["| " + LONG + "|", "# " + LONG, "```\n" + LONG + "\n```", "Short.\nLines.", "- one\n- two", ""]
TOO_WIDE = [
    pytest.param(LONG.strip(), id="a paragraph"),
    pytest.param("- " + LONG.strip(), id="an item of a list"),
    pytest.param("  1. " + LONG.strip(), id="a numbered item"),
    pytest.param("`a b` " * 25 + "end", id="code spans"),
    pytest.param("a - b " * 25 + "end", id="a dash that would begin a list"),
]


@pytest.mark.parametrize("text", STAY)
def test_what_is_not_wide_prose_stays_as_it_is(text: str) -> None:
    assert wrapped(text) == text


@pytest.mark.parametrize("text", TOO_WIDE)
def test_wide_prose_is_wrapped_and_keeps_its_words(text: str) -> None:
    lines = wrapped(text).split("\n")
    assert len(lines) > 1
    assert max(map(len, lines)) <= COLUMNS
    assert " ".join(line.strip() for line in lines) == text.strip()
    assert not any(line.lstrip().startswith("- ") for line in lines[1:])
