"""The options of a sandbox, from the settings of its ledger."""

from pathlib import Path

from ledger.core.errors import LedgerError
from ledger.sandbox.sandbox import Options
from ledger.sandbox.webhooks import Target
from ledger.settings import Settings


class NotForProduction(LedgerError):
    message = "The sandbox starts only with LEDGER_PAYMENTS=sandbox"


def options_of(settings: Settings, port: int, path: Path | None, webhooks_to: str) -> Options:
    """The options. Raises NotForProduction. A provider without a webhook secret sends no webhooks."""
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
