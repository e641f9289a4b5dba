"""Auto top-up as customers and operators meet it: over HTTP, with webhooks, cards that change, links, caps, replays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.core.top_up_attempts import AUTHENTICATION_REQUIRED
from ledger.dev.stack import Stack
from ledger.records.top_up_triggers import NewTrigger
from ledger.settings import RupeeRate
from tests.payments.payment_system import GOOD, payment_system
from tests.payments.top_up_charger import HOUR, LEASE_SECONDS, Account, TopUpCharger, top_up_charger
from tests.support.waiting import eventually

ALWAYS_DECLINED, ASKS = "4000000000000341", "4000002760003184"


@pytest.fixture(scope="module")
def charger(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TopUpCharger]:
    folder = tmp_path_factory.mktemp("accounts")
    with payment_system(stack, folder, top_up_lease_seconds=LEASE_SECONDS) as running, top_up_charger(running) as found:
        yield found


def charged(charger: TopUpCharger, account: Account) -> NewTrigger:
    """The trigger that is in flight, after a charger has read it."""
    trigger = account.trigger()
    charger.attempt(lambda: charger.charges.start(trigger))
    return trigger


# What is configured


def test_enabling_needs_a_method_that_can_be_charged(charger: TopUpCharger) -> None:
    account = charger.account()
    policy: dict[str, Any] = {"enabled": True, "threshold": "20", "amount": "50"}

    def put(name: str, **more: Any) -> tuple[int, str, str]:
        answer = charger.system.http.put(f"/v1/accounts/{name}/auto-top-up", json={**policy, **more})
        error = answer.json().get("error", {})
        return answer.status_code, error.get("code", ""), error.get("param", "")

    assert put(account.name, payment_method_id=account.method)[0] == 200
    assert put(account.name, payment_method_id="pm_of_somebody") == (409, "no_payment_method", "payment_method_id")
    bare = charger.system.account()
    assert put(bare) == (409, "no_payment_method", "payment_method_id")
    assert put(bare, enabled=False)[0] == 200
    assert put(bare, provider="paypal") == (422, "provider_not_configured", "provider")
    assert put(bare, provider="razorpay")[0] == 200
    assert put(charger.system.account(email=None), provider="razorpay") == (409, "no_address_for_links", "provider")
    assert put(charger.system.account(address=None))[:2] == (422, "billing_country_missing")


def test_what_could_never_work_is_refused_at_once(charger: TopUpCharger) -> None:
    account = charger.account()
    for policy, param in (
        ({"amount": "50", "cap_day": "49"}, "cap_day"),
        ({"amount": "50", "cap_month": "49"}, "cap_month"),
        ({"amount": "0.5"}, "amount"),
        ({"amount": "9", "threshold": "500"}, "amount"),
    ):
        body = {"enabled": True, "threshold": "20", **policy}
        answer = charger.system.http.put(f"/v1/accounts/{account.name}/auto-top-up", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, param), answer.text


# What is charged


def test_a_crossing_is_charged_once_and_says_so(charger: TopUpCharger) -> None:
    account = charger.account()
    account.spend("10")
    trigger = charged(charger, account)
    charger.wait_for_state(account, "armed")
    assert charger.system.balance(account.name) == "69"
    machine = account.machine()
    assert machine["spent_today"] == "50"
    assert machine["charge"] == {
        "trigger_id": trigger.trigger_id,
        "state": "credited",
        "attempt": 1,
        "failure": None,
        "next_at": None,
        "pay_url": None,
    }
    [charge] = account.charges()
    assert (charge.status, charge.amount, charge.currency) == ("succeeded", 5000, "usd")
    [purchase] = account.credits()
    assert purchase["trigger_id"] == purchase["purchase_id"] == trigger.trigger_id
    assert purchase["description"] == "Auto top-up via Stripe ($50)"
    charger.system.wait_until_settled()
    assert len(account.credits()) == account.paid == 1  # webhooks told of it, too


def test_a_decline_shows_and_a_new_card_resumes(charger: TopUpCharger) -> None:
    account = charger.account()
    account.change_card(ALWAYS_DECLINED)
    charger.system.wait_until_settled()
    account.spend("10")
    charged(charger, account)
    charge = account.machine()["charge"]
    assert (charge["state"], charge["attempt"], charge["failure"]) == ("due", 2, "generic_decline")
    for _ in range(30):
        charger.pass_time(HOUR)
        charger.continue_due(account)
    assert [(found.status, found.amount) for found in account.charges()] == [("failed", 5000)] * 3
    assert (account.machine()["state"], account.machine()["reason"]) == ("suspended", "generic_decline")
    account.spend("1")
    assert account.machine()["state"] == "suspended"
    account.add_card()
    charger.wait_for_state(account, "in_flight")
    charged(charger, account)
    charger.wait_for_state(account, "armed")
    assert (account.paid, len(account.credits())) == (1, 1)


def test_a_card_whose_bank_asks_is_not_left_open_and_the_customer_gets_a_page(charger: TopUpCharger) -> None:
    account = charger.account()
    account.change_card(ASKS)
    charger.system.wait_until_settled()
    account.spend("10")
    charged(charger, account)
    charger.wait_for_state(account, "suspended")
    machine = account.machine()
    assert machine["reason"] == AUTHENTICATION_REQUIRED
    [intent] = charger.system.stripe.payment_intents.list({"customer": account.customer}).data
    assert intent.status == "canceled"
    page = {"pay_url": machine["charge"]["pay_url"], "provider": "stripe"}
    charger.system.visit(charger.system.pay(page, GOOD))
    charger.wait_for_state(account, "armed")
    assert charger.system.balance(account.name) == "69"
    assert account.credits() == []  # the customer bought them


def test_a_refund_charges_no_card(charger: TopUpCharger) -> None:
    account = charger.account()
    account.spend("10")
    charged(charger, account)
    charger.wait_for_state(account, "armed")
    [purchase] = account.credits()
    answer = charger.system.http.post(
        f"/v1/accounts/{account.name}/purchases/{purchase['purchase_id']}/refunds", json={}
    )
    assert answer.status_code == 201, answer.text
    eventually(lambda: charger.system.balance(account.name) == "19")
    assert account.machine()["state"] == "armed"


def test_a_charger_that_reads_everything_again_asks_nobody(charger: TopUpCharger) -> None:
    accounts = [charger.account() for _ in range(2)]
    for account in accounts:
        account.spend("10")
    triggers = [charged(charger, account) for account in accounts]
    for account in accounts:
        charger.wait_for_state(account, "armed")
    charger.system.wait_until_settled()
    charger.system.sandbox.control.delete("/sandbox/calls")
    before = charger.system.on_the_log()
    for trigger in [*triggers, *triggers]:
        charger.attempt(lambda trigger=trigger: charger.charges.start(trigger))  # type: ignore[misc]
    charger.lose(accounts[0])
    charger.attempt(lambda: charger.charges.start(triggers[0]))
    assert charger.system.sandbox.control.get("/sandbox").json()["calls"] == {}
    assert charger.system.on_the_log() == before


# Razorpay


def test_where_nobody_can_be_charged_the_customer_gets_a_link(charger: TopUpCharger) -> None:
    account = charger.account(provider="razorpay")
    account.spend("10")
    charged(charger, account)
    machine = account.machine()
    assert (machine["state"], machine["charge"]["state"]) == ("in_flight", "pending")
    account.spend("1")
    charger.attempt(lambda: charger.charges.start(account.trigger()))
    paid = charger.system.browser.post(
        machine["charge"]["pay_url"], data={"method": "card", "card[number]": "4111 1111 1111 1111"}
    )
    assert paid.status_code in (200, 303), paid.text
    charger.wait_for_state(account, "armed")
    assert charger.system.balance(account.name) == "67.9"
    [purchase] = account.credits()
    assert purchase["charged"] == {"currency": "INR", "amount_minor": 425_000, "tax_minor": 0}
    assert account.machine()["charge"]["state"] == "credited"


def test_a_link_that_nobody_pays_suspends(charger: TopUpCharger) -> None:
    account = charger.account(provider="razorpay")
    account.spend("10")
    charged(charger, account)
    for _ in range(4):
        charger.pass_time(24 * HOUR)
        charger.continue_due(account)
    charger.wait_for_state(account, "suspended")
    assert account.failures() == [("link_expired", True)]


# Time


def test_a_cap_is_rechecked_once_when_its_window_opens(charger: TopUpCharger) -> None:
    account = charger.account(cap_day="60")
    account.spend("10")
    charged(charger, account)
    charger.wait_for_state(account, "armed")
    account.spend("100")
    assert (account.machine()["state"], account.machine()["reason"]) == ("capped", "day")

    def rechecked(ahead: timedelta) -> int:
        with charger.maintenance(ahead) as maintenance, charger.system.database() as connection:
            for _ in range(3):
                maintenance.do_round(connection)
        charger.system.wait_until_settled()
        return len(charger.system.entries(account.name, "auto_top_up.rechecked"))

    real = -charger.ahead
    assert rechecked(real) == 0
    assert rechecked(real + timedelta(days=1)) == 1
    assert rechecked(real + timedelta(days=1, seconds=1)) == 1
    assert rechecked(real + timedelta(days=2)) == 2
    assert account.paid == 1  # by the log's own clock it is still today


def nobody_takes_up(charger: TopUpCharger, account: Account) -> None:
    """The account triggers, and the trigger's record is lost."""
    account.spend("10")
    charger.rows(
        "UPDATE records.outbox SET sent_at = sent_at - interval '1 hour' WHERE message_id = %s",
        account.trigger().trigger_id,
    )


