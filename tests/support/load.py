"""A load whose every nano is known: usage of many accounts at odd costs, purchases, auto top-ups, and repeated ids."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.settings import Settings
from tests.support.events import Event, Ids, policy, purchase, sender, usage


def load(seed: int, accounts: int = 50) -> Iterator[Event]:
    """Events without end, and now and then one of them again: at once, a little later, or much later."""
    print(f"load: seed {seed}")
    chance, ids = random.Random(seed), Ids(seed)
    names = [f"load_{seed}_{number}" for number in range(accounts)]
    past: list[Event] = []
    for name in names[::5]:
        yield purchase(name, ids(), "12", f"pur_{name}")
        yield policy(name, ids(), "10", "20")
    while True:
        cost = f"{chance.randrange(1, 10**17):d}".rjust(19, "0")
        mode = chance.choice(("auto", "tier"))
        fresh = usage(chance.choice(names), ids(), f"0.{cost[1:]}", mode=mode, model=f"m{chance.randrange(3)}")
        past.append(fresh)
        yield fresh
        if chance.random() < 0.05:
            yield past[-1 - chance.randrange(min(len(past), chance.choice((1, 100, 10_000))))]


@contextmanager
def publishing(settings: Settings, events: Iterator[Event], per_second: int, at_least: int) -> Iterator[None]:
    """Publishes in a thread at about this rate while the block runs, and after it until `at_least` events are out.

    An append that fails fails the test.
    """
    enough, failures = threading.Event(), list[BaseException]()
    arguments = (settings, events, per_second, at_least, enough, failures)
    thread = threading.Thread(target=_publish, args=arguments, daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(timeout=180)
    assert not failures, failures
    assert not thread.is_alive(), "the load could not be published"


def _publish(
    settings: Settings,
    events: Iterator[Event],
    per_second: int,
    at_least: int,
    enough: threading.Event,
    failures: list[BaseException],
) -> None:
    try:
        with sender(settings) as log:
            pause, portion = threading.Event(), max(1, per_second // 20)
            for number, event in enumerate(events, start=1):
                log.send(event)
                if number >= at_least and enough.is_set():
                    break
                if number % portion == 0:
                    pause.wait(0.05)
        print(f"load: {number} records")
    except BaseException as failure:
        failures.append(failure)
