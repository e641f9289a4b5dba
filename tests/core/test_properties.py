"""Properties of the fold over random logs: it equals the oracle, it is pure, it is exact, and it charges once."""

import dataclasses
import json
from collections import Counter, defaultdict
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from ledger.core import fold, invariants, rules_1
from ledger.core.account import Account, CreditedPurchase, Policy, TopUps
from ledger.core.book_versions import Book
from ledger.core.entry import Applied, Context
from ledger.core.errors import Refused
from ledger.core.fold import purchase_named
from ledger.core.postings import postings_of

from .folding import Folded, answer_to, bytes_of, effect_in_words, folded, in_credits
from .oracle import Oracle, same_window
from .records import Record, book_of, book_with, event_of
from .strategies import SECOND, Log, logs

RULES_1_OR_2 = st.sampled_from([1, 2])


# What the answer is.


@settings(max_examples=4 * settings.default.max_examples)
@given(logs())
def test_the_fold_says_what_the_oracle_says(log: Log) -> None:
    book, oracle, result = book_of(*log.book), Oracle(log.book), Folded()
    for record in log.records:
        expected, answer = oracle.apply(record), result.apply(record, book)
        if isinstance(answer, Refused):
            assert answer.code in expected.get("refused", ()), record
        else:
            assert _in_words(answer) == expected, record


def _in_words(applied: Applied) -> dict[str, Any]:
    entry = applied.entry
    return {
        "amount": in_credits(entry.amount),
        "cost": in_credits(entry.cost),
        "balance": in_credits(entry.balance_after),
        "free_traces": entry.free_traces,
        "money": entry.money and tuple(entry.money),
        "effects": [effect_in_words(effect) for effect in applied.effects],
    }


@given(logs())
def test_postings_sum_to_zero_in_every_unit(log: Log) -> None:
    entries = [answer.entry for answer in folded(log.records, book_of(*log.book)).applied]
    assert invariants.unbalanced_postings(entries) == []
    trial_balance: Counter[str] = Counter()
    for entry in entries:
        for posting in postings_of(entry):
            trial_balance[posting.unit] += posting.amount
    assert not any(trial_balance.values())


@given(logs())
def test_customer_credits_of_the_postings_are_the_balances(log: Log) -> None:
    result = folded(log.records, book_of(*log.book))
    credits = dict.fromkeys(result.accounts, 0)
    for answer in result.applied:
        for posting in postings_of(answer.entry):
            credits[answer.account.account_id] += posting.amount if posting.account == "customer_credits" else 0
    assert credits == {name: account.balance for name, account in result.accounts.items()}


@given(logs())
def test_a_balance_is_the_sum_of_its_entries_and_seq_counts_up_by_one(log: Log) -> None:
    result = folded(log.records, book_of(*log.book))
    for name, account in result.accounts.items():
        entries = result.entries(name)
        assert invariants.broken_history(account, entries) == []
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert account.balance == sum(entry.amount for entry in entries)


@given(logs())
def test_amounts_stay_within_64_bits(log: Log) -> None:
    for answer in folded(log.records, book_of(*log.book)).applied:
        numbers = [answer.entry.amount, answer.entry.cost, answer.entry.balance_after, *answer.account.top_ups]
        numbers += [number for purchase in answer.account.purchases.values() for number in purchase]
        assert all(abs(number) < 2**63 for number in numbers if isinstance(number, int))


# When and how often it is asked doesn't matter.


@given(logs(), st.integers(1, 7))
def test_batch_boundaries_never_change_anything(log: Log, size: int) -> None:
    book = book_of(*log.book)
    assert bytes_of(_folded_in_batches(log.records, book, size)) == bytes_of(folded(log.records, book))


def _folded_in_batches(records: list[Record], book: Book, size: int) -> Folded:
    """Between batches all state lies in a table, as text; of purchases only what an event names is loaded again."""
    table: dict[str, str] = {}
    purchases: dict[tuple[str, str], str] = {}
    result = Folded()
    for first in range(0, len(records), size):
        result.accounts = {}
        for record in records[first : first + size]:
            _load(record, result.accounts, table, purchases)
            result.apply(record, book)
        for name, account in result.accounts.items():
            table[name] = json.dumps(account._replace(purchases={}))
            purchases |= {(name, each.purchase_id): json.dumps(each) for each in account.purchases.values()}
    result.accounts = {name: _account_of(stored) for name, stored in table.items()}
    for (name, _), stored in purchases.items():
        result.accounts[name] = result.accounts[name].with_purchase(CreditedPurchase(*json.loads(stored)))
    return result


