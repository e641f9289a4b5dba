"""How an account of the stories gets a card: as a customer does, with a test card on the provider's page."""

import httpx

from ledger.dev.router import Router

CARD = {"number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "name": "Nova", "country": "DE"}


async def save_card(router: Router, account_id: str) -> None:
    """Saves the card, unless an earlier run has."""
    methods = f"/v1/accounts/{account_id}/payment-methods"
    if (await router.get(methods))["data"]:
        return
    await router.put(f"/v1/accounts/{account_id}/profile", {"name": CARD["name"], "address": {"country": "DE"}})
    page = await router.post(methods, {"provider": "stripe", "return_url": "https://router.example/credits"})
    async with httpx.AsyncClient(timeout=10) as browser:
        await browser.post(page["url"], data=CARD)
