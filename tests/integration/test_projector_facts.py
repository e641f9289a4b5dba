"""What is on the log is in the views: every type of event, once, however often it is repeated; units sum to zero."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger.core.account import Account
from ledger.core.entry import Entry, Fact
from ledger.core.fold import apply
from ledger.core.postings import postings_of
from ledger.log.book import BookFollower
from ledger.log.validation import fact_of
from ledger.settings import Settings
from schemas.events import EVENT_TYPES
from schemas.topics import EVENTS
from tests.support.events import Event, Ids, event, policy, purchase, sender, usage
from tests.support.expected import charge
from tests.support.workers import Crew, crew, records_of, wait_until_projected

IDS = Ids(1)
TRIGGER = "00000000-0000-7000-8000-000000000001"
USD = {"currency": "USD", "amount_minor": 1080, "tax_minor": 80}
REFUND = {"purchase_id": "pur_1", "provider_refund_id": "re_1", "credits": "10", "charged": USD}

DECIDED = {
    "event_id": "00000000-0000-7000-8000-000000000002",
    "signed": False,
    "reason_code": "checked",
    "actor_id": "op_1",
}

# Each line: the type, its data, and by how much it moves the balance. Rated by the first book, all in one month.
STORY: list[tuple[str, Event, str]] = [
    ("account.opened", {"package": "free"}, "0"),
    ("credits.purchased", purchase("", "", "100", minor=12_000)["data"], "100"),
    ("usage.recorded", usage("", "", "0.01")["data"], "-0.011"),
    ("usage.recorded", usage("", "", "0.01", mode="tier")["data"], "-0.0108"),
    # 600 × 2.50 + 400 × 1.25 + 100 × 10 per million, + 10 %
    ("usage.recorded", usage("", "", None, units={"cache_read_tokens": 400})["data"], "-0.0033"),
    ("usage.recorded", usage("", "", "0", api_key_id="key_1", metadata={"team": "a\\b ü"})["data"], "0"),
    ("trace.recorded", {"trace_id": "tr_1", "count": 60}, "0"),
    ("trace.recorded", {"trace_id": "tr_2", "count": 60}, "-0.01"),  # 40 of them are free
    ("account.package_changed", {"package": "team"}, "0"),
    ("trace.recorded", {"trace_id": "tr_3", "count": 60}, "0"),
    ("credits.refunded", REFUND, "-10"),
    ("dispute.opened", {"purchase_id": "pur_1", "credits": "20"}, "-20"),
    ("dispute.closed", {"purchase_id": "pur_1", "outcome": "won"}, "20"),
    ("dispute.opened", {"purchase_id": "pur_1", "credits": "5"}, "-5"),
    ("dispute.closed", {"purchase_id": "pur_1", "outcome": "lost"}, "0"),
    ("credits.adjusted", {"amount": "-1.5", "reason_code": "goodwill", "actor_id": "op_1"}, "-1.5"),
    ("auto_top_up.configured", policy("", "", "10", "20")["data"], "0"),
    ("auto_top_up.failed", {"trigger_id": TRIGGER, "reason_code": "card_declined"}, "0"),
    ("auto_top_up.resumed", {"reason_code": "card_changed"}, "0"),
    ("auto_top_up.requested", {"available": "50"}, "0"),
    ("auto_top_up.rechecked", {"window": "day"}, "0"),
    ("invoice.issued", {"number": "INV-1", "purchase_id": "pur_1"}, "0"),
    ("usage.accepted", {**DECIDED, "usage": usage("", "", "0.01", api_key_id="key_1")["data"]}, "-0.011"),
    ("usage.dropped", DECIDED, "0"),
]
PAYOUT = {"provider": "stripe", "payout_id": "po_1", "currency": "USD", "amount_minor": 9000, "fee_minor": 300}
RECOVERY = {"records": 3, "topics": [{"name": "ledger.events", "topic_id": "x3xX"}]}


@pytest.fixture(scope="module")
def members(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with crew(settings, tmp_path_factory.mktemp("workers")) as members:
        members.start()
        yield members


@pytest.fixture(scope="module")
def views(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def story(settings: Settings, members: Crew) -> str:
    """An account that lived through every type of event, and a provider that paid out."""
    with sender(settings) as log:
        log.send(*(event(type, "acct_1", data, IDS()) for type, data, _ in STORY))
        log.send(event("payout.received", "provider:stripe", PAYOUT, IDS()))
        log.send(event("log.recovered", "ledger:log", RECOVERY, IDS()))
    wait_until_projected(settings)
    return "acct_1"


def nanos(credits: str) -> int:
    whole, _, fraction = credits.lstrip("-").partition(".")
    return int(whole + fraction.ljust(9, "0")) * (-1 if credits.startswith("-") else 1)


def balance_of(views: psycopg.Connection[Any], account: str) -> int | None:
    row = views.execute("SELECT balance FROM views.balances WHERE account_id = %s", [account]).fetchone()
    return row[0] if row else None


def entries_of(views: psycopg.Connection[Any], account: str) -> list[Any]:
    query = "SELECT type, amount, balance_after FROM views.entries WHERE account_id = %s ORDER BY seq"
    return views.execute(query, [account]).fetchall()


def outcomes(views: psycopg.Connection[Any]) -> dict[str, int]:
    query = "SELECT outcome, sum(records)::bigint FROM views.record_counts GROUP BY outcome"
    return {"posted": 0, "duplicate": 0, "dead_letter": 0} | dict(views.execute(query).fetchall())


def change(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {outcome: after[outcome] - before[outcome] for outcome in after}


def test_the_story_tells_of_every_type_of_event() -> None:
    assert {type for type, _, _ in STORY} | {"payout.received", "log.recovered"} == set(EVENT_TYPES)


def test_every_event_is_an_entry_that_moves_the_balance_by_its_exact_amount(
    story: str, views: psycopg.Connection[Any]
) -> None:
    balance, lines = 0, []
    for type, _, credits in STORY:
        balance += nanos(credits)
        lines.append((type, nanos(credits), balance))
    assert entries_of(views, story) == lines
    assert balance_of(views, story) == balance == nanos("83.4539")


def test_the_account_has_its_package_its_traces_and_its_policy(story: str, views: psycopg.Connection[Any]) -> None:
    query = """
    SELECT package, opened, month_traces, top_up_enabled, top_up_threshold, top_up_amount, state, open_disputes
    FROM views.accounts WHERE account_id = %s
    """
    wanted = ("team", True, 180, True, nanos("10"), nanos("20"), "armed", 0)
    assert views.execute(query, [story]).fetchone() == wanted


def test_the_purchase_knows_what_became_of_it(story: str, views: psycopg.Connection[Any]) -> None:
    query = """
    SELECT credits, amount_minor, refunded, refunded_minor, disputed, lost, lost_minor
    FROM views.purchases WHERE account_id = %s
    """
    wanted = (nanos("100"), 12_000, nanos("10"), 1080, 0, nanos("5"), 600)
    assert views.execute(query, [story]).fetchall() == [wanted]


def test_the_day_of_usage_sums_calls_tokens_cost_and_charge_by_key(story: str, views: psycopg.Connection[Any]) -> None:
    query = """
    SELECT api_key_id, requests, input_tokens, output_tokens, cache_read_tokens, cost, charge, seq_first, seq_last
    FROM views.usage_days WHERE account_id = %s AND model <> '' ORDER BY api_key_id
    """
    without_key = ("", 3, 3000, 300, 400, nanos("0.023"), nanos("0.0251"), 3, 5)
    key_1 = ("key_1", 1, 1000, 100, 0, nanos("0.01"), nanos("0.011"), 6, 23)  # the accepted call adds its charge alone
    assert views.execute(query, [story]).fetchall() == [without_key, key_1]


def test_the_day_of_traces_sums_all_and_the_free_ones(story: str, views: psycopg.Connection[Any]) -> None:
    query = """
    SELECT provider, api_key_id, requests, traces, free_traces, cost, charge, seq_first, seq_last
    FROM views.usage_days WHERE account_id = %s AND model = ''
    """
    assert views.execute(query, [story]).fetchall() == [("", "", 0, 180, 160, 0, nanos("0.01"), 7, 10)]


def test_what_an_event_said_is_kept_to_the_letter(story: str, views: psycopg.Connection[Any]) -> None:
    row = views.execute("SELECT data FROM views.entries WHERE account_id = %s AND seq = 6", [story]).fetchone()
    assert row == ({"team": "a\\b ü"},)


def test_the_postings_of_every_unit_sum_to_zero(story: str, views: psycopg.Connection[Any]) -> None:
    sums = views.execute("SELECT unit, sum(amount)::bigint FROM views.postings GROUP BY unit ORDER BY unit").fetchall()
    assert sums == [("CREDIT", 0), ("USD", 0)]
    query = "SELECT event_id FROM views.postings GROUP BY event_id, account_id, signed, unit HAVING sum(amount) <> 0"
    assert views.execute(query).fetchall() == []
    query = "SELECT unit, sum(amount)::bigint FROM views.postings WHERE posting_account = %s GROUP BY unit"
    assert views.execute(query, ["customer_credits"]).fetchall() == [("CREDIT", balance_of(views, story))]


def test_the_view_of_postings_says_what_the_core_says(
    story: str, settings: Settings, views: psycopg.Connection[Any]
) -> None:
    said: dict[str, list[tuple[str, str, int]]] = {}
    query = "SELECT event_id::text, posting_account, unit, amount FROM views.postings WHERE account_id = ANY (%s)"
    for event_id, *posting in views.execute(query, [[story, "provider:stripe"]]):
        said.setdefault(event_id, []).append(tuple(posting))
    entries = fold_of(settings, story) + fold_of(settings, "provider:stripe")
    assert {entry.fact.event.type for entry in entries} == set(EVENT_TYPES) - {"log.recovered"}
    for entry in entries:
        assert sorted(said.get(entry.fact.event_id, [])) == sorted(map(tuple, postings_of(entry))), entry


def fold_of(settings: Settings, account_id: str) -> list[Entry]:
    """The core's own fold of an account, from the log and the book."""
    follower = BookFollower(settings)
    try:
        assert follower.wait(30)
        book = follower.book()
    finally:
        follower.close()
    account, entries = Account(account_id), []
    for record in records_of(settings, EVENTS, settings.event_partitions):
        if record.key == account_id.encode():
            fact = fact_of(record, settings.secrets)
            assert isinstance(fact, Fact)
            account, entry, _ = apply(account, fact, record.timestamp, book)
            entries.append(entry)
    return entries


