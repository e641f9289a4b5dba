"""The report of one UTC month: the credits that customers had, gained, used and have; and the money paid for them.

All of it is computed from sums of entries by the table of ledger.core.postings, so no rule is repeated here.
`discrepancies` lists everything that does not add up; then there is no report.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.core.book_versions import Book
from ledger.core.entry import EntrySums
from ledger.core.errors import LedgerError
from ledger.core.postings import Posting, postings_of_sums
from ledger.core.rating import rate_traces
from ledger.views.months import Clearing, Liability, MonthFigures
from schemas.http import MovementLine

# Every kind of entry that moves a balance: its line, its type, and its kind where there are several.
MOVEMENTS: tuple[tuple[MovementLine, str, str | None], ...] = (
    ("purchases", "credits.purchased", "purchase"),
    ("auto_top_ups", "credits.purchased", "auto_top_up"),
    ("adjustments", "credits.adjusted", None),
    ("usage", "usage.recorded", None),
    ("usage_accepted", "usage.accepted", None),
    ("traces", "trace.recorded", None),
    ("refunds", "credits.refunded", None),
    ("disputes_opened", "dispute.opened", None),
    ("disputes_won", "dispute.closed", "won"),
    ("disputes_lost", "dispute.closed", "lost"),
)
# Every line of money at a provider: its type of event, and the account of the posting that has the amount.
CASH: tuple[tuple[str, str, str], ...] = (
    ("charged", "credits.purchased", "clearing"),
    ("refunded", "credits.refunded", "clearing"),
    ("disputes_opened", "dispute.opened", "clearing"),
    ("disputes_won", "dispute.closed", "clearing"),
    ("payouts", "payout.received", "payouts"),
    ("fees", "payout.received", "fees"),
)
TAXES: tuple[tuple[str, str, str], ...] = (
    ("tax_charged", "credits.purchased", "tax"),
    ("tax_refunded", "credits.refunded", "tax"),
)


class MonthDoesNotClose(LedgerError):
    message = "The month does not close, so there is no report of it; verify the ledger"


class MonthNotBegun(LedgerError):
    message = "The projected log has not reached this month yet"


class Movement(NamedTuple):
    """How one kind of entry changed the liability, in nanos."""

    line: MovementLine
    entries: int
    nanos: int


class ModelProvider(NamedTuple):
    """Usage of one model provider in nanos."""

    provider: str
    requests: int
    revenue: int
    cost: int

    @property
    def margin(self) -> int:
        """The revenue minus the provider's cost."""
        return self.revenue - self.cost


class Traces(NamedTuple):
    """All traces, and how many of them were free; `free_value`: what the free ones would have cost, in nanos."""

    traces: int
    free: int
    revenue: int
    free_value: int


class ProviderMoney(NamedTuple):
    """One currency at one payment provider, in minor units: what it holds for us, and each change with its sign.

    opening + the sum of `lines` = closing. `taxes` are parts of what was charged and refunded.
    """

    provider: str
    currency: str
    opening: int
    closing: int
    lines: Mapping[str, int]
    taxes: Mapping[str, int]


class MonthReport(NamedTuple):
    """The report of a month whose figures add up."""

    month: str
    since: datetime
    until: datetime
    through: datetime | None
    opening: Liability
    movements: tuple[Movement, ...]
    closing: Liability
    providers: tuple[ModelProvider, ...]
    traces: Traces
    accounts: tuple[ProviderMoney, ...]

    @property
    def complete(self) -> bool:
        """Whether the log is projected past the month's end, so that nothing will be added."""
        return self.through is not None and self.through >= self.until


def month_report(figures: MonthFigures, book: Book) -> MonthReport:
    """The report. Raises MonthNotBegun or MonthDoesNotClose."""
    if figures.through is not None and figures.through < figures.since:
        raise MonthNotBegun(figures.month, field="month")
    report = MonthReport(
        figures.month,
        figures.since,
        figures.until,
        figures.through,
        figures.opening,
        tuple(_movement(figures.sums, *movement) for movement in MOVEMENTS),
        figures.closing,
        tuple(_model_providers(figures.sums)),
        _traces(figures.sums, book),
        tuple(_account(figures.sums, clearing) for clearing in figures.clearing),
    )
    if found := discrepancies(report, figures):
        raise MonthDoesNotClose("; ".join(found))
    return report


def discrepancies(report: MonthReport, figures: MonthFigures) -> list[str]:
    """Everything that does not add up."""
    return [
        *_unbalanced(figures.sums),
        *_not_closing(report),
        *_not_shown(report, figures.sums),
        *_other_days(report, figures),
    ]


