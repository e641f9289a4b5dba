"""Each page of docs/decisions has the same form, and the index names each."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("0*.md"))
PARTS = ["Context", "Decision", "Alternatives", "Consequences"]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def title_of(page: Path) -> str:
    """The title without its number."""
    number, _, title = page.read_text().partition("\n")[0].removeprefix("# ").partition(": ")
    assert number == page.name[:4]
    return title


@each_page
def test_a_decision_has_a_title_a_status_a_date_and_its_parts_in_order(page: Path) -> None:
    text = page.read_text()
    assert title_of(page)
    assert re.search(r"^- Status: (accepted|replaced by \[\d{4}\])", text, re.MULTILINE)
    assert re.search(r"^- Date: 20\d\d-\d\d-\d\d$", text, re.MULTILINE)
    assert re.search(r"^- Measured: \S", text, re.MULTILINE)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == PARTS


@each_page
def test_the_index_names_it(page: Path) -> None:
    index = (FOLDER / "README.md").read_text()
    assert f"| [{page.name[:4]}]({page.name}) | {title_of(page)} |\n" in index


def test_the_index_of_measurements_names_each_page() -> None:
    folder = ROOT / "docs" / "measurements"
    index = (folder / "README.md").read_text()
    missing = [page.name for page in folder.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index]
    assert missing == []
