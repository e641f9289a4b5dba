"""The machine that a measurement ran on."""

import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

from ledger.dev.visibility import nearest_rank

_FLUSHES = 500


class Machine(NamedTuple):
    """`load_before`: the load average at the start; above zero, other processes used the machine."""

    cores: int
    python: str
    load_before: float

    @classmethod
    def here(cls) -> "Machine":
        """This machine, now."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(cores, platform.python_version(), os.getloadavg()[0])

    def json_fields(self) -> dict[str, object]:
        """Its fields of the line of `--json`."""
        return {
            "machine": {"cores": self.cores, "python": self.python, "system": platform.system()},
            "load_before": round(self.load_before, 2),
        }

    def __str__(self) -> str:
        return f"{self.cores} cores, load {self.load_before:.1f} before, Python {self.python}"


def flush_milliseconds(folder: Path) -> tuple[float, float]:
    """Milliseconds (p50, p99) that the folder's disk takes to store a written page, with no other load."""
    times = []
    with (folder / "flushed").open("wb", buffering=0) as file:
        for _ in range(_FLUSHES):
            file.seek(0)
            file.write(bytes(8192))
            started = time.perf_counter()
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    p50, p99 = (round(nearest_rank(sorted(times), percent) * 1000, 2) for percent in (50, 99))
    return p50, p99
