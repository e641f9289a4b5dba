"""What others wrote, made fit for a terminal: nothing of it can move the cursor, change colours or hide text."""


def printable(text: str) -> str:
    """The same text, each character escaped that doesn't print: controls, line ends, invisible ones, surrogates."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def readable(value: bytes | None) -> str:
    """Bytes as printable text; what is not UTF-8 is escaped too."""
    return printable((value or b"").decode("utf-8", "backslashreplace"))
