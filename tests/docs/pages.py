"""A page of the docs as a reader's browser has it: examples, links and anchors, found by the CommonMark parser.

An example is a fenced block. A `json` or `text` block right below another one is what that one prints.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
ALL_PAGES = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
ANSWERS = ("json", "text")


class Example(NamedTuple):
    """One block of a page. `answer`: the block below it, when that is what it prints."""

    page: str
    line: int
    language: str
    text: str
    answer: "Example | None" = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language or 'no language'})"


class Link(NamedTuple):
    """A link or a picture that stays inside the repository."""

    line: int
    target: str


def examples(page: str) -> list[Example]:
    """The examples of a page in its order; an answer belongs to its example and is not one of them."""
    found: list[Example] = []
    tokens = _tokens(page)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type != "fence" or token.map is None:
            continue
        example = Example(page, token.map[0] + 1, token.info.strip(), token.content)
        if before is not None and before.type == "fence" and example.language in ANSWERS:
            found[-1] = found[-1]._replace(answer=example)
        else:
            found.append(example)
    return found


def links(page: str) -> list[Link]:
    """The page's links to files and anchors of the repository."""
    found = []
    for line, child in _inline(page):
        target = child.attrGet("href") or child.attrGet("src")
        if isinstance(target, str) and not re.match(r"[a-z]+:", target):
            found.append(Link(line, target))
    return found


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives the page's headings."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    tokens = _tokens(page)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found


def _inline(page: str) -> Iterator[tuple[int, Token]]:
    for token in _tokens(page):
        for child in token.children or ():
            yield (token.map or [0])[0] + 1, child


def _tokens(page: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8"))
