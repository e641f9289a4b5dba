"""The 402 of an authorization: its body, byte for byte as routers expect it, and its headers."""

from typing import Any

from ledger.service.authorizations import NotEnoughCredits
from ledger.settings import Settings
from schemas.money import format_nanos

BODY = b'{"error":{"message":"Insufficient credits. Please top up your account.","type":"billing_error"}}'
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    402: {"description": "The money is gone.", "content": {"application/json": {}}}
}


def headers(refusal: NotEnoughCredits, settings: Settings) -> dict[str, str]:
    """The available and the required credits, whether a top-up is under way, and how many tokens are affordable."""
    found = {
        "Credits-Available": format_nanos(refusal.available),
        "Credits-Required": format_nanos(refusal.required),
        "Top-Up-In-Flight": "true" if refusal.top_up_in_flight else "false",
    }
    if settings.top_up_url:
        found["Top-Up-Url"] = settings.top_up_url
    if refusal.affordable_tokens is not None:
        found["Max-Affordable-Output-Tokens"] = str(refusal.affordable_tokens)
    return found
