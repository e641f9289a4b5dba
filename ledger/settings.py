"""Every setting of the ledger, from the environment (`LEDGER_…`) or from files in a secrets directory.

There are no default secrets: a process that needs a secret and has none does not start, and names the setting.
"""

import os
import re
from datetime import date
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from ledger.core.errors import EXIT_CONFIG, LedgerError
from schemas.money import Credits
from schemas.signatures import SigningKey
from schemas.supplier import Supplier

PREFIX = "LEDGER_"
SECRETS_DIR = "LEDGER_SECRETS_DIR"
USUAL_SECRETS_DIR = Path("/run/secrets")

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
PaymentMode = Literal["off", "sandbox", "test", "live"]
LogFormat = Literal["auto", "json", "text"]
SmtpSecurity = Literal["starttls", "tls", "none"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class SettingMissing(LedgerError, exit_code=EXIT_CONFIG):
    message = "A setting is missing"


class SettingsInvalid(LedgerError, exit_code=EXIT_CONFIG):
    message = "The settings can't be used"


# No semicolon, comma or space, because it is part of a header.
Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]
BrandColor = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
TaxPercent = Annotated[str, Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,4})?$")]


class RupeeRate(BaseModel):
    """The price of a credit in rupees, from a day on."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    since: date = Field(alias="from")
    rupees: str = Field(pattern=r"^[1-9][0-9]{0,4}(\.[0-9]{1,2})?$")


class Settings(BaseSettings):
    """Read once at start and passed on; no other module reads the environment. Raises SettingsInvalid.

    A file in LEDGER_SECRETS_DIR (default: /run/secrets if it exists), named like a variable in lower case, gives its
    value; the environment has precedence. Secrets are never in a `repr` or a message.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    kafka: str = Field("127.0.0.1:9092", min_length=1, description="Bootstrap servers of the broker, comma-separated.")
    kafka_security_protocol: SecurityProtocol = Field(
        "PLAINTEXT",
        description="How clients connect: with TLS (`SSL`), with a user (`SASL_…`), or with both (`SASL_SSL`).",
    )
    kafka_sasl_mechanism: SaslMechanism = Field("SCRAM-SHA-512", description="How the user authenticates.")
    kafka_username: str = Field("", description="The user, with `SASL_…`.")
    kafka_password: SecretStr = Field(SecretStr(""), description="The user's password, with `SASL_…`.")
    kafka_ca_file: str = Field("", description="PEM file of the brokers' certificate authority. Empty: the system's.")
    kafka_certificate_file: str = Field("", description="PEM file of this client's certificate, for mutual TLS.")
    kafka_key_file: str = Field("", description="PEM file of that certificate's private key.")
    database: str = Field(
        "postgresql:///ledger",
        min_length=1,
        repr=False,  # it may hold a password
        description="libpq connection string of Postgres.",
        json_schema_extra={"secret": True},
    )
    home: Path = Field(
        Path(".ledger"), description="Folder in which `ledger dev` keeps its broker, its database and dev.json."
    )

    topic_prefix: str = Field("", description="Prefix of all topic names, so that several ledgers can share a broker.")
    event_partitions: int = Field(64, ge=1, le=4096, description="Partitions of ledger.events, fixed at creation.")
    replication_factor: int = Field(3, ge=1, description="Replicas of every topic, fixed at creation.")
    fold_only: bool = Field(
        False,
        description="This is a copy: it folds the log of another ledger into its own database and writes nothing "
        "elsewhere.",
    )

    signing_key_id: str = Field("", description="Id of the key that this process signs with.")
    signing_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="Secrets by key id, as JSON: for signing, and for verifying only."
    )

    account_cache: int = Field(200_000, ge=1, description="Accounts that one worker keeps in memory per partition.")
    stall_seconds: float = Field(
        30, gt=0, description="A worker that has records to fold and commits nothing for this time ends itself."
    )
    lock_seconds: float = Field(
        2, gt=0, description="How long a writer may lock a partition before its session is ended."
    )

    log_format: LogFormat = Field(
        "auto", description="`json`: one object per line; `text`: for people; `auto`: text on a terminal, else JSON."
    )

    api_host: str = Field("127.0.0.1", description="Address that `ledger serve` listens on.")
    api_port: int = Field(8080, ge=0, le=65535, description="Port that `ledger serve` listens on.")
    api_processes: int = Field(1, ge=1, le=64, description="How many processes `ledger serve` uses, all on one port.")
    verdict_seconds: float = Field(
        5, ge=0, description="How long a write waits for its projection before the response is 202."
    )

    key_grace_seconds: float = Field(
        300, ge=0, description="How long API keys that were valid stay valid while Postgres does not answer."
    )

    hold_credits: Credits = Field("0.05", description="Credits that an authorization without an estimate holds.")
    hold_seconds: int = Field(300, ge=1, description="How long a hold without a time to live lasts.")
    hold_seconds_max: int = Field(3600, ge=1, description="The longest time to live of a hold.")
    gate_stale_seconds: float = Field(
        15, gt=0, description="If an account's projection is further behind, authorizations are refused with 503."
    )
    top_up_url: str = Field("", description="URL where customers buy credits, sent with a 402. Empty: not sent.")

    payments: PaymentMode = Field(
        "off",
        description="`live` and `test` use the providers with keys of that kind; `sandbox` uses `ledger sandbox`; "
        "`off`: no payments.",
    )
    public_url: str = Field(
        "", description="Public URL of this service, such as https://billing.example.com. Empty: the API's own."
    )
    brand_name: str = Field(
        "Credits", min_length=1, max_length=40, description="Name of the seller on the billing page."
    )
    brand_color: BrandColor = Field("#1d4ed8", description="Color of the billing page's buttons and links.")
    brand_logo: str = Field("", description="File with a logo for the billing page, SVG or PNG. Empty: only the name.")
    embed_origins: list[Origin] = Field(
        default_factory=list,
        description="Sites that may show the billing page and its badge in a frame, as JSON: "
        '`["https://router.example"]`.',
    )
    purchase_credits_min: Credits = Field("5", description="The smallest purchase, in credits.")
    purchase_credits_max: Credits = Field("10000", description="The largest purchase, in credits.")
    tax_percent: dict[str, TaxPercent] = Field(
        default_factory=dict,
        description='Tax added to a purchase, in percent by the customer\'s country, as JSON: `{"IN": "18"}`.',
    )
    stripe_secret_key: SecretStr = Field(
        SecretStr(""), description="Stripe's secret or restricted key. Empty: not used."
    )
    stripe_publishable_key: str = Field("", description="Stripe's publishable key.")
    stripe_webhook_secrets: list[SecretStr] = Field(
        default_factory=list, description="Secrets of Stripe's webhook signatures, as JSON; two during a rotation."
    )
    stripe_url: str = Field(
        "https://api.stripe.com", description="URL of Stripe's API; change it only for the sandbox."
    )
    razorpay_key_id: str = Field("", description="Razorpay's key id. Empty: not used.")
    razorpay_key_secret: SecretStr = Field(SecretStr(""), description="Razorpay's key secret.")
    razorpay_webhook_secrets: list[SecretStr] = Field(
        default_factory=list,
        description="Secrets of Razorpay's webhook signatures, as JSON; two during a rotation.",
    )
    razorpay_url: str = Field(
        "https://api.razorpay.com", description="URL of Razorpay's API; change it only for the sandbox."
    )
    razorpay_rates: list[RupeeRate] = Field(
        default_factory=list,
        description="Rupees for one credit, and from which day on (UTC), as JSON: "
        '`[{"from": "2026-11-01", "rupees": "85.00"}]`.',
    )
    sweep_seconds: float = Field(5, gt=0, description="How often the payment sweep looks for due purchases.")
    sweep_lists_seconds: float = Field(
        600, gt=0, description="How often the sweep reads a provider's lists of the last 30 days."
    )
    unpaid_days: float = Field(
        14,
        gt=0,
        le=29,
        description="After how many days an unpaid purchase expires. If it is paid later, it is credited.",
    )
    credited_seconds: float = Field(
        60, ge=0, description="After this time a payment that is paid and not projected is reported."
    )
    top_up_attempts: int = Field(
        3, ge=1, le=10, description="Auto top-up is suspended after this number of declined attempts in a row."
    )
    top_up_lease_seconds: float = Field(
        30, gt=0, description="After this time another charger takes over a trigger from one that was killed."
    )
    supplier: Supplier = Field(
        Supplier(),
        description="The seller on invoices, as JSON with `name`, `address` (lines), `country`, `tax_ids` (as "
        "printed), `email`, `note`, and in India `gstin` and `sac`. Empty: no invoices.",
    )
    invoice_prefix: str = Field("INV", pattern=r"^[A-Z]{1,3}$", description="Prefix of invoice numbers.")
    credit_note_prefix: str = Field("CN", pattern=r"^[A-Z]{1,3}$", description="Prefix of credit notes' numbers.")
    invoice_year_begins: int = Field(
        1, ge=1, le=12, description="The month in which the supplier's financial year begins; 4 in India."
    )
    invoice_time_zone: str = Field("UTC", description="The supplier's time zone, which decides an invoice's date.")
    invoice_logo: str = Field("", description="File with a logo for invoices: SVG, PNG or JPEG. Empty: none.")
    invoice_colour: str = Field(
        "#1f3a5f", pattern=r"^#[0-9a-fA-F]{6}$", description="Colour of the headings on invoices."
    )
    webhook_networks: list[str] = Field(
        default_factory=list,
        description="Networks that webhooks may reach besides public addresses, and without TLS, as JSON: "
        '`["10.0.0.0/8"]`.',
    )
    smtp_host: str = Field("", description="The mail server. Empty: no e-mail is sent.")
    smtp_port: int = Field(587, ge=1, le=65535, description="The mail server's port.")
    smtp_security: SmtpSecurity = Field(
        "starttls", description="`starttls`, `tls` (from the first byte on), or `none`."
    )
    smtp_username: str = Field("", description="The user at the mail server. Empty: none is needed.")
    smtp_password: SecretStr = Field(SecretStr(""), description="The user's password.")
    mail_from: str = Field("", description="The sender of e-mails, such as `Router <billing@example.com>`.")
    consumer_metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of the metrics of `ledger consume`, on LEDGER_API_HOST; 0: none."
    )

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise SettingsInvalid("; ".join(map(_reason, error.errors()))) from None
        except SettingsError as error:  # it names the field, and has the value in its cause
            raise SettingsInvalid(_not_json(str(error))) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=_secrets_dir())

    @field_validator("database")
    @classmethod
    def _libpq_reads_it(cls, database: str) -> str:
        # Imported here, because loading it takes a third of the time of `ledger --help`.
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        try:
            conninfo_to_dict(database)
        except ProgrammingError:
            raise ValueError("is not a libpq connection string, such as postgresql://user@host/ledger") from None
        return database

    @field_validator("signing_keys")
    @classmethod
    def _no_secret_is_empty(cls, keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        empty = [key_id for key_id, secret in keys.items() if not secret.get_secret_value()]
        if empty:
            raise ValueError(f"the secret of {', '.join(empty)} is empty: anybody could sign with it")
        return keys

    @field_validator("invoice_time_zone")
    @classmethod
    def _the_time_zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError):
            raise ValueError("is not a time zone, such as Asia/Kolkata") from None
        return name

    @field_validator("webhook_networks")
    @classmethod
    def _they_are_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError("must have only networks, such as 10.0.0.0/8") from None
        return networks

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> "Settings":
        if self.smtp_host and "@" not in self.mail_from:
            raise ValueError("LEDGER_SMTP_HOST needs LEDGER_MAIL_FROM, the sender's address")
        if self.smtp_security == "none" and self.smtp_password.get_secret_value():
            raise ValueError("LEDGER_SMTP_SECURITY is none, so LEDGER_SMTP_PASSWORD would be sent unencrypted")
        return self

    @model_validator(mode="after")
    def _documents_have_numbers_of_their_own(self) -> "Settings":
        if self.invoice_prefix == self.credit_note_prefix:
            raise ValueError("LEDGER_INVOICE_PREFIX and LEDGER_CREDIT_NOTE_PREFIX must differ")
        return self

    @model_validator(mode="after")
    def _kafka_gets_what_its_protocol_needs(self) -> "Settings":
        protocol, user = self.kafka_security_protocol, (self.kafka_username, self.kafka_password.get_secret_value())
        if protocol.startswith("SASL_") and not all(user):
            raise ValueError(f"{protocol} needs LEDGER_KAFKA_USERNAME and LEDGER_KAFKA_PASSWORD")
        if not protocol.startswith("SASL_") and any(user):
            raise ValueError(
                f"LEDGER_KAFKA_SECURITY_PROTOCOL is {protocol}, which does not use the user and password that are set"
            )
        certificate = (self.kafka_certificate_file, self.kafka_key_file)
        if any(certificate) and not all(certificate):
            raise ValueError("LEDGER_KAFKA_CERTIFICATE_FILE and LEDGER_KAFKA_KEY_FILE must be set together")
        if any((self.kafka_ca_file, *certificate)) and not protocol.endswith("SSL"):
            raise ValueError(f"LEDGER_KAFKA_SECURITY_PROTOCOL is {protocol}, which does not use certificates")
        return self

    @model_validator(mode="after")
    def _payments_go_where_they_say(self) -> "Settings":
        """No test key in production, no live key elsewhere, and no payment to another server by mistake."""
        for name in ("stripe_url", "razorpay_url"):
            elsewhere = getattr(self, name) != type(self).model_fields[name].default
            if elsewhere and self.payments != "sandbox":
                raise ValueError(f"{PREFIX}{name.upper()} is for LEDGER_PAYMENTS=sandbox only")
            if not elsewhere and self.payments == "sandbox" and self._uses(name.removesuffix("_url")):
                raise ValueError(f"LEDGER_PAYMENTS=sandbox needs {PREFIX}{name.upper()}, the address of the sandbox")
        if self.payments != "off":
            self._refuse_keys_of_another_kind("live" if self.payments == "live" else "test")
        return self

    @model_validator(mode="after")
    def _webhooks_can_not_be_forged(self) -> "Settings":
        """With an empty secret anybody could forge a payment."""
        if self._uses("razorpay") and not self.razorpay_key_secret.get_secret_value():
            raise ValueError("LEDGER_RAZORPAY_KEY_ID needs LEDGER_RAZORPAY_KEY_SECRET")
        for provider in ("stripe", "razorpay"):
            secrets: list[SecretStr] = getattr(self, f"{provider}_webhook_secrets")
            if not all(secret.get_secret_value().strip() for secret in secrets):
                raise ValueError(f"LEDGER_{provider.upper()}_WEBHOOK_SECRETS has an empty secret")
            if self._uses(provider) and not secrets:
                raise ValueError(
                    f"LEDGER_{provider.upper()}_WEBHOOK_SECRETS is needed to take payments with {provider}"
                )
        return self

    def _uses(self, provider: str) -> bool:
        key = self.stripe_secret_key.get_secret_value() if provider == "stripe" else self.razorpay_key_id
        return self.payments != "off" and bool(key)

    def _refuse_keys_of_another_kind(self, kind: str) -> None:
        for name, key, beginnings in (
            ("STRIPE_SECRET_KEY", self.stripe_secret_key.get_secret_value(), (f"sk_{kind}_", f"rk_{kind}_")),
            ("STRIPE_PUBLISHABLE_KEY", self.stripe_publishable_key, (f"pk_{kind}_",)),
            ("RAZORPAY_KEY_ID", self.razorpay_key_id, (f"rzp_{kind}_",)),
        ):
            if key and not key.startswith(beginnings):
                wanted = " or ".join(beginnings)
                raise ValueError(f"LEDGER_{name} must begin with {wanted} when LEDGER_PAYMENTS is {self.payments}")

    @cached_property
    def secrets(self) -> dict[str, bytes]:
        """The secrets that verify signatures, by key id."""
        return {key_id: secret.get_secret_value().encode() for key_id, secret in self.signing_keys.items()}

    def signing_key(self) -> SigningKey:
        """The key that this process signs with. Raises SettingMissing."""
        secret = self.secrets.get(self.signing_key_id)
        if not secret:
            raise SettingMissing("LEDGER_SIGNING_KEY_ID must name a key of LEDGER_SIGNING_KEYS")
        return SigningKey(self.signing_key_id, secret)

    def topic(self, name: str) -> str:
        """The name of a topic on this deployment's broker."""
        return self.topic_prefix + name

    def group(self, name: str) -> str:
        """The name of a Kafka group. Ledgers that share a broker have different groups."""
        return f"{self.topic_prefix}ledger-{name}"


def _secrets_dir() -> Path | None:
    """The folder with the files of secrets. A folder that is named must exist."""
    named = os.environ.get(SECRETS_DIR)
    if not named:
        return USUAL_SECRETS_DIR if USUAL_SECRETS_DIR.is_dir() else None
    if not Path(named).is_dir():
        raise SettingsInvalid(f"{SECRETS_DIR}: {named} is not a folder")
    return Path(named)


def _not_json(message: str) -> str:
    """The message for a setting that is not valid JSON."""
    named = re.search(r'field "(\w+)"', message)
    name = named[1] if named else ""
    if name == "signing_keys":
        return "LEDGER_SIGNING_KEYS must be a JSON object of secrets by key id"
    return f"{PREFIX}{name.upper()} must be JSON"


def _reason(error: Any) -> str:
    """What is wrong with one setting, with its variable's name and without its value."""
    names, message = [str(part) for part in error["loc"]], error["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{'.'.join([names[0].upper(), *names[1:]])}: {message}" if names else message
