"""Forms of the billing page: makes values for the service of what a customer typed, and field messages of errors."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from ledger.core.errors import LedgerError
from ledger.payments.gateway import Charger, Method, ProviderError
from ledger.payments.gateways import Gateways
from ledger.payments.profiles import countries
from ledger.portal.messages import error_text
from ledger.portal.visits import Visit
from ledger.records.profiles import Profile
from ledger.service.payment_methods import saved
from schemas.http import BillingAddress, NewProfile
from schemas.money import Credits

Errors = dict[str, str]
ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")
_CREDITS: TypeAdapter[str] = TypeAdapter(Credits)
_WORDS = {
    "postal_code": "Use letters, digits, spaces and dashes only.",
    "country": "Choose a country from the list.",
    "email": "This does not look like an e-mail address.",
}


class Choice(NamedTuple):
    """A way to pay. `method_id` "": a new one, at the provider."""

    provider: str
    method_id: str
    method: Method | None = None
    saves: bool = False

    @property
    def value(self) -> str:
        """The choice as a form sends it."""
        return f"{self.provider}:{self.method_id}"


def credits_of(text: str | None) -> str | None:
    """Plain decimal text of credits as it is; None for anything else."""
    try:
        return _CREDITS.validate_python(text)
    except ValidationError:
        return None


def profile_form(stored: Profile) -> dict[str, str]:
    """The profile as its form shows it."""
    return {name: text or "" for name, text in stored._asdict().items()}


def profile_of(form: Mapping[str, str], stored: Profile, errors: Errors) -> NewProfile | None:
    """The profile with the form's values, or None with errors at their fields. Absent fields stay as they are."""
    said: dict[str, Any] = {name: form.get(name, text) or None for name, text in stored._asdict().items()}
    address = {name: said.pop(name) for name in ADDRESS}
    if address["country"] not in countries() and any(address.values()):
        errors["country"] = _WORDS["country"]
        return None
    try:
        return NewProfile(**said, address=BillingAddress(**address) if address["country"] else None)
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][-1])
            errors[name] = _WORDS.get(name, "This is too long, or has characters that can't be used.")
        return None


def note(errors: Errors, error: LedgerError, fields: Mapping[str, str], usual: str) -> None:
    """Puts an error at its field of the form."""
    errors[fields.get(error.field or "", usual)] = error_text(error)


def choices(gateways: Gateways, saved: list[tuple[str, Method]]) -> list[Choice]:
    """All ways to pay: the default one first, then other saved ones, then a new one at each provider."""
    ordered = sorted(saved, key=lambda each: not each[1].default)
    new = [Choice(name, "", None, isinstance(gateway, Charger)) for name, gateway in gateways.items()]
    return [*(Choice(provider, method.method_id, method) for provider, method in ordered), *new]


async def saved_methods(request: Request, visit: Visit) -> list[tuple[str, Method]] | None:
    """The saved methods; None while a provider does not answer. The providers are asked once in a request."""
    if not hasattr(request.state, "saved_methods"):
        resources = request.app.state.resources
        try:
            request.state.saved_methods = await saved(resources, visit.caller, visit.account_id)
        except ProviderError:
            request.state.saved_methods = None
    found: list[tuple[str, Method]] | None = request.state.saved_methods
    return found
