"""Settings: from the environment or from files, refused by the variable's name, and never shown with a secret."""

import json
from pathlib import Path

import pytest

from docs.making.configuration import READ_BY
from ledger.settings import SECRETS_DIR, Settings, SettingsInvalid

URL = "postgresql://ledger:hush-hush@db/ledger"


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of secrets, as a container engine or systemd makes it."""
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path))
    (tmp_path / "ledger_database").write_text(f"{URL}\n")
    (tmp_path / "ledger_signing_keys").write_text(json.dumps({"k1": "hush-hush"}))
    (tmp_path / "ledger_signing_key_id").write_text("k1")
    return tmp_path


def test_a_file_gives_a_setting(secrets: Path) -> None:
    settings = Settings()
    assert settings.database == URL
    assert settings.signing_key().key_id == "k1"
    assert settings.secrets == {"k1": b"hush-hush"}


def test_the_environment_wins_over_a_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATABASE", "postgresql:///other")
    assert Settings().database == "postgresql:///other"


def test_no_secret_is_shown(secrets: Path) -> None:
    settings = Settings(kafka_security_protocol="SASL_SSL", kafka_username="api", kafka_password="hush-hush")
    assert "hush-hush" not in f"{settings!r} {settings}"


def test_a_folder_of_secrets_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_DIR, "/nowhere")
    with pytest.raises(SettingsInvalid, match="LEDGER_SECRETS_DIR: /nowhere is not a folder"):
        Settings()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LEDGER_DATABASE", "", "LEDGER_DATABASE: "),
        ("LEDGER_API_PORT", "hush-hush", "LEDGER_API_PORT: "),
        ("LEDGER_SIGNING_KEYS", '{"k1": ""}', "LEDGER_SIGNING_KEYS: the secret of k1 is empty"),
        ("LEDGER_SIGNING_KEYS", "hush-hush", "LEDGER_SIGNING_KEYS must be a JSON object"),
        ("LEDGER_STRIPE_WEBHOOK_SECRETS", "hush-hush", "LEDGER_STRIPE_WEBHOOK_SECRETS must be JSON"),
        ("LEDGER_KAFKA_PASSWORD", "hush-hush", "LEDGER_KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ("LEDGER_KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "needs LEDGER_KAFKA_USERNAME and LEDGER_KAFKA_PASSWORD"),
        ("LEDGER_KAFKA_CA_FILE", "/ca.pem", "does not use certificates"),
        (
            "LEDGER_KAFKA_KEY_FILE",
            "/key.pem",
            "LEDGER_KAFKA_CERTIFICATE_FILE and LEDGER_KAFKA_KEY_FILE must be set together",
        ),
    ],
)
def test_what_can_not_be_used_is_refused_by_name_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid) as refused:
        Settings()
    assert said in str(refused.value)
    assert "hush-hush" not in str(refused.value)
    assert refused.value.__cause__ is None


STRIPE = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secrets": ["hush-hush"]}
RAZORPAY = {
    "razorpay_key_id": "rzp_test_1",
    "razorpay_key_secret": "hush-hush",
    "razorpay_webhook_secrets": ["hush-hush"],
}
SANDBOX = {"stripe_url": "http://127.0.0.1:4242/stripe", "razorpay_url": "http://127.0.0.1:4242/razorpay"}


@pytest.mark.parametrize(
    "given",
    [
        {"payments": "off", "stripe_secret_key": "sk_live_1"},
        {"payments": "test", **STRIPE, **RAZORPAY},
        {"payments": "test", **STRIPE, "stripe_secret_key": "rk_test_1"},
        {"payments": "live", **STRIPE, "stripe_secret_key": "rk_live_1", "stripe_publishable_key": "pk_live_1"},
        {"payments": "live", **RAZORPAY, "razorpay_key_id": "rzp_live_1"},
        {"payments": "sandbox", **STRIPE, **RAZORPAY, **SANDBOX},
        {"payments": "sandbox"},
    ],
)
def test_payments_that_can_be_taken(given: dict[str, object]) -> None:
    Settings(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"payments": "live", **STRIPE}, "LEDGER_STRIPE_SECRET_KEY must begin with sk_live_ or rk_live_"),
        ({"payments": "live", **RAZORPAY}, "LEDGER_RAZORPAY_KEY_ID must begin with rzp_live_"),
        ({"payments": "test", "stripe_publishable_key": "pk_live_1"}, "LEDGER_STRIPE_PUBLISHABLE_KEY must begin with"),
        ({"payments": "test", **STRIPE, "stripe_secret_key": "sk_live_1"}, "must begin with sk_test_ or rk_test_"),
        ({"payments": "sandbox", **SANDBOX, **STRIPE, "stripe_secret_key": "sk_live_1"}, "must begin with sk_test_"),
        ({"payments": "live", "stripe_url": SANDBOX["stripe_url"]}, "LEDGER_STRIPE_URL is for LEDGER_PAYMENTS=sandbox"),
        ({"payments": "test", "razorpay_url": SANDBOX["razorpay_url"]}, "LEDGER_RAZORPAY_URL is for LEDGER_PAYMENTS="),
        ({"payments": "off", "stripe_url": SANDBOX["stripe_url"]}, "LEDGER_STRIPE_URL is for LEDGER_PAYMENTS=sandbox"),
        ({"payments": "sandbox", **STRIPE}, "LEDGER_PAYMENTS=sandbox needs LEDGER_STRIPE_URL"),
        ({"payments": "sandbox", **RAZORPAY}, "LEDGER_PAYMENTS=sandbox needs LEDGER_RAZORPAY_URL"),
        ({"payments": "test", **STRIPE, "stripe_webhook_secrets": []}, "LEDGER_STRIPE_WEBHOOK_SECRETS is needed"),
        ({"payments": "test", **STRIPE, "stripe_webhook_secrets": ["new", " "]}, "WEBHOOK_SECRETS has an empty secret"),
        ({"payments": "test", **RAZORPAY, "razorpay_webhook_secrets": []}, "LEDGER_RAZORPAY_WEBHOOK_SECRETS is needed"),
        ({"payments": "test", **RAZORPAY, "razorpay_webhook_secrets": [""]}, "WEBHOOK_SECRETS has an empty secret"),
        ({"payments": "test", **RAZORPAY, "razorpay_key_secret": ""}, "needs LEDGER_RAZORPAY_KEY_SECRET"),
    ],
)
def test_payments_that_could_go_astray_or_be_forged_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Settings(**given)
    assert said in str(refused.value)
    assert "hush-hush" not in str(refused.value)


def test_the_reference_says_of_every_setting_who_reads_it() -> None:
    assert set(READ_BY) == set(Settings.model_fields)
