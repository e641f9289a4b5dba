"""A charge as its arithmetic: recomputed by the version of the book that the entry names, and compared with it."""

from ledger.core.book import Version
from ledger.core.book_versions import Book
from ledger.core.calendar import ms_of
from ledger.core.errors import CountsDoNotNest, Unpriced
from ledger.core.rating import exact_cost, is_kept_aside, miscounted
from ledger.log.book import BookEmpty
from ledger.reports.charge_explanation import PriceLine, attos_text, price_lines, threshold_text, variant_text
from ledger.views.history import HistoryLine
from schemas.events import Usage
from schemas.http import ChargeLine, Explanation
from schemas.money import format_attos, format_nanos, parse_attos

_FIELDS = (
    *("request_id", "provider", "model", "mode", "input_tokens", "output_tokens"),
    *("units", "attributes", "provider_cost", "extra_cost", "own_key"),
)


def explanation_of(line: HistoryLine, book: Book) -> Explanation | None:
    """Why the entry has its amount; None for what is no charge. Raises BookEmpty while the book is not read yet."""
    if line.type not in ("usage.recorded", "usage.accepted", "trace.recorded"):
        return None
    if len(book.versions) < line.book_version:
        raise BookEmpty()
    version = book.versions[line.book_version - 1]
    return _traces(line, version) if line.type == "trace.recorded" else _usage(line, version)


def _usage(line: HistoryLine, version: Version) -> Explanation:
    usage = _usage_of(line)
    lines, notes = _book_lines(usage, version, line)
    if line.type == "usage.recorded" and is_kept_aside(usage, version, ms_of(line.log_time), line.occurred_at):
        notes.append("This charge is not plausible, so the usage was kept aside; an operator accepts or drops it")
    book_cost = None if lines is None else format_attos(sum(parse_attos(each.cost) for each in lines))
    found = version.prices.find(usage.provider, usage.model)
    return Explanation(
        priced_by="book" if usage.provider_cost is None else "provider_cost",
        priced_as=f"{found.wire.provider}/{found.wire.model}" if found else None,
        lines=lines or [],
        book_cost=book_cost,
        call_cost=attos_text(*exact_cost(usage, version, ms_of(line.log_time), line.occurred_at)),
        provider_cost=usage.provider_cost,
        extra_cost=usage.extra_cost,
        difference=_difference(usage.provider_cost, book_cost),
        cost=format_nanos(line.cost),
        own_key_fee=format_attos(version.own_key_fee_attos) if usage.own_key else None,
        markup_rate=None if usage.own_key else format_attos(version.markups[usage.mode]),
        markup=format_nanos(-line.amount - line.cost),
        charge=format_nanos(-line.amount),
        notes=notes,
    )


def _usage_of(line: HistoryLine) -> Usage:
    if line.type == "usage.accepted":
        return Usage.model_validate((line.data or {})["usage"])
    return Usage.model_validate({name: getattr(line, name) for name in _FIELDS})


def _book_lines(usage: Usage, version: Version, line: HistoryLine) -> tuple[list[ChargeLine] | None, list[str]]:
    """The lines by the book, None if it can't price the call; and notes on what does not fit."""
    try:
        priced = price_lines(usage, version, ms_of(line.log_time), line.occurred_at)
    except Unpriced as error:  # the event brought its own cost, or it would have no entry
        broken = miscounted(usage)
        return None, [f"The book has no price: {error.detail}", *([broken] if broken else [])]
    except CountsDoNotNest as error:  # as above
        return None, [error.reason]
    return [_line(each) for each in priced], []


def _difference(provider_cost: str | None, book_cost: str | None) -> str | None:
    if provider_cost is None or book_cost is None:
        return None
    attos = parse_attos(provider_cost) - parse_attos(book_cost)
    return f"{'-' if attos < 0 else ''}{format_attos(abs(attos))}"


def _line(priced: PriceLine) -> ChargeLine:
    threshold, variant = priced.priced.threshold, priced.priced.variant
    return ChargeLine(
        item=priced.unit,
        quantity=priced.quantity,
        price=priced.priced.price,
        per=priced.per,
        threshold=threshold_text(threshold) if threshold else None,
        variant=variant_text(variant) if variant else None,
        cost=priced.cost,
    )


def _traces(line: HistoryLine, version: Version) -> Explanation:
    count = int((line.data or {})["count"]) - (line.free_traces or 0)
    price = version.trace_price_attos
    charged = ChargeLine(
        item="trace", quantity=str(count), price=format_attos(price), per=1, cost=format_attos(count * price)
    )
    return Explanation(
        priced_by="book",
        lines=[charged] if count else [],
        call_cost=format_nanos(line.cost),
        cost=format_nanos(line.cost),
        markup=format_nanos(-line.amount - line.cost),
        charge=format_nanos(-line.amount),
    )
