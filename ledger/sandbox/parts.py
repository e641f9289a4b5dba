"""What the providers' halves of the sandbox share: how it was started, and its parts."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from ledger.sandbox.clock import Clock
from ledger.sandbox.counts import Counts
from ledger.sandbox.faults import Faults
from ledger.sandbox.store import Store
from ledger.sandbox.webhooks import Sign, Target, Webhooks


class Options(NamedTuple):
    """How a sandbox is started. `path`: of the file that it is kept in; None: in memory. `targets`: by provider.

    Razorpay's key secret signs what its checkout returns; Stripe's keys need only begin as the sandbox's do.
    """

    port: int
    path: Path | None = None
    host: str = "127.0.0.1"
    targets: Mapping[str, Target] = {}
    razorpay_key_id: str = "rzp_test_sandbox"
    razorpay_key_secret: str = "sandbox"

    @property
    def address(self) -> str:
        """Where it is reached; a provider's API below its name."""
        return f"http://{self.host}:{self.port}"


class Sandbox(NamedTuple):
    """One running sandbox."""

    options: Options
    store: Store
    clock: Clock
    faults: Faults
    counts: Counts
    webhooks: Webhooks

    @classmethod
    def started(cls, options: Options, signs: Mapping[str, Sign]) -> Self:
        """With what its file holds."""
        store, faults = Store(options.path), Faults()
        clock = Clock(store)
        webhooks = Webhooks(store, clock, faults, signs)
        for provider, target in options.targets.items():
            webhooks.aim(provider, target)
        return cls(options, store, clock, faults, Counts(store), webhooks)
