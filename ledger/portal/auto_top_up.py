"""Auto top-up: the policy as a form, the machine's state and its reason, and the last attempts."""

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from ledger.core.errors import LedgerError, Refused
from ledger.portal.declines import decline_text
from ledger.portal.display import Display
from ledger.portal.forms import (
    Choice,
    Errors,
    choices,
    credits_of,
    note,
    saved_methods,
)
from ledger.portal.messages import REFUSALS, standing_text
from ledger.portal.shell import shown
from ledger.portal.visits import FormOf, HtmlRoute, Visit, VisitOf, see
from ledger.service import top_ups as service
from ledger.web.dependencies import ResourcesOf
from schemas.http import TopUps, TopUpSettings
from schemas.money import parse_nanos

router = APIRouter(prefix="/billing/auto-top-up", include_in_schema=False, route_class=HtmlRoute)

_ATTEMPTS = 10
_AMOUNTS = {
    "threshold": "the balance below which credits are added",
    "amount": "how many credits are added",
    "cap_day": "a limit, or leave it empty",
    "cap_month": "a limit, or leave it empty",
}
_FIELDS = {name: name for name in _AMOUNTS} | {"payment_method_id": "method", "provider": "method", "data": "amount"}


@router.get("")
async def page(request: Request, visit: VisitOf, resources: ResourcesOf, saved: bool = False) -> Response:
    """Shows the present policy."""
    policy = await service.get_auto_top_up(resources, visit.caller, visit.account_id)
    return await _page(request, visit, policy, _values(policy, visit.shell.display), {}, saved=saved)


@router.post("")
async def save(request: Request, visit: VisitOf, resources: ResourcesOf, form: FormOf) -> Response:
    """Replaces the policy, or shows each error at its field."""
    errors: Errors = {}
    new = await _new(request, visit, form, errors)
    if new is not None and not errors:
        try:
            await service.put_auto_top_up(resources, visit.caller, visit.account_id, new)
            return see("/auto-top-up?saved=true")
        except Refused as refusal:
            errors[_FIELDS.get(refusal.field or "", "amount")] = REFUSALS.get(refusal.code, refusal.reason)
        except LedgerError as error:
            note(errors, error, _FIELDS, "method")
    policy = await service.get_auto_top_up(resources, visit.caller, visit.account_id)
    values = {**dict.fromkeys(_AMOUNTS, ""), "sizing": "fixed", "method": "", "enabled": "", **form}
    return await _page(request, visit, policy, values, errors)


async def _new(request: Request, visit: Visit, form: dict[str, str], errors: Errors) -> TopUpSettings | None:
    """The policy that the form asks for."""
    amounts = {name: _amount(visit, form.get(name, ""), name, errors) for name in _AMOUNTS}
    enabled = form.get("enabled") == "on"
    choice = next((each for each in await _methods(request, visit) if each.value == form.get("method")), None)
    if enabled and choice is None:
        errors["method"] = "Choose a payment method; add one first if there is none."
    if errors:
        return None
    try:
        return TopUpSettings(
            enabled=enabled,
            sizing="target" if form.get("sizing") == "target" else "fixed",
            provider=choice.provider if choice else None,
            payment_method_id=(choice.method_id or None) if choice else None,
            **amounts,  # type: ignore[arg-type]  # what is needed is there, else there is an error
        )
    except ValidationError:
        errors["amount"] = "Type an amount, such as 40."
        return None


def _amount(visit: Visit, typed: str, name: str, errors: Errors) -> str | None:
    if not typed and name.startswith("cap_"):
        return None
    amount = credits_of(visit.shell.display.read_amount(typed))
    if amount is None:
        errors[name] = f"Type {_AMOUNTS[name]}, such as 50."
    return amount


async def _methods(request: Request, visit: Visit) -> list[Choice]:
    """Saved ones, and those providers that send a link instead."""
    saved = await saved_methods(request, visit)
    found = choices(request.app.state.resources.payments.gateways, saved or [])
    return [choice for choice in found if choice.method is not None or not choice.saves]


def _chosen(value: str, methods: list[Choice]) -> str:
    """Which method is ticked. A policy that names a provider alone charges its default method, which comes first."""
    if value and not value.endswith(":"):
        return value
    return next((choice.value for choice in methods if choice.value.startswith(value)), "")


async def _page(
    request: Request, visit: Visit, policy: TopUps, values: dict[str, str], errors: Errors, *, saved: bool = False
) -> Response:
    resources = request.app.state.resources
    tried = await service.recent_triggers(resources, visit.caller, visit.account_id, _ATTEMPTS)
    methods = await _methods(request, visit)
    return shown(
        visit.shell,
        "auto_top_up",
        422 if errors else 200,
        at="auto-top-up",
        top_ups=policy,
        values=values | {"method": _chosen(values["method"], methods)},
        errors=errors,
        methods=methods,
        standing=standing_text(enabled=policy.enabled, state=policy.state, reason=policy.reason),
        tried=[(trigger, decline_text(trigger.failure) if trigger.failure else "") for trigger in tried],
        saved=saved,
        bought=(parse_nanos(policy.spent_today), parse_nanos(policy.spent_this_month)),
    )


def _values(policy: TopUps, display: Display) -> dict[str, str]:
    """The policy as the form shows it; a proposal if there is none."""
    amounts = {
        "threshold": policy.threshold or "10",
        "amount": policy.amount or "25",
        "cap_day": policy.cap_day,
        "cap_month": policy.cap_month,
    }
    return {
        **{name: display.typed(text) if text else "" for name, text in amounts.items()},
        "enabled": "on" if policy.enabled else "",
        "sizing": policy.sizing or "fixed",
        "method": f"{policy.provider}:{policy.payment_method_id or ''}" if policy.provider else "",
    }