def _unbalanced(sums: Iterable[EntrySums]) -> Iterator[str]:
    units: dict[str, int] = defaultdict(int)
    for posting in _postings(sums):
        units[posting.unit] += posting.amount
    for unit, total in units.items():
        if total:
            yield f"the postings of {unit} sum to {total}"


def _not_closing(report: MonthReport) -> Iterator[str]:
    moved = sum(movement.nanos for movement in report.movements)
    if report.opening.total + moved != report.closing.total:
        yield f"{report.opening.total} nanos and {moved} moved are not {report.closing.total}"
    for account in report.accounts:
        moved = sum(account.lines.values())
        if account.opening + moved != account.closing:
            name = f"{account.provider} {account.currency}"
            yield f"{name}: {account.opening} and {moved} moved are not {account.closing}"


def _not_shown(report: MonthReport, sums: Sequence[EntrySums]) -> Iterator[str]:
    """Postings that the report does not show: a type of entry has no line here."""
    shown: dict[str, int] = defaultdict(int)
    for usage in report.providers:
        shown["provider_cost"] += usage.cost
        shown["markup"] += usage.margin
    shown["trace_revenue"] = report.traces.revenue
    shown["customer_credits"] = sum(movement.nanos for movement in report.movements)
    for account, nanos in shown.items():
        if (posted := _posted(sums, account)) != nanos:
            yield f"{account}: {nanos} nanos are shown and {posted} posted"


def _other_days(report: MonthReport, figures: MonthFigures) -> Iterator[str]:
    """The views keep sums per day beside the entries; both must agree."""
    counted = {(usage.provider, usage.requests, usage.cost, usage.revenue) for usage in report.providers}
    days = {(day.provider, day.requests, day.cost, day.charge) for day in figures.days if day.provider}
    for provider, *_ in sorted(counted ^ days):
        yield f"{provider}: its days don't add up to its entries"
    traces = [(day.traces, day.free_traces, day.charge) for day in figures.days if not day.provider]
    shown = (report.traces.traces, report.traces.free, report.traces.revenue)
    if traces != ([shown] if report.traces.traces else []):
        yield "traces: their days don't add up to their entries"


def _movement(sums: Iterable[EntrySums], line: MovementLine, type_: str, kind: str | None) -> Movement:
    own = [each for each in sums if each.type == type_ and kind in (None, each.kind)]
    return Movement(line, sum(each.entries for each in own), _posted(own, "customer_credits"))


def _model_providers(sums: Iterable[EntrySums]) -> Iterator[ModelProvider]:
    by_provider: dict[str, list[EntrySums]] = defaultdict(list)
    for each in sums:
        if each.type in ("usage.recorded", "usage.accepted"):
            by_provider[each.provider or ""].append(each)
    for provider, own in sorted(by_provider.items()):
        cost, markup = _posted(own, "provider_cost"), _posted(own, "markup")
        requests = sum(each.entries for each in own if each.type == "usage.recorded")
        yield ModelProvider(provider, requests, cost + markup, cost)


def _traces(sums: Iterable[EntrySums], book: Book) -> Traces:
    own = [each for each in sums if each.type == "trace.recorded"]
    value = sum(rate_traces(each.free_traces, book.versions[(each.book_version or 0) - 1]) for each in own)
    counts = sum(each.traces for each in own), sum(each.free_traces for each in own)
    return Traces(*counts, _posted(own, "trace_revenue"), value)


def _account(sums: Iterable[EntrySums], clearing: Clearing) -> ProviderMoney:
    provider, currency = clearing.provider, clearing.currency
    own = [each for each in sums if (each.provider, each.currency) == (provider, currency)]

    def moved(type_: str, account: str) -> int:
        """The change of clearing; the other accounts have the opposite sign."""
        posted = _posted([each for each in own if each.type == type_], f"{account}:{provider}")
        return posted if account == "clearing" else -posted

    lines, taxes = ({line: moved(type_, account) for line, type_, account in table} for table in (CASH, TAXES))
    return ProviderMoney(provider, currency, clearing.opening, clearing.closing, lines, taxes)


def _posted(sums: Iterable[EntrySums], account: str) -> int:
    return sum(posting.amount for posting in _postings(sums) if posting.account == account)


def _postings(sums: Iterable[EntrySums]) -> Iterator[Posting]:
    for each in sums:
        yield from postings_of_sums(each)
