"""Every setting of the ledger, from the environment (`LEDGER_…`) or from files of a secrets directory.

There are no default secrets: a process that needs one and has none refuses to start and names the setting.
"""

from functools import cached_property
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger.core.errors import LedgerError
from schemas.money import Credits
from schemas.signatures import SigningKey


class SettingMissing(LedgerError):
    """A setting is missing."""


class Settings(BaseSettings):
    """Read once at start and handed down; nothing else reads the environment."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_", extra="ignore", frozen=True)

    kafka: str = Field("127.0.0.1:9092", description="Bootstrap servers of the broker, comma-separated.")
    database: str = Field("postgresql:///ledger", description="libpq connection string of Postgres.")
    home: Path = Field(Path(".ledger"), description="Where `ledger dev` keeps its broker, its database and dev.json.")

    topic_prefix: str = Field("", description="Put before every topic's name, so that several ledgers share a broker.")
    event_partitions: int = Field(64, ge=1, le=4096, description="Partitions of ledger.events, fixed at creation.")
    replication_factor: int = Field(3, ge=1, description="Replicas of every topic, fixed at creation.")
    consumer_group: str = Field("ledger-projector", description="Kafka group of the projector's workers.")

    signing_key_id: str = Field("", description="Id of the key that this process signs with.")
    signing_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="Secrets by key id, as JSON: those that sign and those that only verify."
    )

    account_cache: int = Field(200_000, ge=1, description="Accounts that one worker keeps in memory per partition.")
    stall_seconds: float = Field(
        30, gt=0, description="A worker with lag that commits nothing for so long ends itself."
    )
    lock_seconds: float = Field(2, gt=0, description="How long a writer may block a partition before it is terminated.")

    api_host: str = Field("127.0.0.1", description="Address that `ledger serve` listens on.")
    api_port: int = Field(8080, ge=0, le=65535, description="Port that `ledger serve` listens on.")
    verdict_seconds: float = Field(
        5, ge=0, description="How long a write waits for its projection before it answers 202."
    )

    hold_credits: Credits = Field("0.05", description="What an authorization without an estimate holds, in credits.")
    hold_seconds: int = Field(300, ge=1, description="How long a hold lasts that names no time to live.")
    hold_seconds_max: int = Field(3600, ge=1, description="The longest time to live of a hold.")
    gate_stale_seconds: float = Field(
        15, gt=0, description="Authorizations are refused with 503 when an account's projection is further behind."
    )
    top_up_url: str = Field("", description="Where customers buy credits; sent with a 402. Empty: not sent.")

    @cached_property
    def secrets(self) -> dict[str, bytes]:
        """The secrets that signatures are verified with, by key id."""
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
