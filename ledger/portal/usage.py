"""Usage: what was spent per day and model, top models and API keys, and how long the credits last."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from ledger.portal import chart
from ledger.portal.overview import lasts
from ledger.portal.shell import shown
from ledger.portal.visits import HtmlRoute, VisitOf
from ledger.service.history import usage_groups
from ledger.views.usage import Group
from ledger.web.dependencies import ResourcesOf

router = APIRouter(prefix="/billing/usage", include_in_schema=False, route_class=HtmlRoute)

_TOP = 10
TRACES = "Traces"
Days = Literal["7", "30", "90"]


@router.get("")
async def page(visit: VisitOf, resources: ResourcesOf, days: Days = "30") -> Response:
    """Shows the last days, including today. Days are UTC days, as in all sums by day."""
    today = datetime.now(UTC).date()
    range_ = [today - timedelta(days=back) for back in range(int(days) - 1, -1, -1)]
    until, by = today + timedelta(days=1), {"day", "model", "api_key"}
    groups = await usage_groups(resources, visit.caller, visit.account_id, range_[0], until, by)
    spent = _by_day(groups)
    return shown(
        visit.shell,
        "usage",
        at="usage",
        days=days,
        chart=chart.chart_of(range_, spent),
        size=chart,
        by_day=[(day, spent[day]) for day in reversed(range_) if day in spent],
        total=sum(group.charge for group in groups),
        requests=sum(group.requests for group in groups),
        models=_top(groups, _model),
        keys=_top((group for group in groups if group.requests), lambda group: group.api_key_id or ""),
        lasts=lasts(visit, groups, today),
    )


def _model(group: Group) -> str:
    return f"{group.provider}/{group.model}" if group.model else TRACES


def _by_day(groups: Iterable[Group]) -> dict[date, dict[str, int]]:
    """The charges by day and model, in nanos."""
    found: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for group in groups:
        assert group.day
        found[group.day][_model(group)] += group.charge
    return found


def _top(groups: Iterable[Group], name: Callable[[Group], str]) -> list[tuple[str, int, int]]:
    """Name, count and charge of the groups with the highest charges. Of traces, the traces are counted."""
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for group in groups:
        count, charge = counts[name(group)]
        counts[name(group)] = (count + group.requests + group.traces, charge + group.charge)
    ordered = sorted(counts.items(), key=lambda each: (-each[1][1], each[0]))
    return [(title, count, charge) for title, (count, charge) in ordered[:_TOP]]
