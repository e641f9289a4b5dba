"""Whatever can make a record a dead letter has advice on what to do, and there is none about what can't happen."""

import re
from collections.abc import Iterator
from pathlib import Path

import ledger.log.book as book
from ledger.cli.advice import ADVICE
from ledger.core.errors import Refused
from ledger.log.dead_letters import codes

ROOT = Path(__file__).parents[2]
LITERAL = re.compile(r'Problem\(\s*"(\w+)"')


def refusals(kind: type[Refused] = Refused) -> Iterator[str]:
    """The codes of what the fold and the book refuse; what only the API refuses is never on the log."""
    for each in kind.__subclasses__():
        if each.__module__ in ("ledger.core.errors", book.__name__):
            yield each().code
        yield from refusals(each)


def literals() -> Iterator[str]:
    for folder in ("ledger/log", "ledger/records", "projectors", "consumers"):
        for path in (ROOT / folder).glob("*.py"):
            yield from LITERAL.findall(path.read_text())


def test_every_code_of_a_dead_letter_has_advice() -> None:
    assert set(ADVICE) == {*refusals(), *literals()}


def test_every_code_of_a_dead_letter_is_counted_from_zero_on() -> None:
    assert set(codes()) == {*refusals(), *literals()}