def _load(
    record: Record, accounts: dict[str, Account], table: dict[str, str], purchases: dict[tuple[str, str], str]
) -> None:
    name, purchase_id = record.account, purchase_named(event_of(record))
    if name in table:
        accounts.setdefault(name, _account_of(table[name]))
    if purchase_id and (name, purchase_id) in purchases and purchase_id not in accounts[name].purchases:
        stored = CreditedPurchase(*json.loads(purchases[name, purchase_id]))
        accounts[name] = accounts[name].with_purchase(stored)


def _account_of(stored: str) -> Account:
    account = Account(*json.loads(stored))
    top_ups = TopUps(*account.top_ups)
    policy = None if top_ups.policy is None else Policy(*top_ups.policy)
    return account._replace(top_ups=top_ups._replace(policy=policy))


@given(logs(rules=RULES_1_OR_2))
def test_a_replay_gives_the_bytes_of_the_first_run_whatever_was_changed_since(log: Log) -> None:
    """The first run knew of a book version only after its append, up to 20 s late; the replay has the whole book.

    Prices, markups, packages, levels, bounds, the validity of keys and the rules change in between.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fold.RULES, 2, _rules_2)
        assert bytes_of(_folded_live(log)) == bytes_of(folded(log.records, book_of(*log.book)))


def _folded_live(log: Log) -> Folded:
    book, unread, result, now_ms = Book(), list(log.book), Folded(), log.records[0].append_ms
    for record in log.records:
        now_ms = max(now_ms, record.append_ms)
        while unread and (not book.versions or unread[0].append_ms <= now_ms - 20 * SECOND):
            book = book_with(book, unread.pop(0))
        result.apply(record, book)
    return result


def _rules_2(account: Account, context: Context) -> Applied:
    """Other rules: traces cost twice as much."""
    version = context.version
    dearer = dataclasses.replace(version, trace_price_attos=2 * version.trace_price_attos)
    applied = rules_1.apply(account, context._replace(version=dearer))
    return applied._replace(entry=applied.entry._replace(rules=2))


@given(logs())
def test_apply_is_pure(log: Log) -> None:
    """The same question twice has the same answer, and neither the account nor the book is touched by it."""
    book, untouched, result = book_of(*log.book), book_of(*log.book), Folded()
    for record in log.records:
        account = result.accounts.get(record.account, Account(record.account))
        before = repr(account)
        first, second = answer_to(account, record, book), answer_to(account, record, book)
        assert bytes_of(Folded(answers=[first])) == bytes_of(Folded(answers=[second]))
        assert repr(account) == before
        result.apply(record, book)
    assert book.versions == untouched.versions


@given(logs())
def test_a_refused_record_changes_nothing(log: Log) -> None:
    """A log without the records that were refused folds to the same entries, effects and accounts."""
    book = book_of(*log.book)
    whole = folded(log.records, book)
    accepted = [
        record for record, answer in zip(log.records, whole.answers, strict=True) if isinstance(answer, Applied)
    ]
    assert bytes_of(folded(accepted, book)) == bytes_of(Folded(whole.accounts, list(whole.applied)))


@given(logs())
def test_accounts_do_not_know_of_each_other(log: Log) -> None:
    book = book_of(*log.book)
    whole = folded(log.records, book)
    for name in {record.account for record in log.records}:
        alone = folded([record for record in log.records if record.account == name], book)
        assert alone.accounts.get(name) == whole.accounts.get(name)
        assert alone.entries(name) == whole.entries(name)


# Auto top-up.


@given(logs())
def test_between_a_trigger_and_its_end_there_is_no_other_trigger(log: Log) -> None:
    in_flight: dict[str, str] = {}
    for record, answer in _applied(log):
        if record.type == "credits.purchased" and record.data.get("trigger_id") == in_flight.get(record.account, ""):
            del in_flight[record.account]
        for effect in answer.effects:
            if effect.type == "auto_top_up.suspended":
                assert effect.data.trigger_id == in_flight.pop(record.account)
            if effect.type in ("auto_top_up.triggered", "auto_top_up.skipped"):
                assert record.account not in in_flight
            if effect.type == "auto_top_up.triggered":
                in_flight[record.account] = effect.data.trigger_id


@given(logs())
def test_an_armed_machine_is_never_left_below_its_threshold_without_a_word(log: Log) -> None:
    for record, answer in _applied(log):
        machine, policy = answer.account.top_ups, answer.account.top_ups.policy
        if record.type not in ("usage.recorded", "trace.recorded", "credits.purchased", "auto_top_up.configured"):
            continue
        if policy and policy.enabled and not machine.open_disputes and answer.account.balance < policy.threshold:
            assert machine.state != "armed"
            assert machine.state == "in_flight" or machine.reason


@given(logs())
def test_refunds_disputes_and_adjustments_never_trigger(log: Log) -> None:
    for record, answer in _applied(log):
        if record.type in ("credits.refunded", "dispute.opened", "dispute.closed", "credits.adjusted"):
            assert {effect.type for effect in answer.effects} <= {"balance.level_changed", "usage.quarantined"}


@given(logs())
def test_no_trigger_exceeds_a_cap_of_its_utc_day_or_month(log: Log) -> None:
    bought: dict[str, list[tuple[int, Fraction]]] = defaultdict(list)
    policies: dict[str, dict[str, Any]] = {}
    for record, answer in _applied(log):
        now_ms, name = answer.entry.log_time_ms, record.account
        if record.type == "auto_top_up.configured":
            policies[name] = record.data
        if record.type == "credits.purchased" and record.data["kind"] == "auto_top_up":
            bought[name].append((now_ms, Fraction(record.data["credits"])))
        for effect in answer.effects:
            if effect.type == "auto_top_up.triggered":
                for window in ("day", "month"):
                    spent = sum(credits for at_ms, credits in bought[name] if same_window(window, at_ms, now_ms))
                    cap = policies[name].get(f"cap_{window}") or "inf"
                    assert spent + Fraction(effect.data.credits) <= float(cap)


@given(logs())
def test_effects_have_ids_of_their_own(log: Log) -> None:
    """Also when a router used the id of a money event, and also between kinds."""
    ids = [effect.id for effect in folded(log.records, book_of(*log.book)).effects]
    assert len(ids) == len(set(ids))


@given(logs())
def test_whoever_follows_the_level_changes_knows_the_level(log: Log) -> None:
    levels: dict[str, str] = {}
    for record, answer in _applied(log):
        for effect in answer.effects:
            if effect.type == "balance.level_changed":
                assert effect.data.previous == levels.get(record.account, effect.data.previous)
                assert effect.data.previous != effect.data.level
                levels[record.account] = effect.data.level
        if record.type != "payout.received":
            assert answer.account.level == levels.get(record.account, answer.account.level)


def _applied(log: Log) -> list[tuple[Record, Applied]]:
    """Each accepted record with its answer."""
    answers = folded(log.records, book_of(*log.book)).answers
    return [
        (record, answer) for record, answer in zip(log.records, answers, strict=True) if isinstance(answer, Applied)
    ]


# The strategies are worth something.

EFFECTS = {
    "auto_top_up.triggered",
    "auto_top_up.skipped",
    "auto_top_up.suspended",
    "balance.level_changed",
    "usage.quarantined",
}
REFUSALS = {
    "account_already_opened",
    "amount_is_zero",
    "amount_out_of_bounds",
    "balance_out_of_bounds",
    "counts_do_not_nest",
    "dispute_already_open",
    "exceeds_purchase",
    "key_not_valid",
    "no_open_dispute",
    "purchase_already_credited",
    "top_up_cannot_reach_threshold",
    "purchase_not_in_whole_cents",
    "top_up_exceeds_cap",
    "top_up_too_small",
    "unknown_package",
    "unknown_purchase",
    "unknown_schema_version",
    "unpriced",
    "unsigned",
    "wrong_provider",
    "wrong_purchase_currency",
}


# The same logs in each run, and no more of them than are needed.
REACHING = settings(max_examples=800, derandomize=True, database=None)


def test_random_logs_reach_every_effect_and_every_refusal() -> None:
    seen: Counter[str] = Counter()

    def reaches_all(log: Log) -> bool:
        result = folded(log.records, book_of(*log.book))
        seen.update(answer.code for answer in result.answers if isinstance(answer, Refused))
        seen.update(effect.type for effect in result.effects)
        return seen.keys() >= (EFFECTS | REFUSALS)

    with suppress(NoSuchExample):
        find(logs(), reaches_all, settings=settings(REACHING, phases=[Phase.generate]))
    assert (EFFECTS | REFUSALS) - set(seen) == set()
