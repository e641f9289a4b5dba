"""Invariants as functions that return discrepancies. Property tests and `ledger verify` use them."""

from collections import defaultdict
from collections.abc import Iterable

from ledger.core.account import Account
from ledger.core.entry import Entry
from ledger.core.postings import postings_of


def unbalanced_postings(entries: Iterable[Entry]) -> list[str]:
    """Entries whose postings don't sum to zero in every unit."""
    found = []
    for entry in entries:
        sums: dict[str, int] = defaultdict(int)
        for posting in postings_of(entry):
            sums[posting.unit] += posting.amount
        found += [f"{entry.fact.event_id}: {total} {unit}" for unit, total in sums.items() if total]
    return found


def broken_history(account: Account, entries: Iterable[Entry]) -> list[str]:
    """Entries that don't count up by one, that are earlier than the one before, or that don't add up to the balance."""
    found, balance, seq, log_time_ms = [], 0, 0, 0
    for entry in entries:
        balance, seq = balance + entry.amount, seq + 1
        if entry.seq != seq:
            found.append(f"entry {entry.seq} is in the place of {seq}")
        if entry.balance_after != balance:
            found.append(f"entry {seq}: balance {entry.balance_after}, the entries add up to {balance}")
        if entry.log_time_ms < log_time_ms:
            found.append(f"entry {seq} is earlier than the one before it")
        log_time_ms = entry.log_time_ms
    if (account.balance, account.seq) != (balance, seq):
        found.append(
            f"the account has {account.balance} after {account.seq}, its entries add up to {balance} after {seq}"
        )
    return found
