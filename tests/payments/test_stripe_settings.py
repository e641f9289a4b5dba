"""Settings with which the gateway refuses to start."""

from typing import Any

import pytest

from ledger.payments.stripe import stripe_gateway
from ledger.settings import SettingMissing, Settings, SettingsInvalid

SANDBOX: dict[str, Any] = {
    "payments": "sandbox",
    "stripe_secret_key": "sk_test_x",
    "stripe_webhook_secrets": ["whsec_x"],
    "stripe_url": "http://127.0.0.1:1/stripe",
}
REAL = SANDBOX | {"payments": "live", "stripe_secret_key": "rk_live_x", "stripe_url": "https://api.stripe.com"}


@pytest.mark.parametrize("given", [SANDBOX, REAL, REAL | {"payments": "test", "stripe_secret_key": "sk_test_x"}])
def test_settings_that_fit_each_other_start(given: dict[str, Any]) -> None:
    assert stripe_gateway(Settings(**given)).provider == "stripe"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (REAL | {"payments": "off"}, "LEDGER_PAYMENTS"),
        (REAL | {"stripe_secret_key": ""}, "LEDGER_STRIPE_SECRET_KEY"),
        (REAL | {"stripe_secret_key": "sk_test_x"}, "LEDGER_STRIPE_SECRET_KEY"),
        (REAL | {"payments": "test"}, "LEDGER_STRIPE_SECRET_KEY"),
        (REAL | {"stripe_url": "http://127.0.0.1:1"}, "LEDGER_STRIPE_URL"),
        (REAL | {"stripe_webhook_secrets": []}, "LEDGER_STRIPE_WEBHOOK_SECRETS"),
        (REAL | {"stripe_webhook_secrets": ["whsec_x", " "]}, "LEDGER_STRIPE_WEBHOOK_SECRETS"),
        (SANDBOX | {"stripe_secret_key": "sk_live_x"}, "LEDGER_STRIPE_SECRET_KEY"),
        (SANDBOX | {"stripe_url": "https://api.stripe.com"}, "LEDGER_STRIPE_URL"),
    ],
)
def test_settings_that_would_move_or_mint_money_by_mistake_are_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises((SettingMissing, SettingsInvalid), match=named) as raised:
        stripe_gateway(Settings(**given))
    assert "sk_" not in str(raised.value)
