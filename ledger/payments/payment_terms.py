"""The terms of one payment: what was agreed before the provider was asked, and what travels with it, signed.

The terms stand in the row that is written first and in the provider's own metadata, so that a payment whose row was
lost still credits the right account, and one whose metadata somebody edited credits nobody.
"""

import hmac
from collections.abc import Mapping
from typing import NamedTuple

from ledger.core.errors import LedgerError
from schemas.events import PurchaseKind
from schemas.money import format_nanos, parse_nanos
from schemas.signatures import SigningKey

_PREFIX = "ledger_"
_SIGNATURE = _PREFIX + "signature"
_NAME = _PREFIX + "name"
# What a refund of ours carries: the key under which it was asked for.
REFUND_KEY = _PREFIX + "refund"


class TermsForged(LedgerError):
    message = "The payment's metadata is not what this ledger wrote"


class PaymentTerms(NamedTuple):
    """What is paid and for what. `credits` in nanos; `amount_minor` in cents or paise, with `tax_minor` in it.

    `fx_rate`: units of the currency for one credit, as decimal text. `trigger_id`: of the auto top-up that this pays.
    """

    purchase_id: str
    account_id: str
    kind: PurchaseKind
    credits: int
    currency: str
    amount_minor: int
    tax_minor: int
    fx_rate: str
    trigger_id: str | None = None


def metadata_of(terms: PaymentTerms, key: SigningKey, ledger: str = "") -> dict[str, str]:
    """The terms as a provider keeps them: eleven short texts, signed. `ledger`: its topic prefix, if it has one.

    Ledgers that share a provider's account, and perhaps their keys, must not credit each other's payments.
    """
    texts = _texts(terms) | ({_NAME: ledger} if ledger else {})
    return {**texts, _SIGNATURE: f"{key.key_id}:{_digest(texts, key.secret)}"}


def is_ours(metadata: Mapping[str, str]) -> bool:
    """Whether a payment says that it is a ledger's; `terms_of` says whether that is true, and of which."""
    return any(name.startswith(_PREFIX) for name in metadata)


def claims(metadata: Mapping[str, str], purchase_id: str) -> bool:
    """Whether a payment says that it pays this purchase; `terms_of` says whether that is true."""
    return metadata.get(_PREFIX + "purchase") == purchase_id


def terms_of(metadata: Mapping[str, str], secrets: Mapping[str, bytes], ledger: str = "") -> PaymentTerms | None:
    """The terms that a provider kept; None for a payment that is not this ledger's. Raises TermsForged."""
    texts = {name: text for name, text in metadata.items() if name.startswith(_PREFIX)}
    if not texts or texts.get(_NAME, "") != ledger:
        return None
    key_id, _, digest = texts.pop(_SIGNATURE, "").rpartition(":")
    secret = secrets.get(key_id)
    if secret is None or not hmac.compare_digest(_digest(texts, secret).encode(), digest.encode()):
        raise TermsForged(key_id and f"signed with {key_id!a}")
    said = {name.removeprefix(_PREFIX): text for name, text in texts.items()}
    return PaymentTerms(
        said["purchase"],
        said["account"],
        "auto_top_up" if said["kind"] == "auto_top_up" else "purchase",
        parse_nanos(said["credits"]),
        said["currency"],
        int(said["amount"]),
        int(said["tax"]),
        said["rate"],
        said.get("trigger"),
    )


def _texts(terms: PaymentTerms) -> dict[str, str]:
    said = {
        "purchase": terms.purchase_id,
        "account": terms.account_id,
        "kind": terms.kind,
        "credits": format_nanos(terms.credits),
        "currency": terms.currency,
        "amount": str(terms.amount_minor),
        "tax": str(terms.tax_minor),
        "rate": terms.fx_rate,
        "trigger": terms.trigger_id,
    }
    return {_PREFIX + name: text for name, text in said.items() if text is not None}


def _digest(texts: Mapping[str, str], secret: bytes) -> str:
    said = "\n".join(f"{name}={text}" for name, text in sorted(texts.items()))
    return hmac.digest(secret, b"payment terms\n" + said.encode(), "sha256").hex()
