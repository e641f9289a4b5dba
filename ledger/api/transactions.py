"""The history of an account, as a list with filters, and one charge explained to the last digit."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from ledger.api.accounts import AccountPath, Reader
from ledger.api.parameters import Cursor, Limit, Time
from ledger.core.activity import ACTIVITY, CHECKOUT, PURCHASES, event_types, purchase_kind
from ledger.core.errors import LedgerError
from ledger.service.caller import AccountUnknown
from ledger.service.cursors import place_cursor, place_of, split
from ledger.service.explanations import explanation_of
from ledger.service.transactions import AmbiguousTransaction, TransactionUnknown, transaction_fields, transaction_of
from ledger.views.accounts import balance
from ledger.views.history import BEGINNING, END, Place, Wanted, entries, history
from ledger.web.dependencies import ResourcesOf
from schemas.fields import AccountId, Token
from schemas.http import ExplainedTransaction, Page, Transaction

router = APIRouter(prefix="/v1", tags=["transactions"])
View = Literal["activity", "purchases"]


class UnknownTransactionType(LedgerError):
    message = "The view has no such type of transaction"


async def filtered(
    view: Annotated[View, Query(description="`purchases`: purchases of credits only.")] = "activity",
    type_: Annotated[
        str | None,
        Query(alias="type", description="activity: checkout, deduction, manual; purchases: Purchase, Auto Top-up."),
    ] = None,
    model: Token | None = None,
    api_key_id: Token | None = None,
    from_: Annotated[Time, Query(alias="from", description="From this moment of the log on.")] = BEGINNING,
    to: Annotated[Time, Query(description="Up to, not including, this moment of the log.")] = END,
) -> Wanted:
    """What the filters of a request ask for."""
    if type_ is not None and type_ not in (PURCHASES if view == "purchases" else ACTIVITY).values():
        raise UnknownTransactionType(field="type")
    if view == "purchases":
        kind = purchase_kind(type_) if type_ else None
        return Wanted(event_types(CHECKOUT), kind, model, api_key_id, from_, Place(to, 0))
    return Wanted(event_types(type_), None, model, api_key_id, from_, Place(to, 0))


async def _wanted(wanted: Annotated[Wanted, Depends(filtered)], cursor: Cursor = None) -> Wanted:
    """The same, from where the page before ended."""
    return wanted._replace(before=min(wanted.before, place_of(cursor))) if cursor else wanted


@router.get("/accounts/{account_id}/transactions")
async def list_transactions(
    account_id: AccountPath,
    resources: ResourcesOf,
    caller: Reader,
    wanted: Annotated[Wanted, Depends(_wanted)],
    view: View = "activity",
    limit: Limit = 50,
) -> Page[Transaction]:
    """Every transaction, newest first: what came in, what was deducted, and by hand."""
    caller.reach(account_id)
    async with resources.pool.connection() as connection:
        rows = await history(connection, account_id, wanted, limit + 1)
        if not rows and await balance(connection, account_id) is None:
            raise AccountUnknown(account_id, field="account_id")
    lines, last = split(rows, limit)
    return Page(
        data=[transaction_of(line, purchases_view=view == "purchases") for line in lines],
        next_cursor=place_cursor(last.place) if last else None,
    )


@router.get("/transactions/{event_id}")
async def explain_transaction(
    event_id: UUID,
    resources: ResourcesOf,
    caller: Reader,
    account_id: Annotated[AccountId | None, Query(description="Chooses when several accounts have this id.")] = None,
    signed: Annotated[bool | None, Query(description="Chooses between a router's event and ours.")] = None,
) -> ExplainedTransaction:
    """One charge explained: tokens, price lines, cost, markup, version of the book, place on the log."""
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
