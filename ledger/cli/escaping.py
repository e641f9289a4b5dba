"""Makes foreign text safe for a terminal: it can't move the cursor, change colours or hide text."""


def printable(text: str) -> str:
    """The text with each unprintable character escaped: controls, line ends, invisible characters, surrogates."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def readable(value: bytes | None) -> str:
    """Bytes as printable text. Bytes that are not UTF-8 are escaped too."""
    return printable((value or b"").decode("utf-8", "backslashreplace"))
