"""Writes one folded batch into the views, in the caller's transaction: all of it or nothing."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from ledger.core.account import Account, CreditedPurchase, Policy, TopUps
from ledger.core.calendar import day_of
from ledger.core.entry import Entry
from ledger.log.continuity import Folded
from ledger.postgres.types import Connection
from ledger.sql import statements
from ledger.views.arrays import integers, texts
from ledger.views.copy_lines import UsageValues, copy_texts, other_line, usage_line, usage_values
from schemas.events import TraceRecorded, Usage, UsageAccepted, UsageRecorded
from schemas.states import RecordOutcome

SQL = statements("ledger.views", "writing.sql")

# Account, days since 1970, provider, model, API key or "".
Day = tuple[str, int, str, str, str]


@dataclasses.dataclass(slots=True)
class DaySums:
    """What the entries of one `Day` add up to; the fields are parameters of the statement `add_usage_days`."""

    firsts: int
    lasts: int
    requests: int = 0
    inputs: int = 0
    outputs: int = 0
    read: int = 0
    written: int = 0
    traces: int = 0
    free: int = 0
    costs: int = 0
    charges: int = 0


_SUM_NAMES = tuple(field.name for field in dataclasses.fields(DaySums))
_SUMS_OF = attrgetter(*_SUM_NAMES)


class EntryWriter:
    """Entries of one partition on their way into the views: collected as lines and sums, written in one go."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._usage: list[str] = []
        self._others: list[str] = []
        self._days: dict[Day, DaySums] = {}

    def add(self, entry: Entry, offset: int) -> None:
        """Adds an entry, which comes from this offset."""
        event = entry.fact.event
        if isinstance(event, UsageRecorded):
            usage = usage_values(event)
            self._usage.append(usage_line(entry, usage, self._partition, offset))
            self._add_to_day(entry, event.subject, usage)
        else:
            self._others.append(other_line(entry, self._partition, offset))
            if isinstance(event, TraceRecorded):
                self._add_traces_to_day(entry, event.data.count)
            elif isinstance(event, UsageAccepted):
                self._add_charge_to_day(entry, event.data.usage)

    def write_entries(self, connection: Connection) -> None:
        """Appends the entries: COPY, optimistic. Raises UniqueViolation when one of them is there already."""
        for statement, lines in (("copy_usage", self._usage), ("copy_others", self._others)):
            if lines:
                with connection.cursor().copy(SQL[statement]) as copy:
                    for text in copy_texts(lines):
                        copy.write(text)

    def write_days(self, connection: Connection) -> None:
        """Adds usage to the days, models and keys that it belongs to, and traces to their days."""
        if self._days:
            connection.execute(SQL["add_usage_days"], _columns(sorted(self._days.items(), key=itemgetter(0))))

    def _add_to_day(self, entry: Entry, account_id: str, usage: UsageValues) -> None:
        _, log_time_ms, seq, amount, _, cost, *_ = entry
        _, provider, model, _, input_, output, units, _, _, _, _, key, _, _ = usage
        read = int(units.get("cache_read_tokens", 0)) if units else 0
        written = int(units.get("cache_write_tokens", 0)) if units else 0
        day = (account_id, day_of(log_time_ms), provider, model, key or "")
        sums = self._days.get(day)
        if sums is None:  # most days of a batch have one entry; all values at once, by position, cost least
            self._days[day] = DaySums(seq, seq, 1, input_, output, read, written, 0, 0, cost, -amount)
            return
        sums.lasts = seq
        sums.requests += 1
        sums.inputs += input_
        sums.outputs += output
        sums.read += read
        sums.written += written
        sums.costs += cost
        sums.charges -= amount

    def _add_charge_to_day(self, entry: Entry, usage: Usage) -> None:
        """The charge of usage whose tokens were counted when it was kept aside."""
        sums = self._sums_of(entry, usage.provider, usage.model, usage.api_key_id or "")
        sums.costs += entry.cost
        sums.charges -= entry.amount

    def _add_traces_to_day(self, entry: Entry, count: int) -> None:
        sums = self._sums_of(entry, "", "", "")
        sums.traces += count
        sums.free += entry.free_traces
        sums.charges -= entry.amount

    def _sums_of(self, entry: Entry, provider: str, model: str, key: str) -> DaySums:
        """The sums that an entry belongs to, which it is the last one of."""
        day = (entry.fact.event.subject, day_of(entry.log_time_ms), provider, model, key)
        sums = self._days.get(day)
        if sums is None:
            sums = self._days[day] = DaySums(entry.seq, entry.seq)
        sums.lasts = entry.seq
        return sums


def write_quarantine(
    connection: Connection, kept_aside: Iterable[Mapping[str, Any]], decided: Iterable[Mapping[str, Any]]
) -> None:
    """Adds usage that was kept aside, then notes what was decided about such usage."""
    for statement, rows in (("add_quarantine", list(kept_aside)), ("decide_quarantine", list(decided))):
        if rows:
            connection.cursor().executemany(SQL[statement], rows)


