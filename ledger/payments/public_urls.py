"""The URLs at which customers reach this service: the billing page, and the page of a purchase."""

from ledger.settings import Settings


def public_url(settings: Settings) -> str:
    """The base URL for customers, without a slash at the end."""
    return settings.public_url.rstrip("/") or f"http://{settings.api_host}:{settings.api_port}"


def billing_url(settings: Settings) -> str:
    """The billing page."""
    return f"{public_url(settings)}/billing"


def entry_url(settings: Settings, token: str) -> str:
    """A link that opens the billing page for one browser, once."""
    return f"{billing_url(settings)}/enter?link={token}"


def pay_url(settings: Settings, checkout_id: str) -> str:
    """The page of a purchase. Everybody who knows the URL may see it."""
    return f"{public_url(settings)}/pay/{checkout_id}"


def return_url(settings: Settings, checkout_id: str) -> str:
    """Where the provider sends the customer back to, paid or not."""
    return f"{pay_url(settings, checkout_id)}/return"
