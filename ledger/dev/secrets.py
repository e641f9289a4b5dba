"""Secrets of a local ledger: made once, and kept in its home in files that only their owner may read."""

import json
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from psycopg.rows import class_row

from ledger.core.scopes import SCOPES
from ledger.postgres.connections import connect
from ledger.postgres.kinds import COMMAND
from ledger.postgres.types import Connection
from ledger.records import api_keys
from ledger.records.log_events import LATELY

SIGNING_KEY_ID = "dev-1"


def signing_secret(home: Path) -> str:
    """The secret that signs this home's money events."""
    return _kept(home / "signing.key") or _keep(home / "signing.key", secrets.token_urlsafe(32))


class PaymentSecrets(NamedTuple):
    """The secrets that the sandbox shares with the processes that use it."""

    stripe_secret_key: str
    stripe_webhook_secret: str
    razorpay_key_id: str
    razorpay_key_secret: str
    razorpay_webhook_secret: str


def payment_secrets(home: Path) -> PaymentSecrets:
    """The providers' keys for this home's sandbox."""
    path = home / "payments.key"
    kept = _kept(path)
    if kept is None:
        made = PaymentSecrets(
            stripe_secret_key=f"sk_test_sandbox_{secrets.token_urlsafe(24)}",
            stripe_webhook_secret=f"whsec_{secrets.token_urlsafe(32)}",
            razorpay_key_id=f"rzp_test_sandbox{secrets.token_hex(7)}",
            razorpay_key_secret=secrets.token_urlsafe(24),
            razorpay_webhook_secret=secrets.token_urlsafe(32),
        )
        kept = _keep(path, json.dumps(made._asdict()))
    return PaymentSecrets(**json.loads(kept))


def operator_key(home: Path, database: str) -> str:
    """An API key with all scopes: the home's, as long as it is in the database; otherwise a new one."""
    with connect(database, COMMAND) as connection:
        kept = _kept(home / "operator.key")
        if kept and _is_known(connection, kept):
            return kept
        made = api_keys.create(connection, SCOPES, description="the operator's key of `ledger dev`")
    return _keep(home / "operator.key", made.token)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def _is_known(connection: Connection, text: str) -> bool:
    token = api_keys.parse(text)
    if token is None:
        return False
    with connection.cursor(row_factory=class_row(api_keys.StoredKey)) as cursor:
        stored = cursor.execute(api_keys.SQL["find"], {"key_ids": [token.key_id], "lately": LATELY}).fetchone()
    return stored is not None and token.proves(stored) and set(stored.scopes) == set(SCOPES)


def _kept(path: Path) -> str | None:
    return path.read_text().strip() if path.exists() else None


def _keep(path: Path, secret: str) -> str:
    write_private(path, f"{secret}\n")
    return secret
