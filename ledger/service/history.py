"""The history of an account: its transactions with filters, usage summed up, and one charge explained."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from uuid import UUID

from ledger.core.activity import ACTIVITY, CHECKOUT, PURCHASES, event_types, purchase_kind
from ledger.core.errors import LedgerError
from ledger.service.caller import AccountUnknown, Caller
from ledger.service.cursors import place_cursor, place_of, split
from ledger.service.explanations import explanation_of
from ledger.service.resources import Resources
from ledger.service.transactions import (
    AmbiguousTransaction,
    TransactionUnknown,
    transaction_fields,
    transaction_of,
)
from ledger.views.accounts import balance
from ledger.views.history import BEGINNING, END, HistoryFilter, HistoryLine, HistoryPosition, entries, history
from ledger.views.usage import Group, usage_summary
from schemas.http import ExplainedTransaction, Page, Transaction, UsageGroup
from schemas.money import format_nanos

View = Literal["activity", "purchases"]
_DAYS_MAX = 366
# Small enough that other requests don't wait for one page of an export to be written out.
_EXPORTED_AT_ONCE = 500


class UnknownTransactionType(LedgerError):
    message = "The view has no such type of transaction"


class RangeTooLong(LedgerError):
    message = "A summary covers 366 days at most, and `from` comes before `to`"


def filters(
    view: View,
    transaction_type: str | None = None,
    model: str | None = None,
    api_key_id: str | None = None,
    since: datetime = BEGINNING,
    until: datetime = END,
) -> HistoryFilter:
    """Which lines are asked for. `since`, `until`: times of the log, the second one not included.

    Raises UnknownTransactionType.
    """
    if transaction_type is not None and transaction_type not in types_of(view):
        raise UnknownTransactionType(field="type")
    if view == "purchases":
        kind = purchase_kind(transaction_type) if transaction_type else None
        return HistoryFilter(event_types(CHECKOUT), kind, model, api_key_id, since, HistoryPosition(until, 0))
    return HistoryFilter(event_types(transaction_type), None, model, api_key_id, since, HistoryPosition(until, 0))


def types_of(view: View) -> list[str]:
    """The types of transaction that a view has."""
    return list(dict.fromkeys((PURCHASES if view == "purchases" else ACTIVITY).values()))


async def list_transactions(
    resources: Resources,
    caller: Caller,
    account_id: str,
    wanted: HistoryFilter,
    view: View,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Transaction]:
    """A page of the history, newest first. Raises AccountUnknown, InvalidCursor."""
    lines, older = await page_of_lines(resources, caller, account_id, after_cursor(wanted, cursor), limit)
    return Page(data=[transaction_of(line, purchases_view=view == "purchases") for line in lines], next_cursor=older)


async def page_of_lines(
    resources: Resources, caller: Caller, account_id: str, wanted: HistoryFilter, limit: int
) -> tuple[Sequence[HistoryLine], str | None]:
    """A page of the history as lines of the views, and the cursor of the next page. Raises AccountUnknown."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        rows = await history(connection, account_id, wanted, limit + 1)
        if not rows and await balance(connection, account_id) is None:
            raise AccountUnknown(account_id, field="account_id")
    lines, last = split(rows, limit)
    return lines, place_cursor(last.place) if last else None


async def recent_lines(resources: Resources, caller: Caller, account_id: str, limit: int) -> Sequence[HistoryLine]:
    """The last lines of an account's activity, newest first."""
    lines, _ = await page_of_lines(resources, caller, account_id, filters("activity"), limit)
    return lines


def after_cursor(wanted: HistoryFilter, cursor: str | None) -> HistoryFilter:
    """The filters with the place where the previous page ended. Raises InvalidCursor."""
    return wanted._replace(before=min(wanted.before, place_of(cursor))) if cursor else wanted


async def export_lines(
    resources: Resources, caller: Caller, account_id: str, wanted: HistoryFilter
) -> AsyncIterator[Sequence[HistoryLine]]:
    """The whole history in pages, newest first, in bounded memory. Raises AccountUnknown before the first page.

    Between two pages it holds neither a transaction nor a connection. Still all pages show one state of the history:
    lines never change, and new lines come before the first page.
    """
    caller.reach(account_id)
    first = await _page(resources, account_id, wanted)
    if not first:
        async with resources.pool.connection() as connection:
            if await balance(connection, account_id) is None:
                raise AccountUnknown(account_id, field="account_id")
    return _pages(resources, account_id, wanted, first)


async def _pages(
    resources: Resources, account_id: str, wanted: HistoryFilter, lines: Sequence[HistoryLine]
) -> AsyncIterator[Sequence[HistoryLine]]:
    while lines:
        yield lines
        if len(lines) < _EXPORTED_AT_ONCE:
            break
        lines = await _page(resources, account_id, wanted._replace(before=lines[-1].place))


async def _page(resources: Resources, account_id: str, wanted: HistoryFilter) -> Sequence[HistoryLine]:
    async with resources.pool.connection() as connection:
        return await history(connection, account_id, wanted, _EXPORTED_AT_ONCE)


async def explain_transaction(
    resources: Resources, caller: Caller, event_id: UUID, account_id: str | None = None, signed: bool | None = None
) -> ExplainedTransaction:
    """One charge explained: tokens, price lines, cost, markup, version of the book, place on the log.

    `account_id`, `signed` choose where several transactions have this id. Raises TransactionUnknown,
    AmbiguousTransaction.
    """
    async with resources.pool.connection() as connection:
        found = await entries(connection, str(event_id), caller.account_id or account_id, signed)
    if not found or (account_id and found[0].account_id != account_id):
        raise TransactionUnknown(str(event_id), field="event_id")
    if len(found) > 1:
        raise AmbiguousTransaction(field="account_id" if found[0].account_id != found[1].account_id else "signed")
    line = found[0]
    return ExplainedTransaction(
        **transaction_fields(line),
        seq=line.seq,
        book_version=line.book_version,
        rules=line.rules,
        partition=line.partition,
        offset=line.log_offset,
        source=line.source,
        explanation=explanation_of(line, resources.book.last),
        data=line.data,
    )


async def summarize_usage(
    resources: Resources,
    caller: Caller,
    account_id: str,
    since: date | None = None,
    until: date | None = None,
    by: Collection[str] = ("day", "model", "api_key"),
) -> Page[UsageGroup]:
    """Requests, tokens, cost and charge by UTC day of the log, model and API key; newest first.

    `until`: the day after the last, tomorrow if None; `since`: 30 days before it if None. Raises RangeTooLong.
    """
    caller.reach(account_id)
    end = until or datetime.now(UTC).date() + timedelta(days=1)
    begin = since or end - timedelta(days=30)
    if not 0 < (end - begin).days <= _DAYS_MAX:
        raise RangeTooLong(field="from")
    groups = await usage_groups(resources, caller, account_id, begin, end, by)
    return Page(data=[_usage_group(group) for group in groups])


async def usage_groups(
    resources: Resources, caller: Caller, account_id: str, since: date, until: date, by: Collection[str]
) -> Sequence[Group]:
    """Usage as groups of the views, amounts in nanos. `until`: the day after the last one. Raises AccountUnknown."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        groups = await usage_summary(connection, account_id, since, until, frozenset(by))
        if not groups and await balance(connection, account_id) is None:
            raise AccountUnknown(account_id, field="account_id")
    return groups


def _usage_group(group: Group) -> UsageGroup:
    amounts = {"cost": group.cost, "markup": group.charge - group.cost, "charge": group.charge}
    return UsageGroup(**group._asdict() | {name: format_nanos(nanos) for name, nanos in amounts.items()})
