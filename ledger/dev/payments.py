"""The payment settings of `ledger dev`: it starts a sandbox, with keys that are kept in its home."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ledger.dev.child_processes import ledger_command
from ledger.dev.secrets import payment_secrets

RUPEES_PER_CREDIT = "85.00"
SUPPLIER = {
    "name": "Example Router Ltd",
    "address": ["1 Sample Street", "Dublin D02 XY45"],
    "country": "IE",
    "tax_ids": ["VAT IE6433435F"],
    "email": "billing@router.example",
}


def payment_settings(home: Path, sandbox: str) -> dict[str, Any]:
    """The settings of all processes that handle payments. `sandbox`: its URL."""
    secrets = payment_secrets(home)
    return {
        "payments": "sandbox",
        "stripe_secret_key": secrets.stripe_secret_key,
        "stripe_webhook_secrets": [secrets.stripe_webhook_secret],
        "stripe_url": f"{sandbox}/stripe",
        "razorpay_key_id": secrets.razorpay_key_id,
        "razorpay_key_secret": secrets.razorpay_key_secret,
        "razorpay_webhook_secrets": [secrets.razorpay_webhook_secret],
        "razorpay_url": f"{sandbox}/razorpay",
        "razorpay_rates": [{"from": "2026-01-01", "rupees": RUPEES_PER_CREDIT}],
        "supplier": SUPPLIER,
    }


def sandbox_command(home: Path, sandbox: str, api: str) -> list[str]:
    """The command of the sandbox. Its state is kept in the home, and its webhooks go to `api`."""
    port = str(urlsplit(sandbox).port)
    return ledger_command("sandbox", "--port", port, "--file", str(home / "sandbox.sqlite"), "--webhooks-to", api)
