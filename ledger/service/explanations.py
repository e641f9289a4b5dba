"""A charge as its arithmetic: recomputed by the version of the book that the entry names, and compared with it."""

from ledger.core.book import Version
from ledger.core.book_versions import Book
from ledger.log.book import BookEmpty
from ledger.reports.charge_explanation import price_lines
from ledger.views.history import HistoryLine
from schemas.events import Usage
from schemas.http import ChargeLine, Explanation
from schemas.money import format_attos, format_nanos

_MILLION = 10**6
_TOKENS = (
    *("request_id", "provider", "model", "mode"),
    *("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "provider_cost"),
)


def explanation_of(line: HistoryLine, book: Book) -> Explanation | None:
    """Why the entry has its amount; None for what is no charge. Raises BookEmpty while the book is not read yet."""
    if line.type not in ("usage.recorded", "trace.recorded"):
        return None
    if len(book.versions) < line.book_version:
        raise BookEmpty()
    version = book.versions[line.book_version - 1]
    return _usage(line, version) if line.type == "usage.recorded" else _traces(line, version)


def _usage(line: HistoryLine, version: Version) -> Explanation:
    usage = Usage.model_validate({name: getattr(line, name) for name in _TOKENS})
    lines = [
        ChargeLine(
            item=priced.item,
            quantity=priced.tokens,
            price=format_attos(priced.attos_per_token * _MILLION),
            cost=format_attos(priced.attos),
        )
        for priced in price_lines(usage, version)
    ]
    return Explanation(
        priced_by="book" if usage.provider_cost is None else "provider_cost",
        lines=lines,
        cost=format_nanos(line.cost),
        markup_rate=format_attos(version.markups[usage.mode]),
        markup=format_nanos(-line.amount - line.cost),
        charge=format_nanos(-line.amount),
    )


def _traces(line: HistoryLine, version: Version) -> Explanation:
    count = int((line.data or {})["count"]) - (line.free_traces or 0)
    price = version.trace_price_attos
    charged = ChargeLine(item="trace", quantity=count, price=format_attos(price), cost=format_attos(count * price))
    return Explanation(
        priced_by="book",
        lines=[charged] if count else [],
        cost=format_nanos(line.cost),
        markup=format_nanos(-line.amount - line.cost),
        charge=format_nanos(-line.amount),
    )
