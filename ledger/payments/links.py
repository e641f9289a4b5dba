"""Where customers reach us: the page of a purchase, and where a provider sends them back to."""

from ledger.settings import Settings


def pay_url(settings: Settings, checkout_id: str) -> str:
    """The page of a purchase. Whoever knows the address may see it."""
    base = settings.public_url.rstrip("/") or f"http://{settings.api_host}:{settings.api_port}"
    return f"{base}/pay/{checkout_id}"


def return_url(settings: Settings, checkout_id: str) -> str:
    """Where the provider sends the customer when it is done, paid or not."""
    return f"{pay_url(settings, checkout_id)}/return"
