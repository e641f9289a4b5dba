"""Faults for tests: what happens to a call or a webhook, a number of times or with a probability and a seed."""

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
# before: the provider has not handled the call. after: it has, but the client does not get the response.
CALL_FAULTS: Sequence[Kind] = ("slow", "error_before", "error_after", "reset_before", "reset_after", "timeout_after")
WEBHOOK_FAULTS: Sequence[Kind] = ("lost", "doubled", "shuffled", "delayed")


class Fault(BaseModel):
    """One fault. `operation`: a pattern such as `payment_intents.create` or `*`; for webhooks, of the event's type.

    `times`: after this many calls the fault is off; without it, each call suffers it with `probability`, drawn from
    `seed`. `seconds`: how long a `slow` call waits before it is handled; after how long a `timeout_after` closes the
    connection; how much later a webhook comes (`delayed`: exactly; `shuffled`: at most).
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

    def applies(self, provider: str, operation: str, kinds: Sequence[Kind]) -> bool:
        """Whether this call suffers the fault. If so, it counts towards `times`."""
        if self.fault not in kinds or self.provider != provider or not fnmatchcase(operation, self.operation):
            return False
        if self.times == 0 or self._random.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def delay_seconds(self) -> float:
        """By how many seconds this webhook is late."""
        return self._random.uniform(0, self.seconds) if self.fault == "shuffled" else self.seconds


class Faults:
    """The faults that are on, in the order in which they were set."""

    def __init__(self) -> None:
        self._set: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Switches a fault on."""
        self._set.append(fault)

    def clear(self, provider: str | None = None) -> None:
        """Switches off the faults of one provider, or all."""
        self._set = [fault for fault in self._set if provider not in (None, fault.provider)]

    def all(self) -> list[Fault]:
        """The faults that can still happen."""
        self._set = [fault for fault in self._set if fault.times != 0]
        return self._set

    def of_call(self, provider: str, operation: str) -> Fault | None:
        """The first fault that this call suffers; None if none."""
        return next((fault for fault in self.all() if fault.applies(provider, operation, CALL_FAULTS)), None)

    def of_webhook(self, provider: str, type_: str) -> list[Fault]:
        """All faults that this webhook suffers."""
        return [fault for fault in self.all() if fault.applies(provider, type_, WEBHOOK_FAULTS)]
