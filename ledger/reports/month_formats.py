"""The report of a month as the answer of the API, and as the rows of a CSV file."""

from collections.abc import Iterator

from ledger.reports.amounts import full_money_text, money_decimal
from ledger.reports.month_report import ModelProvider, MonthReport, ProviderMoney, Traces
from ledger.views.months import Liability
from schemas.http import (
    CreditMovement,
    CreditsReport,
    LiabilityAnswer,
    ModelProviderReport,
    MoneyAmount,
    MoneyReport,
    MonthReportAnswer,
    ProviderMargin,
    TracesReport,
)
from schemas.money import format_nanos

CSV_COLUMNS = ("month", "complete", "as_of", "section", "provider", "line", "count", "amount", "unit", "minor")
_CREDIT = "CREDIT"


def answer_of(report: MonthReport) -> MonthReportAnswer:
    """The report with amounts as text."""
    return MonthReportAnswer(
        month=report.month,
        complete=report.complete,
        as_of=report.through,
        credits=CreditsReport(
            opening=_liability(report.opening),
            movements=[
                CreditMovement(line=line, entries=entries, credits=format_nanos(nanos))
                for line, entries, nanos in report.movements
            ],
            closing=_liability(report.closing),
        ),
        usage=[
            ModelProviderReport(provider=usage.provider, **_margin(usage).model_dump()) for usage in report.providers
        ],
        usage_total=_margin(_total(report.providers)),
        traces=_traces(report.traces),
        money=[_money(account) for account in report.accounts],
    )


def csv_rows(answer: MonthReportAnswer) -> Iterator[tuple[str | int | None, ...]]:
    """One row per figure, below a header; `amount` in credits or in the currency, `minor` in its minor units."""
    yield CSV_COLUMNS
    as_of = answer.model_dump(mode="json", include={"as_of"})["as_of"]
    for row in (*_credit_rows(answer.credits), *_usage_rows(answer), *_money_rows(answer)):
        yield (answer.month, str(answer.complete).lower(), as_of, *row)


_Row = tuple[str, str, str, int | None, str, str, int | None]


def _credit_rows(credits: CreditsReport) -> Iterator[_Row]:
    for name, liability in (("opening", credits.opening), ("closing", credits.closing)):
        if name == "closing":
            for movement in credits.movements:
                yield "credits", "", movement.line, movement.entries, movement.credits, _CREDIT, None
        yield "credits", "", name, None, liability.total, _CREDIT, None
        yield "credits", "", f"{name}_held", liability.accounts_holding, liability.held, _CREDIT, None
        yield "credits", "", f"{name}_owed", liability.accounts_owing, liability.owed, _CREDIT, None


def _usage_rows(answer: MonthReportAnswer) -> Iterator[_Row]:
    for provider, usage in (*((usage.provider, usage) for usage in answer.usage), ("", answer.usage_total)):
        section = "usage" if provider else "usage_total"
        for line in ("revenue", "cost", "margin"):
            yield section, provider, line, usage.requests, getattr(usage, line), _CREDIT, None
    traces = answer.traces
    yield "traces", "", "revenue", traces.traces, traces.revenue, _CREDIT, None
    yield "traces", "", "free_value", traces.free_traces, traces.free_value, _CREDIT, None


def _money_rows(answer: MonthReportAnswer) -> Iterator[_Row]:
    for money in answer.money:
        for line, amount in money:
            if isinstance(amount, MoneyAmount):
                decimal = money_decimal(money.currency, amount.minor)
                yield "money", money.provider, line, None, decimal, money.currency, amount.minor


def _liability(liability: Liability) -> LiabilityAnswer:
    return LiabilityAnswer(
        total=format_nanos(liability.total),
        held=format_nanos(liability.held),
        owed=format_nanos(liability.owed),
        accounts_holding=liability.accounts_holding,
        accounts_owing=liability.accounts_owing,
    )


def _total(usages: tuple[ModelProvider, ...]) -> ModelProvider:
    counts = ((usage.requests, usage.revenue, usage.cost) for usage in usages)
    return ModelProvider("", *map(sum, zip((0, 0, 0), *counts, strict=True)))


def _margin(usage: ModelProvider) -> ProviderMargin:
    amounts = {name: format_nanos(getattr(usage, name)) for name in ("revenue", "cost", "margin")}
    return ProviderMargin(requests=usage.requests, **amounts)


def _traces(traces: Traces) -> TracesReport:
    return TracesReport(
        traces=traces.traces,
        free_traces=traces.free,
        revenue=format_nanos(traces.revenue),
        free_value=format_nanos(traces.free_value),
    )


def _money(account: ProviderMoney) -> MoneyReport:
    amounts = {"opening": account.opening, **account.lines, "closing": account.closing, **account.taxes}
    shown = {
        line: MoneyAmount(minor=minor, text=full_money_text(account.currency, minor)) for line, minor in amounts.items()
    }
    return MoneyReport(provider=account.provider, currency=account.currency, **shown)
