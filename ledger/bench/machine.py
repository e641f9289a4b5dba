"""What a measurement ran on."""

import os
import platform
from typing import NamedTuple


class Machine(NamedTuple):
    """`load_before`: the load average at the start; above zero, somebody else took part of the machine."""

    cores: int
    python: str
    load_before: float

    @classmethod
    def here(cls) -> "Machine":
        """This one, now."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(cores, platform.python_version(), os.getloadavg()[0])

    def for_machines(self) -> dict[str, object]:
        """Its part of the line of `--json`."""
        return {
            "machine": {"cores": self.cores, "python": self.python, "system": platform.system()},
            "load_before": round(self.load_before, 2),
        }

    def __str__(self) -> str:
        return f"{self.cores} cores, load {self.load_before:.1f} before, Python {self.python}"
