"""Holds in Postgres: stored, extended, released and expired; each step is one transaction.

Locks are taken in one order everywhere: the rows of `held_accounts`, sorted, then `holds`. A step that changes a
hold has locked its account, so that the steps of one account run one after the other and see each other's changes.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.core.errors import LedgerError
from ledger.core.holds import is_over
from ledger.core.spending import Ask, granted
from ledger.postgres.types import AsyncConnection
from ledger.sql import statements
from schemas.events import Mode
from schemas.states import HoldState

SQL = statements("ledger.gate", "holds.sql")


class HoldConflict(LedgerError):
    message = "This Idempotency-Key was used for another request"


class HoldUnknown(LedgerError):
    message = "There is no such authorization"


class HoldClosed(LedgerError):
    message = "The authorization has ended"


class ProjectionBehind(LedgerError):
    message = "The account's balance is not known well enough to promise any of it: its projection is behind"


class NewHold(NamedTuple):
    """A hold that a request asks for.

    `call`: the call's input tokens, attributes and `own_key` as JSON, if the price of more output depends on them.
    `request_hash`: of a request whose Idempotency-Key made its id. `affordable`: how many output tokens an amount of
    nanos pays for; None for a request that names no call.
    """

    hold_id: str
    account_id: str
    ask: Ask
    expires_at: datetime
    provider: str | None = None
    model: str | None = None
    mode: Mode | None = None
    max_output_tokens: int | None = None
    call: str | None = None
    api_key_id: str | None = None
    request_hash: str | None = None
    affordable: Callable[[int], int] | None = None

    def output_tokens(self, grant: int) -> int | None:
        """The output that a grant pays for: what was asked for, or less when less was granted."""
        if self.affordable is None or grant == self.ask.wanted:
            return self.max_output_tokens
        return self.affordable(grant)


class Hold(NamedTuple):
    """A stored hold; `amount` in nanos."""

    hold_id: str
    account_id: str
    amount: int
    state: HoldState
    expires_at: datetime
    provider: str | None
    model: str | None
    mode: Mode | None
    max_output_tokens: int | None
    call: str | None
    request_hash: str | None

    def ended(self, now: datetime) -> HoldState | None:
        """How it has ended; None while it promises its credits. One that is over may still wait to be expired."""
        if self.state == "open":
            return "expired" if is_over(self.expires_at, now) else None
        return self.state


class Funds(NamedTuple):
    """The funds of an account in nanos, the age of its projection, and the state of its auto top-up.

    The partition of an account without events is unknown: it counts as old as the oldest partition.
    """

    account_id: str
    balance: int
    held: int
    behind_seconds: float
    top_up_enabled: bool
    top_up_threshold: int | None
    top_up_state: str | None
    top_up_since: int
    top_up_disputes: int

    @property
    def available(self) -> int:
        """What new holds may take."""
        return self.balance - self.held


class Decision(NamedTuple):
    """`hold` None: refused. `funds`: as they are after it. `repeated`: the hold was there before this request."""

    hold: Hold | None
    funds: Funds
    repeated: bool = False


HoldOutcome = Decision | LedgerError | None


async def find(connection: AsyncConnection, hold_ids: Collection[str]) -> dict[str, Hold]:
    """Those of the holds that exist, by id."""
    rows = await (await connection.execute(SQL["find_holds"], {"ids": list(hold_ids)})).fetchall()
    return {row[0]: Hold(*row) for row in rows}


class Extended(NamedTuple):
    """What became of an extension: the hold as it is now, or None when the funds have ended."""

    hold: Hold | None
    funds: Funds


async def extend(
    connection: AsyncConnection,
    hold: Hold,
    amount: int,
    output_tokens: int | None,
    until: datetime,
    stale_seconds: float,
) -> Extended:
    """Adds to an open hold, all or nothing; an `amount` of 0 only renews it. Raises HoldClosed or ProjectionBehind."""
    async with connection.transaction():
        found = await connection.execute(SQL["locked_funds"], {"accounts": [hold.account_id], "wait": True})
        row = await found.fetchone()
        assert row, "the account of a hold has a row"
        funds = Funds(*row)
        now = (await find(connection, [hold.hold_id]))[hold.hold_id]
        ended = now.ended(datetime.now(UTC))
        if ended:
            raise HoldClosed(ended)
        if amount and funds.behind_seconds > stale_seconds:  # a renewal promises nothing that isn't promised already
            raise ProjectionBehind(f"{funds.behind_seconds:.0f} s")
        grant = granted(funds.available, Ask(amount, amount))
        if grant is None:
            return Extended(None, funds)
        parameters = {
            "hold_id": hold.hold_id,
            "amount": grant,
            "expires_at": until,
            "max_output_tokens": output_tokens,
        }
        extended = await (await connection.execute(SQL["extend"], parameters)).fetchone()
        assert extended, "it is open, and its account is locked"
        await connection.execute(SQL["add_held"], {"account_id": hold.account_id, "amount": grant})
    amount, expires_at, max_output_tokens = extended
    after = now._replace(amount=amount, expires_at=expires_at, max_output_tokens=max_output_tokens)
    return Extended(after, funds._replace(held=funds.held + grant))


async def close(connection: AsyncConnection, holds: Sequence[tuple[str, str]], state: HoldState) -> set[str]:
    """Ends those of the holds (id, account) that are open, in one transaction; returns their ids."""
    accounts = sorted({account_id for _, account_id in holds})
    async with connection.transaction():
        lock = await connection.execute(SQL["lock"], {"accounts": accounts})
        locked = [account_id for (account_id,) in await lock.fetchall()]
        parameters = {"ids": [hold_id for hold_id, _ in holds], "accounts": locked, "state": state}
        rows = await (await connection.execute(SQL["close"], parameters)).fetchall()
    return {hold_id for (hold_id,) in rows}