def write_balances(connection: Connection, partition: int, accounts: Sequence[Account]) -> None:
    """Sets the balances of accounts."""
    connection.execute(
        SQL["put_balances"],
        {
            "partition": partition,
            "accounts": texts(account.account_id for account in accounts),
            "balances": integers(account.balance for account in accounts),
            "seqs": integers(account.seq for account in accounts),
            "log_times": integers(account.log_time_ms for account in accounts),
            "levels": texts(account.level for account in accounts),
        },
    )


def write_accounts(connection: Connection, partition: int, accounts: Iterable[Account]) -> None:
    """Sets everything but the balance of accounts, and the purchases that they carry."""
    rows = [_account_row(account, partition) for account in accounts]
    if rows:
        connection.cursor().executemany(SQL["put_account"], rows)


def write_purchases(connection: Connection, accounts: Iterable[Account]) -> None:
    """Sets the purchases that accounts carry, loaded or new."""
    rows = [
        {"account_id": account.account_id, **purchase._asdict()}
        for account in accounts
        for purchase in account.purchases.values()
    ]
    if rows:
        connection.cursor().executemany(SQL["put_purchase"], rows)


def _columns(days: list[tuple[Day, DaySums]]) -> dict[str, str]:
    accounts, numbers, *names = zip(*(day for day, _ in days), strict=True)
    columns = {"accounts": texts(accounts), "days": integers(numbers)}
    columns |= {name: texts(column) for name, column in zip(("providers", "models", "keys"), names, strict=True)}
    values = zip(*(_SUMS_OF(sums) for _, sums in days), strict=True)
    return columns | {name: integers(column) for name, column in zip(_SUM_NAMES, values, strict=True)}


def write_record_counts(
    connection: Connection, partition: int, record_counts: Mapping[tuple[str, RecordOutcome], int]
) -> None:
    """Adds to the outcomes of the partition's records."""
    rows = [
        {"partition": partition, "type": kind, "outcome": outcome, "records": records}
        for (kind, outcome), records in record_counts.items()
    ]
    connection.cursor().executemany(SQL["add_record_count"], rows)


def folded_positions(connection: Connection) -> dict[int, Folded]:
    """Per partition the next offset and the last record that was folded; without partitions that no projector began."""
    return {number: Folded(*rest) for number, *rest in connection.execute(SQL["folded"])}


def load_accounts(connection: Connection, account_ids: Sequence[str]) -> dict[str, Account]:
    """The state of those of the accounts that have one, without their purchases."""
    rows = connection.execute(SQL["load_accounts"], {"accounts": account_ids}).fetchall()
    return {row[0]: _account_of(row) for row in rows}


def load_purchases(connection: Connection, named: Sequence[tuple[str, str]]) -> dict[str, dict[str, CreditedPurchase]]:
    """Of the (account, purchase) pairs those that exist, by account."""
    found: dict[str, dict[str, CreditedPurchase]] = {}
    parameters = {"accounts": [account for account, _ in named], "purchases": [purchase for _, purchase in named]}
    for account_id, *fields in connection.execute(SQL["load_purchases"], parameters):
        purchase = CreditedPurchase(*fields)
        found.setdefault(account_id, {})[purchase.purchase_id] = purchase
    return found


def find_posted(connection: Connection, event_ids: Sequence[str]) -> dict[tuple[str, bool, str], str]:
    """The content of the facts that have an entry, by identity."""
    if not event_ids:
        return {}
    rows = connection.execute(SQL["find_posted"], {"ids": event_ids}).fetchall()
    return {(account_id, signed, event_id): content for account_id, signed, event_id, content in rows}


def _account_of(row: tuple[Any, ...]) -> Account:
    account_id, balance, seq, log_time_ms, level, package, opened, month, month_traces, *rest = row
    policy = Policy(*rest[:8]) if rest[0] is not None else None
    machine = TopUps(policy, *rest[8:])
    return Account(account_id, balance, seq, log_time_ms, level, package, opened, month, month_traces, machine)


def _account_row(account: Account, partition: int) -> dict[str, Any]:
    machine = account.top_ups
    policy = machine.policy._asdict() if machine.policy else dict.fromkeys(Policy._fields)
    return {
        **policy,
        "account_id": account.account_id,
        "partition": partition,
        "package": account.package,
        "opened": account.opened,
        "month": account.month,
        "month_traces": account.month_traces,
        "state": machine.state,
        "trigger_id": machine.trigger_id,
        "trigger_credits": machine.credits,
        "reason": machine.reason,
        "day": machine.day,
        "day_spent": machine.day_spent,
        "spent_month": machine.month,
        "month_spent": machine.month_spent,
        "open_disputes": machine.open_disputes,
        "since_seq": machine.since_seq,
    }