def test_a_trigger_that_nobody_has_taken_up_is_found_in_the_views(charger: TopUpCharger) -> None:
    account = charger.account()
    nobody_takes_up(charger, account)
    with charger.maintenance() as maintenance, charger.system.database() as connection:
        maintenance.do_round(connection)
    charger.wait_for_state(account, "armed")
    assert (account.paid, len(account.credits())) == (1, 1)


@pytest.mark.parametrize("rates", [{60: "80", 5: "90"}, {5: "90"}])
def test_one_that_is_found_has_the_day_and_the_price_of_its_trigger(
    charger: TopUpCharger, rates: dict[int, str]
) -> None:
    account = charger.account(provider="razorpay")
    nobody_takes_up(charger, account)
    today = datetime.now(UTC).date()
    found = [RupeeRate.model_validate({"from": today - timedelta(ago), "rupees": rate}) for ago, rate in rates.items()]
    with charger.maintenance(razorpay_rates=found) as maintenance, charger.system.database() as connection:
        maintenance.do_round(connection)
    charge = account.machine()["charge"]
    assert (charge["state"], charge["pay_url"] is not None) == ("pending", True)
    row = account.row()
    assert abs(datetime.now(UTC) - row["triggered_at"]) < timedelta(minutes=5)  # what is newer sorts before it
    attempts = "SELECT fx_rate FROM records.top_up_attempts WHERE trigger_id = %s"
    assert [attempt["fx_rate"] for attempt in charger.rows(attempts, row["trigger_id"])] == ["90"]


