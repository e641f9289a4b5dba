"""Asks something again and again while a fault is made, so that the length of an outage is a number and not a guess."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

_PAUSE_SECONDS = 0.1


class Sample(NamedTuple):
    """When it was asked (monotonic), when it was answered, and what came; "" is well."""

    asked: float
    answered: float
    wrong: str


class Samples:
    """What came of one question over time."""

    def __init__(self) -> None:
        self.all: list[Sample] = []

    def add(self, asked: float, wrong: str) -> None:
        self.all.append(Sample(asked, time.monotonic(), wrong))

    def wrong(self, since: float) -> list[Sample]:
        return [sample for sample in self.all if sample.answered >= since and sample.wrong]

    def well_after(self, since: float) -> float | None:
        """Seconds from then to the first answer after the last wrong one; None while there is none."""
        last = max((sample.answered for sample in self.wrong(since)), default=since)
        return next((sample.answered - since for sample in self.all if sample.asked >= last), None)

    def longest(self, since: float) -> float:
        """The longest time in which no answer was right, from then on."""
        good, longest = since, 0.0
        for sample in self.all:
            if sample.answered >= since and not sample.wrong:
                longest, good = max(longest, sample.answered - good), sample.answered
        return longest


@contextmanager
def sampling(**questions: Callable[[], str]) -> Iterator[dict[str, Samples]]:
    """Asks each question in a thread of its own while the block runs. An exception is a wrong answer."""
    found, done = {name: Samples() for name in questions}, threading.Event()

    def ask(samples: Samples, question: Callable[[], str]) -> None:
        while not done.wait(_PAUSE_SECONDS):
            asked = time.monotonic()
            try:
                wrong = question()
            except Exception as error:
                wrong = type(error).__name__
            samples.add(asked, wrong)

    threads = [threading.Thread(target=ask, args=(found[name], questions[name]), daemon=True) for name in questions]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        done.set()
        for thread in threads:
            thread.join(30)
