"""The 402 of an authorization: its body, byte for byte as routers know it, and what its headers say."""

from typing import Any

from ledger.service.authorizations import NotEnoughCredits
from ledger.settings import Settings
from schemas.money import format_nanos

BODY = b'{"error":{"message":"Insufficient credits. Please top up your account.","type":"billing_error"}}'
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    402: {"description": "The money is gone.", "content": {"application/json": {}}}
}


def headers(refusal: NotEnoughCredits, settings: Settings) -> dict[str, str]:
    """What there is and what it takes, whether more is on its way, and what would fit."""
    said = {
        "Credits-Available": format_nanos(refusal.available),
        "Credits-Required": format_nanos(refusal.required),
        "Top-Up-In-Flight": "true" if refusal.top_up_in_flight else "false",
    }
    if settings.top_up_url:
        said["Top-Up-Url"] = settings.top_up_url
    if refusal.affordable_tokens is not None:
        said["Max-Affordable-Output-Tokens"] = str(refusal.affordable_tokens)
    return said
