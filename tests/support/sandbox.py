"""A real payment sandbox as people run it, a process, and a receiver of its webhooks."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ledger.dev.kafka import free_port
from tests.support.programs import Program

STRIPE_KEY = "sk_test_sandbox_of_the_tests"
STRIPE_WEBHOOK_SECRET = "whsec_of_the_tests"
RAZORPAY_KEY_ID = "rzp_test_sandbox_of_the_tests"
RAZORPAY_KEY_SECRET = "key secret of the tests"
RAZORPAY_WEBHOOK_SECRET = "webhook secret of the tests"
PATIENCE_SECONDS = 30
VARIABLES = {
    "LEDGER_PAYMENTS": "sandbox",
    "LEDGER_STRIPE_SECRET_KEY": STRIPE_KEY,
    "LEDGER_STRIPE_WEBHOOK_SECRETS": f'["{STRIPE_WEBHOOK_SECRET}"]',
    "LEDGER_RAZORPAY_KEY_ID": RAZORPAY_KEY_ID,
    "LEDGER_RAZORPAY_KEY_SECRET": RAZORPAY_KEY_SECRET,
    "LEDGER_RAZORPAY_WEBHOOK_SECRETS": f'["{RAZORPAY_WEBHOOK_SECRET}"]',
}


class RunningSandbox:
    """One process. `control`: a client of its own routes, `control.post("/sandbox/faults", json=…)`."""

    def __init__(self, process: Program, url: str) -> None:
        self.process, self.url = process, url
        self.stripe_url, self.razorpay_url = f"{url}/stripe", f"{url}/razorpay"
        self.control = httpx.Client(base_url=url, timeout=10)

    @property
    def stripe_settings(self) -> dict[str, Any]:
        """What a ledger needs to take payments with Stripe here."""
        return {
            "payments": "sandbox",
            "stripe_secret_key": STRIPE_KEY,
            "stripe_webhook_secrets": [STRIPE_WEBHOOK_SECRET],
            "stripe_url": self.stripe_url,
        }

    def fault(self, fault: str, operation: str = "*", *, provider: str = "stripe", **more: Any) -> None:
        """Switches a fault on and prints its seed."""
        body = {"fault": fault, "operation": operation, "provider": provider, **more}
        answer = self.control.post("/sandbox/faults", json=body)
        assert answer.status_code == 201, answer.text
        print("fault:", answer.json())

    def calls(self, provider: str, operation: str) -> int:
        """How often the operation was called."""
        calls: dict[str, dict[str, int]] = self.control.get("/sandbox").json()["calls"]
        return calls.get(provider, {}).get(operation, 0)

    def aim(self, provider: str, url: str, secret: str) -> None:
        """Sends the provider's webhooks there."""
        answer = self.control.put(f"/sandbox/webhooks/{provider}", json={"url": url, "secret": secret})
        assert answer.status_code == 204, answer.text


@contextmanager
def running_sandbox(*, file: Path | None = None, webhooks_to: str = "", port: int = 0) -> Iterator[RunningSandbox]:
    """`ledger sandbox` as a process that answers; killed at the end."""
    port = port or free_port()
    options = ["--port", str(port), "--webhooks-to", webhooks_to, *(["--file", str(file)] if file else [])]
    url = f"http://127.0.0.1:{port}"
    addresses = {"LEDGER_STRIPE_URL": f"{url}/stripe", "LEDGER_RAZORPAY_URL": f"{url}/razorpay"}
    environment = {**os.environ, **VARIABLES, **addresses}
    with Program("-m", "ledger.cli", "sandbox", *options, environment=environment) as process:
        running = RunningSandbox(process, url)
        try:
            _wait(running)
            yield running
        finally:
            running.control.close()
            process.kill()


def _wait(running: RunningSandbox) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert running.process.poll() is None, "the sandbox ended while it started"
        assert time.monotonic() < deadline, "the sandbox does not answer"
        try:
            running.control.get("/sandbox").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
