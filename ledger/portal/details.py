"""Billing details: name, address, e-mail, tax ids, time zone and notation."""

import uuid
from functools import cache
from zoneinfo import available_timezones

from fastapi import APIRouter
from starlette.responses import Response

from ledger.core.errors import LedgerError
from ledger.payments import tax_ids
from ledger.portal.add_credits import address_options
from ledger.portal.forms import Errors, note, profile_form, profile_of
from ledger.portal.shell import shown
from ledger.portal.visits import FormForged, FormOf, HtmlRoute, Visit, VisitOf, see
from ledger.service import profiles as service
from ledger.web.dependencies import ResourcesOf

router = APIRouter(prefix="/billing/details", include_in_schema=False, route_class=HtmlRoute)

_FIELDS = {"address.country": "country", "email": "email", "time_zone": "time_zone", "locale": "locale"}
# Notations by where they are used; any other one can be set through the API.
LOCALES = {
    "en-US": "English (United States)",
    "en-GB": "English (United Kingdom)",
    "en-IN": "English (India)",
    "de-DE": "Deutsch (Deutschland)",
    "es-ES": "Español (España)",
    "fr-FR": "Français (France)",
    "hi-IN": "हिन्दी (भारत)",
    "it-IT": "Italiano (Italia)",
    "ja-JP": "日本語 (日本)",
    "nl-NL": "Nederlands (Nederland)",
    "pt-BR": "Português (Brasil)",
    "zh-CN": "中文 (中国)",
}


@router.get("")
async def page(visit: VisitOf, resources: ResourcesOf, saved: bool = False) -> Response:
    """Shows the stored details."""
    return await _page(visit, resources, profile_form(visit.profile), {}, saved=saved)


@router.post("")
async def save(visit: VisitOf, resources: ResourcesOf, form: FormOf) -> Response:
    """Replaces the details, or shows each error at its field."""
    errors: Errors = {}
    profile = profile_of(form, visit.profile, errors)
    if profile is not None:
        try:
            await service.put_profile(resources, visit.caller, visit.account_id, profile)
        except LedgerError as error:
            note(errors, error, _FIELDS, "name")
        else:
            return see("/details?saved=true")
    return await _page(visit, resources, {**profile_form(visit.profile), **form}, errors)


@router.post("/tax-ids/remove")
async def remove_tax_id(visit: VisitOf, resources: ResourcesOf, form: FormOf) -> Response:
    """Deletes a tax id. Invoices that have it keep it."""
    try:
        tax_id = uuid.UUID(form.get("tax_id", ""))
    except ValueError:
        raise FormForged() from None
    await service.delete_tax_id(resources, visit.caller, visit.account_id, tax_id)
    return see("/details?saved=true")


async def _page(
    visit: Visit, resources: ResourcesOf, values: dict[str, str], errors: Errors, *, saved: bool = False
) -> Response:
    return shown(
        visit.shell,
        "details",
        422 if errors else 200,
        at="details",
        values=values,
        errors=errors,
        saved=saved,
        tax_ids=[
            (each, tax_ids.label(each.country, each.type))
            for each in await service.stored_tax_ids(resources, visit.caller, visit.account_id)
        ],
        zones=sorted({*_zones(), *filter(None, [visit.profile.time_zone])}),
        locales=LOCALES | {name: LOCALES.get(name, name) for name in [values["locale"]] if name},
        **address_options(),
    )


@cache
def _zones() -> list[str]:
    return sorted(
        zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix", "right"))
    )
