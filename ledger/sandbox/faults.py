"""Faults that are switched on: what a call or a webhook suffers, so many times or with a probability and a seed."""

import random
import secrets
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal[
    "slow", "error_before", "error_after", "reset_before", "reset_after", "timeout_after",
    "lost", "doubled", "shuffled", "delayed",
]  # fmt: skip
# before: the provider has done nothing. after: it has, and the client doesn't learn it.
CALL_FAULTS: Sequence[Kind] = ("slow", "error_before", "error_after", "reset_before", "reset_after", "timeout_after")
WEBHOOK_FAULTS: Sequence[Kind] = ("lost", "doubled", "shuffled", "delayed")


class Fault(BaseModel):
    """One switch. `operation`: a pattern, such as `payment_intents.create` or `*`; for webhooks, of the event's type.

    `times`: it happens to so many calls and is gone; else to each with `probability`, drawn from `seed`. `seconds`: how
    long a `slow` call waits before it does anything, how long a `timeout_after` says nothing before it hangs up, how
    much later a webhook comes at most (`shuffled`: any time up to then; `delayed`: just then).
    """

    model_config = ConfigDict(extra="forbid")

    fault: Kind
    provider: Literal["stripe", "razorpay"]
    operation: str = "*"
    times: int | None = Field(None, ge=1)
    probability: float = Field(1, gt=0, le=1)
    seconds: float = Field(30, ge=0)
    seed: int = Field(default_factory=lambda: secrets.randbelow(2**32))

    @model_validator(mode="after")
    def _prepare(self) -> "Fault":
        self._random = random.Random(self.seed)
        return self

    _random: random.Random

    def strikes(self, provider: str, operation: str, kinds: Sequence[Kind]) -> bool:
        """Whether it happens to this call, which then counts."""
        if self.fault not in kinds or self.provider != provider or not fnmatchcase(operation, self.operation):
            return False
        if self.times == 0 or self._random.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def lateness(self) -> float:
        """Seconds that this webhook comes later."""
        return self._random.uniform(0, self.seconds) if self.fault == "shuffled" else self.seconds


class Faults:
    """All switches that are on, in the order in which they were set."""

    def __init__(self) -> None:
        self._set: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Switches one on."""
        self._set.append(fault)

    def clear(self, provider: str | None = None) -> None:
        """Switches off those of one provider, or all."""
        self._set = [fault for fault in self._set if provider not in (None, fault.provider)]

    def all(self) -> list[Fault]:
        """Those that can still happen."""
        self._set = [fault for fault in self._set if fault.times != 0]
        return self._set

    def of_call(self, provider: str, operation: str) -> Fault | None:
        """The first that strikes this call."""
        return next((fault for fault in self.all() if fault.strikes(provider, operation, CALL_FAULTS)), None)

    def of_webhook(self, provider: str, type_: str) -> list[Fault]:
        """All that strike this webhook."""
        return [fault for fault in self.all() if fault.strikes(provider, type_, WEBHOOK_FAULTS)]