def test_what_hangs_is_counted_by_kind(charger: TopUpCharger) -> None:
    from prometheus_client import REGISTRY

    def overdue(kind: str) -> float:
        return REGISTRY.get_sample_value("ledger_overdue", {"kind": kind}) or 0

    unavailable = charger.account()
    unavailable.spend("10")
    charger.attempt(lambda: charger.charges.start(unavailable.trigger()._replace(provider="paypal")))
    account = charger.account()
    account.spend("10")
    charger.system.webhooks("stripe", on=False)
    charger.system.sandbox.fault("reset_after", "payment_intents.create", times=3)
    charged(charger, account)
    charger.system.webhooks("stripe", on=True)
    with charger.maintenance(-charger.ahead) as maintenance, charger.system.database() as connection:
        maintenance.do_round(connection)
        before = overdue("attempt")
        assert overdue("unavailable") == 0
    with (
        charger.maintenance(timedelta(minutes=20) - charger.ahead) as maintenance,
        charger.system.database() as connection,
    ):
        maintenance.do_round(connection)
    assert overdue("attempt") == before + 1
    assert overdue("unavailable") == 1
    assert REGISTRY.get_sample_value("ledger_top_ups_open", {"state": "sent"}) == 1
    age = REGISTRY.get_sample_value("ledger_top_ups_open_oldest_seconds", {"state": "sent"})
    assert age is not None
    assert 20 * 60 <= age < 30 * 60


def test_a_second_payment_of_a_trigger_is_not_credited_and_people_are_told(charger: TopUpCharger) -> None:
    account = charger.account()
    account.spend("10")
    charged(charger, account)
    charger.wait_for_state(account, "armed")
    [intent] = charger.system.stripe.payment_intents.list({"customer": account.customer}).data
    charger.system.stripe.payment_intents.create(
        {
            "amount": intent.amount,
            "currency": intent.currency,
            "customer": account.customer,
            "payment_method": account.method,
            "metadata": intent.metadata.to_dict(),
            "off_session": True,
            "confirm": True,
        }
    )
    eventually(lambda: charger.system.alerts(account.name, "") == ["paid_twice"])
    assert (account.paid, len(account.credits())) == (2, 1)
