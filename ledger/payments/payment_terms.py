"""The terms of one payment: what was agreed before the provider was asked. They travel with the payment, signed.

The terms are in the row that is written first and in the provider's metadata. So a payment whose row was lost is still
credited to the right account, and a payment whose metadata was edited is credited to none.
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
_LEDGER = _PREFIX + "name"
# The metadata field of a refund of ours: the key under which it was asked for.
REFUND_KEY = _PREFIX + "refund"


class TermsForged(LedgerError):
    message = "The payment's metadata is not what this ledger wrote"


class PaymentTerms(NamedTuple):
    """What is paid and for what. `credits` in nanos; `amount_minor` in cents or paise, including `tax_minor`.

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


def signed_metadata(terms: PaymentTerms, key: SigningKey, ledger: str = "") -> dict[str, str]:
    """The terms as the provider keeps them: at most eleven short texts, signed. `ledger`: its topic prefix, if any.

    Several ledgers can share a provider's account, and perhaps their keys. `ledger` keeps them from crediting each
    other's payments.
    """
    texts = _texts(terms) | ({_LEDGER: ledger} if ledger else {})
    return {**texts, _SIGNATURE: f"{key.key_id}:{_digest(texts, key.secret)}"}


def has_terms(metadata: Mapping[str, str]) -> bool:
    """Whether a payment claims to be a ledger's. `read_terms` verifies the claim, and of which ledger it is."""
    return any(name.startswith(_PREFIX) for name in metadata)


def claims_purchase(metadata: Mapping[str, str], purchase_id: str) -> bool:
    """Whether a payment claims to pay this purchase. `read_terms` verifies the claim."""
    return metadata.get(_PREFIX + "purchase") == purchase_id


def read_terms(metadata: Mapping[str, str], secrets: Mapping[str, bytes], ledger: str = "") -> PaymentTerms | None:
    """The terms that a provider kept; None for a payment that is not this ledger's. Raises TermsForged."""
    texts = {name: text for name, text in metadata.items() if name.startswith(_PREFIX)}
    if not texts or texts.get(_LEDGER, "") != ledger:
        return None
    key_id, _, digest = texts.pop(_SIGNATURE, "").rpartition(":")
    secret = secrets.get(key_id)
    if secret is None or not hmac.compare_digest(_digest(texts, secret).encode(), digest.encode()):
        raise TermsForged(key_id and f"signed with {key_id!a}")
    fields = {name.removeprefix(_PREFIX): text for name, text in texts.items()}
    return PaymentTerms(
        fields["purchase"],
        fields["account"],
        "auto_top_up" if fields["kind"] == "auto_top_up" else "purchase",
        parse_nanos(fields["credits"]),
        fields["currency"],
        int(fields["amount"]),
        int(fields["tax"]),
        fields["rate"],
        fields.get("trigger"),
    )


def _texts(terms: PaymentTerms) -> dict[str, str]:
    fields = {
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
    return {_PREFIX + name: text for name, text in fields.items() if text is not None}


def _digest(texts: Mapping[str, str], secret: bytes) -> str:
    lines = "\n".join(f"{name}={text}" for name, text in sorted(texts.items()))
    return hmac.digest(secret, b"payment terms\n" + lines.encode(), "sha256").hex()
