"""`Sandbox`, the state that both providers' parts share, and `Options`, with which it is started."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from ledger.sandbox.call_counts import CallCounts
from ledger.sandbox.clock import Clock
from ledger.sandbox.faults import Faults
from ledger.sandbox.store import Store
from ledger.sandbox.webhooks import Sign, Target, Webhooks


class Options(NamedTuple):
    """How a sandbox is started. `path`: the SQLite file for its state; None: in memory. `targets`: webhook targets by
    provider.

    Razorpay's key secret signs what its checkout returns. Of a Stripe key the sandbox checks only the prefix.
    """

    port: int
    path: Path | None = None
    host: str = "127.0.0.1"
    targets: Mapping[str, Target] = {}
    razorpay_key_id: str = "rzp_test_sandbox"
    razorpay_key_secret: str = "sandbox"

    @property
    def address(self) -> str:
        """The sandbox's URL. A provider's API is below its name."""
        return f"http://{self.host}:{self.port}"


class Sandbox(NamedTuple):
    """One running sandbox."""

    options: Options
    store: Store
    clock: Clock
    faults: Faults
    call_counts: CallCounts
    webhooks: Webhooks

    @classmethod
    def started(cls, options: Options, signs: Mapping[str, Sign]) -> Self:
        """A sandbox with the state that its file holds."""
        store, faults = Store(options.path), Faults()
        clock = Clock(store)
        webhooks = Webhooks(store, clock, faults, signs)
        for provider, target in options.targets.items():
            webhooks.set_target(provider, target)
        return cls(options, store, clock, faults, CallCounts(store), webhooks)
