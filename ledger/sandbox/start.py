"""How the settings of a ledger start its sandbox, and which of them refuse to."""

from pathlib import Path

from ledger.core.errors import LedgerError
from ledger.sandbox.parts import Options
from ledger.sandbox.webhooks import Target
from ledger.settings import Settings


class NotForProduction(LedgerError):
    """The sandbox starts only with LEDGER_PAYMENTS=sandbox."""


def options_of(settings: Settings, port: int, path: Path | None, webhooks_to: str) -> Options:
    """Raises NotForProduction. A provider without a webhook secret tells nobody anything."""
    if settings.payments != "sandbox":
        raise NotForProduction(f"it is {settings.payments}")
    secrets = {"stripe": settings.stripe_webhook_secrets, "razorpay": settings.razorpay_webhook_secrets}
    targets = {
        provider: Target(f"{webhooks_to}/webhooks/{provider}", found[0].get_secret_value())
        for provider, found in secrets.items()
        if found and webhooks_to
    }
    options = Options(port, path, targets=targets)
    if settings.razorpay_key_id:
        secret = settings.razorpay_key_secret.get_secret_value()
        options = options._replace(razorpay_key_id=settings.razorpay_key_id, razorpay_key_secret=secret)
    return options
