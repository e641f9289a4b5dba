"""Settings with which Stripe is not asked, because money would move where nobody wants it or anybody could forge."""

from ledger.settings import SettingMissing, Settings, SettingsInvalid

_KIND = {"live": "_live_", "test": "_test_"}


def checked(settings: Settings) -> None:
    """Raises SettingMissing or SettingsInvalid."""
    key = settings.stripe_secret_key.get_secret_value()
    if settings.payments == "off":
        raise SettingsInvalid("LEDGER_PAYMENTS is off")
    if not key.strip():
        raise SettingMissing("LEDGER_STRIPE_SECRET_KEY")
    if not settings.stripe_webhook_secrets:
        raise SettingMissing("LEDGER_STRIPE_WEBHOOK_SECRETS")
    if not all(secret.get_secret_value().strip() for secret in settings.stripe_webhook_secrets):
        raise SettingsInvalid("LEDGER_STRIPE_WEBHOOK_SECRETS: one is empty: anybody could sign with it")
    if settings.payments == "sandbox":
        _sandboxed(settings, key)
    else:
        _real(settings, key, _KIND[settings.payments])


def _sandboxed(settings: Settings, key: str) -> None:
    if "_live_" in key:
        raise SettingsInvalid("LEDGER_STRIPE_SECRET_KEY is a live key, which has no business in a sandbox")
    if settings.stripe_url == _default_url():
        raise SettingsInvalid("LEDGER_STRIPE_URL must be the sandbox's while LEDGER_PAYMENTS is sandbox")


def _real(settings: Settings, key: str, kind: str) -> None:
    if kind not in key:
        raise SettingsInvalid(f"LEDGER_STRIPE_SECRET_KEY is no {settings.payments} key, as LEDGER_PAYMENTS says")
    if settings.stripe_url != _default_url():
        raise SettingsInvalid("LEDGER_STRIPE_URL is for LEDGER_PAYMENTS=sandbox only")


def _default_url() -> str:
    return str(Settings.model_fields["stripe_url"].default)
