"""The page of settings: each one's variable, form, default, bounds and meaning, and which processes read it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs.making.tables import table
from ledger.settings import PREFIX, SECRETS_DIR, USUAL_SECRETS_DIR, Settings

_INTRODUCTION = f"""\
# Configuration

Every process reads its settings once, at the start, from environment variables. A file of the folder
`{SECRETS_DIR}` (default: `{USUAL_SECRETS_DIR}` where it exists) that is named like a variable in lower case, such as
`ledger_database`, gives its value, too; that is how container engines and systemd hand out secrets. The environment
wins. A secret has no default: a process that needs one and has none, or an empty one, ends at once and names the
setting.

*Read by*: `all` are `project`, `consume`, `serve` and the commands that look at the log or the database; `admin` are
`bootstrap`, `topics --create` and `book publish`. The processes of one ledger must agree on a setting, except for
`LEDGER_KAFKA_*`, `LEDGER_DATABASE` and addresses, where each has its own rights.
"""

READ_BY = {
    "kafka": "all",
    "kafka_security_protocol": "all",
    "kafka_sasl_mechanism": "all",
    "kafka_username": "all",
    "kafka_password": "all",
    "kafka_ca_file": "all",
    "kafka_certificate_file": "all",
    "kafka_key_file": "all",
    "database": "all",
    "home": "dev",
    "log_format": "all",
    "topic_prefix": "all",
    "event_partitions": "admin",
    "replication_factor": "admin",
    "fold_only": "all",
    "signing_key_id": "project, consume, serve, admin",
    "signing_keys": "all",
    "account_cache": "project",
    "stall_seconds": "project",
    "lock_seconds": "project",
    "api_host": "serve, consume",
    "api_port": "serve",
    "api_processes": "serve",
    "verdict_seconds": "serve",
    "key_grace_seconds": "serve",
    "hold_credits": "serve",
    "hold_seconds": "serve",
    "hold_seconds_max": "serve",
    "gate_stale_seconds": "serve",
    "top_up_url": "serve",
    "payments": "serve, consume",
    "public_url": "serve, consume",
    "brand_name": "serve",
    "brand_color": "serve",
    "brand_logo": "serve",
    "embed_origins": "serve",
    "purchase_credits_min": "serve",
    "purchase_credits_max": "serve",
    "tax_percent": "serve, consume",
    "stripe_secret_key": "serve, consume",
    "stripe_publishable_key": "serve",
    "stripe_webhook_secrets": "serve, consume",
    "stripe_url": "serve, consume",
    "razorpay_key_id": "serve, consume",
    "razorpay_key_secret": "serve, consume",
    "razorpay_webhook_secrets": "serve, consume",
    "razorpay_url": "serve, consume",
    "razorpay_rates": "serve, consume",
    "sweep_seconds": "consume",
    "sweep_lists_seconds": "consume",
    "unpaid_days": "consume",
    "top_up_attempts": "consume",
    "top_up_lease_seconds": "consume",
    "credited_seconds": "consume",
    "supplier": "consume",
    "invoice_prefix": "consume",
    "credit_note_prefix": "consume",
    "invoice_year_begins": "consume",
    "invoice_time_zone": "consume",
    "invoice_logo": "serve, consume",
    "invoice_colour": "serve, consume",
    "webhook_networks": "serve, consume",
    "smtp_host": "consume",
    "smtp_port": "consume",
    "smtp_security": "consume",
    "smtp_username": "consume",
    "smtp_password": "consume",
    "mail_from": "consume",
    "consumer_metrics_port": "consume",
}

_KINDS = {str: "text", int: "whole number", float: "number", Path: "path", SecretStr: "text"}
_SIGNS = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}


def configuration() -> str:
    """The whole page. A setting that READ_BY lacks is a KeyError: say there who reads it."""
    header = ("variable", "value", "default", "secret", "read by", "meaning")
    return f"{_INTRODUCTION}\n{table(header, _rows())}\n"


def _rows() -> Iterator[tuple[str, ...]]:
    for name, field in Settings.model_fields.items():
        yield (
            f"`{PREFIX}{name.upper()}`",
            _value(field),
            _default(field),
            "yes" if _is_secret(field) else "",
            READ_BY[name],
            field.description or "",
        )


def _value(field: FieldInfo) -> str:
    if get_origin(field.annotation) is list:
        return "JSON array"
    if get_args(field.annotation) and get_origin(field.annotation) is not dict:
        return " or ".join(f"`{each}`" for each in get_args(field.annotation))
    kind = _KINDS.get(field.annotation, "JSON object")  # type: ignore[arg-type]
    return " ".join([kind, *filter(None, map(_bound, field.metadata))])


def _bound(rule: Any) -> str:
    if isinstance(rule, MinLen):
        return "(not empty)"
    if type(rule) not in _SIGNS:  # a pattern: the meaning says it
        return ""
    sign, name = _SIGNS[type(rule)]
    return f"{sign} {getattr(rule, name)}"


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):  # an object of which nothing is said
        return ""
    text = default.get_secret_value() if isinstance(default, SecretStr) else str(default or ("" if default != 0 else 0))
    return f"`{text}`" if text else ""


def _is_secret(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    marked = isinstance(extra, dict) and bool(extra.get("secret"))
    return marked or field.annotation is SecretStr or SecretStr in get_args(field.annotation)
