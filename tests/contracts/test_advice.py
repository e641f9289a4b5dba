"""Whatever can make a record a dead letter has advice on what to do, and there is none about what can't happen."""

from collections.abc import Iterator

import ledger.log.book as book
from ledger.cli.dead_letter_advice import ADVICE
from ledger.core.errors import Refused, Unusable
from ledger.log.dead_letters import codes


def refusals(kind: type[Refused] = Refused) -> Iterator[str]:
    """The codes of what the fold and the book refuse; what only the API refuses is never on the log."""
    for each in kind.__subclasses__():
        if each is not Unusable and each.__module__ in ("ledger.core.errors", book.__name__):
            yield each.code
        yield from refusals(each)


def test_every_code_of_a_dead_letter_has_advice() -> None:
    assert set(ADVICE) == set(refusals())


def test_every_code_of_a_dead_letter_is_counted_from_zero_on() -> None:
    assert set(codes()) == set(refusals())
