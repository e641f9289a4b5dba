"""The payment providers of a deployment: those whose keys are in its settings."""

from collections.abc import Mapping

from ledger.core.errors import LedgerError
from ledger.payments.gateway import Gateway
from ledger.settings import Settings

Gateways = Mapping[str, Gateway]


class ProviderNotConfigured(LedgerError):
    message = "No payments are taken through this provider here"


def gateways_of(settings: Settings) -> dict[str, Gateway]:
    """The gateways by provider; none in a copy or with LEDGER_PAYMENTS=off. Raises SettingMissing, SettingsInvalid."""
    if settings.payments == "off" or settings.fold_only:
        return {}
    # Imported here, because the SDKs take a third of a second to load, and most processes need none.
    found: dict[str, Gateway] = {}
    if settings.stripe_secret_key.get_secret_value():
        from ledger.payments.stripe import StripeGateway

        found["stripe"] = StripeGateway(settings)
    if settings.razorpay_key_id:
        from ledger.payments.razorpay import RazorpayGateway

        found["razorpay"] = RazorpayGateway(settings)
    return found


def gateway_of(gateways: Gateways, provider: str) -> Gateway:
    """The gateway of a provider. Raises ProviderNotConfigured."""
    if provider not in gateways:
        raise ProviderNotConfigured(", ".join(["there are", *gateways] if gateways else ["none"]), field="provider")
    return gateways[provider]
