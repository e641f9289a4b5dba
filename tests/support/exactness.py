"""Whether a ledger in production has exactly what it accepted: what differs is named, an account, event or payment.

The sum is our own (`traffic.Accepted`), and payments are counted at the provider.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from ledger.views.trial_balance import trial_balance
from tests.support.expected import nanos, triggers_of
from tests.support.production import Production
from tests.support.traffic import PURCHASE, TOP_UP, Accepted, Traffic
from tests.support.workers import lag, log_reader

REST_SECONDS = 90.0
NAMED_MAX = 3

_UNSETTLED = "SELECT account_id, state FROM views.accounts WHERE account_id = ANY (%s) AND state <> 'armed'"
_OPEN_TRIGGERS = "SELECT account_id, state FROM records.top_up_triggers WHERE ended_at IS NULL"
_USAGE = "SELECT event_id::text, account_id, -amount FROM views.entries WHERE type = 'usage.recorded'"
_BALANCES = "SELECT account_id, balance FROM views.balances"
_CREDITED = "SELECT account_id, data->>%s FROM views.entries WHERE type = 'credits.purchased' AND data->>'kind' = %s"
_DEAD = "SELECT topic || '/' || partition || '/' || log_offset, reason FROM views.dead_letters"
_HOLDS = "SELECT hold_id::text, account_id, state, settled_by::text FROM records.holds WHERE hold_id = ANY (%s::uuid[])"


def settle(production: Production, traffic: Traffic) -> list[str]:
    """Waits until all that was accepted has had its consequences; what still has not."""
    deadline = time.monotonic() + REST_SECONDS
    while (waiting := _waiting(production, traffic)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return [f"after {REST_SECONDS:.0f} s {each}" for each in waiting]


def wrongs(production: Production, traffic: Traffic) -> list[str]:
    """All that is not exactly as it must be; the ledger is at rest."""
    accepted = traffic.accepted
    with psycopg.connect(production.settings.database, autocommit=True) as connection:
        payments = top_up_payments(production)
        return [
            *accepted.refused,
            *_usage(connection, accepted),
            *_balances(connection, accepted, payments),
            *_purchases(connection, accepted),
            *_top_ups(connection, production, payments),
            *_holds(connection, accepted),
            *_named("dead letters", (f"{place}: {why}" for place, why in connection.execute(_DEAD))),
            *([] if trial_balance(connection).balanced else [f"trial balance: {trial_balance(connection).sums}"]),
        ]


def credited(production: Production, kind: str, since: float = 0) -> list[tuple[str, str]]:
    """Account, and purchase or trigger, of the credits that the views show, from a moment of the log on."""
    sql = f"{_CREDITED} AND log_time >= to_timestamp(%s)"
    with psycopg.connect(production.settings.database, autocommit=True, connect_timeout=5) as connection:
        return connection.execute(sql.encode(), [_reference(kind), kind, since]).fetchall()


def top_up_payments(production: Production) -> dict[str, list[str]]:
    """Accounts of the payments that succeeded at the provider, by trigger."""
    found: dict[str, list[str]] = defaultdict(list)
    names = {customer: account for account, customer in _customers(production)}
    for intent in production.system.stripe.payment_intents.list({"limit": 100}).auto_paging_iter():
        if "ledger_trigger" in intent.metadata and intent.status == "succeeded":
            found[intent.metadata["ledger_trigger"]].append(names.get(str(intent.customer), str(intent.customer)))
    return found


def _waiting(production: Production, traffic: Traffic) -> list[str]:
    """What is under way."""
    try:
        with psycopg.connect(production.settings.database, autocommit=True, connect_timeout=5) as connection:
            with log_reader(production.settings) as reader:
                behind = lag(production.settings, reader, connection)
            unsettled = connection.execute(_UNSETTLED, [traffic.topped_up]).fetchall()
            triggers = connection.execute(_OPEN_TRIGGERS).fetchall()
            got = {purchase for _, purchase in connection.execute(_CREDITED, ["purchase_id", "purchase"])}
        webhooks = production.system.sandbox.control.get("/sandbox").json()["webhooks_waiting"]
    except Exception as error:
        return [f"can't be looked at: {type(error).__name__}: {error}"]
    missing = [
        f"{purchase} of {account}" for purchase, (account, _) in traffic.accepted.paid.items() if purchase not in got
    ]
    return [
        *([f"{behind} records and messages wait"] if behind else []),
        *_named("top-ups under way", (f"{account}: {state}" for account, state in [*unsettled, *triggers])),
        *_named("paid and not credited", missing),
        *([f"{webhooks} webhooks wait"] if webhooks and (unsettled or triggers or missing) else []),
    ]


def _usage(connection: psycopg.Connection[Any], accepted: Accepted) -> list[str]:
    """Each accepted event once, at its charge, and no other."""
    found = {event: (account, amount) for event, account, amount in connection.execute(_USAGE)}
    return [
        *_named(
            "accepted and not in the views",
            (f"event {event} of {of[0]}" for event, of in accepted.usage.items() if event not in found),
        ),
        *_named(
            "in the views and never accepted",
            (f"event {event} of {of[0]}" for event, of in found.items() if event not in accepted.usage),
        ),
        *_named(
            "charged otherwise",
            (
                f"event {event} of {of[0]}: {found[event]}, must be {of}"
                for event, of in accepted.usage.items()
                if found.get(event, of) != of
            ),
        ),
    ]


def _balances(connection: psycopg.Connection[Any], accepted: Accepted, payments: Mapping[str, list[str]]) -> list[str]:
    must = Counter(accepted.given)
    for account, amount in accepted.usage.values():
        must[account] -= amount
    for account, _ in accepted.paid.values():
        must[account] += nanos(PURCHASE)
    for account in (account for each in payments.values() for account in each[:1]):
        must[account] += nanos(TOP_UP)
    found = dict(connection.execute(_BALANCES).fetchall())
    return _named(
        "balances",
        (
            f"{account} has {found.get(account)}, must have {balance}"
            for account, balance in must.items()
            if found.get(account) != balance
        ),
    )


def _purchases(connection: psycopg.Connection[Any], accepted: Accepted) -> list[str]:
    found = Counter(
        (account, purchase) for account, purchase in connection.execute(_CREDITED, ["purchase_id", "purchase"])
    )
    must = Counter((account, purchase) for purchase, (account, _) in accepted.paid.items())
    return _named(
        "purchases",
        (
            f"{purchase} of {account}: paid {must[account, purchase]} times, credited {found[account, purchase]} times"
            for account, purchase in must | found
            if must[account, purchase] != found[account, purchase]
        ),
    )


def _top_ups(
    connection: psycopg.Connection[Any], production: Production, payments: Mapping[str, list[str]]
) -> list[str]:
    """Each trigger is on the topic, charged once and credited once."""
    triggered = set(triggers_of(production.settings))
    found = Counter(trigger for _, trigger in connection.execute(_CREDITED, ["trigger_id", "auto_top_up"]))
    wrong = [
        f"trigger {trigger} of {payments.get(trigger, ['?'])[0]}: {'said' if trigger in triggered else 'never said'}, "
        f"charged {len(payments.get(trigger, []))} times, credited {found[trigger]} times"
        for trigger in triggered | set(payments) | set(found)
        if not (trigger in triggered and len(payments.get(trigger, [])) == 1 and found[trigger] == 1)
    ]
    return _named("top-ups", wrong)


def _holds(connection: psycopg.Connection[Any], accepted: Accepted) -> list[str]:
    found = {
        hold: (account, state, by) for hold, account, state, by in connection.execute(_HOLDS, [list(accepted.settled)])
    }
    return _named(
        "holds",
        (
            f"{hold} is {found.get(hold)}, must be settled by {event}"
            for hold, event in accepted.settled.items()
            if found.get(hold, ("", "", ""))[1:] != ("settled", event)
        ),
    )


def _customers(production: Production) -> list[tuple[str, str]]:
    with psycopg.connect(production.settings.database, autocommit=True) as connection:
        return connection.execute("SELECT account_id, customer_id FROM records.customers").fetchall()


def _reference(kind: str) -> str:
    return "purchase_id" if kind == "purchase" else "trigger_id"


def _named(what: str, found: Iterable[str]) -> list[str]:
    """One line for all of a kind, with the first of them by name."""
    each = list(found)
    return [f"{what}: {len(each)}, such as {'; '.join(each[:NAMED_MAX])}"] if each else []
