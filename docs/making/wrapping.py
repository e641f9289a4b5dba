"""Wraps the prose of a Markdown page at 120 columns. Tables, code blocks, headings and short paragraphs stay."""

import re
from collections.abc import Iterator

COLUMNS = 120
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+")
_STAYS = re.compile(r"\s*(?:[|#<>]|---|$)")
# A line that begins with one of these is no longer part of its paragraph.
_BEGINS_A_BLOCK = re.compile(r"(?:[-+*]|\d+[.)]|#+|>|=+|\|.*)$")


def wrapped(page: str) -> str:
    """The page, whose paragraphs and list items have no line above 120 columns that a space can break."""
    return "\n".join(line for block in _blocks(page.split("\n")) for line in block)


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Paragraphs and list items, wrapped; every other line as it is."""
    block: list[str] = []
    in_code = False
    for line in lines:
        fence = line.lstrip().startswith("```")
        stays = fence or in_code or _STAYS.match(line) is not None
        if stays or _ITEM.match(line):
            yield _wrapped_block(block)
            block = []
        if stays:
            yield [line]
        else:
            block.append(line)
        in_code ^= fence
    yield _wrapped_block(block)


def _wrapped_block(block: list[str]) -> list[str]:
    if all(len(line) <= COLUMNS for line in block):
        return block
    text = "\n".join(block)
    item = _ITEM.match(text)
    first = item[0] if item else ""
    lines: list[str] = []
    line = ""
    for word in _words(text[len(first) :]):
        begin = " " * len(first) if lines else first
        if line and len(f"{begin}{line} {word}") > COLUMNS:
            lines.append(begin + line)
            line = word
        else:
            line = f"{line} {word}".lstrip()
    return [*lines, (" " * len(first) if lines else first) + line]


def _words(text: str) -> list[str]:
    """The words, with a code span as one word, and what would begin a new block tied to the word before it."""
    found: list[str] = []
    for word in re.findall(r"(?:`[^`]*`|[^\s`])+", text):
        if found and _BEGINS_A_BLOCK.match(word):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found