def test_an_event_repeated_in_the_same_fetch_in_a_later_one_and_by_another_producer_is_posted_once(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    wait_until_projected(settings)
    before = outcomes(views)
    events = [usage("acct_twice", IDS(), f"0.0{number + 1}") for number in range(9)]
    with sender(settings) as log:
        log.send(*events, *events, events[0])
    wait_until_projected(settings)
    with sender(settings) as first, sender(settings) as second:
        first.send(*events[:5])
        second.send(*events[4:])
    wait_until_projected(settings)
    assert change(before, outcomes(views)) == {"posted": 9, "duplicate": 20, "dead_letter": 0}
    assert balance_of(views, "acct_twice") == -sum(charge(f"0.0{number + 1}") for number in range(9))


def test_a_payment_that_is_told_again_later_is_a_duplicate_though_it_could_not_be_applied_again(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    before, paid = outcomes(views), purchase("acct_told_again", IDS(), "7")
    for each in (paid, usage("acct_told_again", IDS(), "0.01"), paid):
        with sender(settings) as log:
            log.send(each)
        wait_until_projected(settings)
    assert change(before, outcomes(views)) == {"posted": 2, "duplicate": 1, "dead_letter": 0}


def test_the_same_content_written_in_another_way_is_the_same_event(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    before = outcomes(views)
    one = usage("acct_form", IDS(), metadata={"a": "1", "b": "2"})
    other = usage("acct_form", one["id"].upper(), metadata={"b": "2", "a": "1"}) | {"source": "another/router"}
    with sender(settings) as log:
        log.send(one, dict(reversed(other.items())))
    wait_until_projected(settings)
    assert change(before, outcomes(views)) == {"posted": 1, "duplicate": 1, "dead_letter": 0}


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in another batch"])
def test_an_id_with_other_content_is_a_dead_letter_and_the_first_stands(
    settings: Settings, members: Crew, views: psycopg.Connection[Any], apart: bool
) -> None:
    account, id = f"acct_reused_{apart}", IDS()
    with sender(settings) as log:
        log.send(usage(account, id, "0.01"))
        if apart:
            log.acknowledged()
            wait_until_projected(settings)
        log.send(usage(account, id, "0.02"), usage(account, IDS(), "0.03"))
    wait_until_projected(settings)
    assert balance_of(views, account) == -charge("0.01") - charge("0.03")
    letters = views.execute("SELECT code, event_id::text FROM views.dead_letters WHERE account_id = %s", [account])
    assert letters.fetchall() == [("id_reused", id)]


def test_a_router_cannot_occupy_the_id_of_a_payment(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    before, id = outcomes(views), IDS()
    with sender(settings) as log:
        log.send(usage("acct_occupied", id, "0.01"), purchase("acct_occupied", id, "7"))
    wait_until_projected(settings)
    assert change(before, outcomes(views)) == {"posted": 2, "duplicate": 0, "dead_letter": 0}
    assert balance_of(views, "acct_occupied") == nanos("7") - charge("0.01")


def test_an_id_belongs_to_its_account_alone(settings: Settings, members: Crew, views: psycopg.Connection[Any]) -> None:
    before, id = outcomes(views), IDS()
    with sender(settings) as log:
        log.send(*(usage(f"acct_{name}", id) for name in ("north", "south", "east", "west")))
    wait_until_projected(settings)
    assert change(before, outcomes(views)) == {"posted": 4, "duplicate": 0, "dead_letter": 0}


def test_an_id_that_is_no_uuid_is_told_apart_by_its_source(
    settings: Settings, members: Crew, views: psycopg.Connection[Any]
) -> None:
    before = outcomes(views)
    from_one, from_another = (usage("acct_text", "call 1") | {"source": source} for source in ("router/1", "router/2"))
    with sender(settings) as log:
        log.send(from_one, from_another, from_one)
    wait_until_projected(settings)
    assert change(before, outcomes(views)) == {"posted": 2, "duplicate": 1, "dead_letter": 0}


def test_a_worker_that_is_told_to_stop_ends_in_order_and_leaves_nothing_behind(
    settings: Settings, members: Crew
) -> None:
    assert members.all[0].stop(seconds=15) == 0
    assert [path.name for path in members.folder.iterdir()] == ["worker-0.log"]
