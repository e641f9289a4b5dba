"""The payment sweep heals what no webhook told: credited exactly once, whatever was lost, for both providers."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from consumers import payment_sweep
from ledger.dev.kafka import free_port
from ledger.dev.stack import Stack
from ledger.views.trial_balance import trial_balance
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.payments.stories import cells, expected, lines_of
from tests.payments.swept_stories import SETTINGS, SweptStory, on_the_log, played, sweep
from tests.support.programs import Program
from tests.support.servers import process
from tests.support.waiting import eventually

PROVIDERS = ("stripe", "razorpay")

# steps | balance | percent of the price that the provider has | state | alerts
STORIES = """
# Neither webhook nor customer came back.
buys pays sweep                                      | 10 | 100 | credited |
buys sweep                                           | 0  | 0   | pending  |
buys card-declined an-hour-passes sweep              | 0  | 0   | pending  |
buys card-declined an-hour-passes sweep pays sweep   | 10 | 100 | credited |

# Webhook and customer come after the sweep.
buys pays sweep webhooks returns sweep               | 10 | 100 | credited |

# The row is lost: what the provider kept is enough, also when the money went back meanwhile.
buys pays loses-row sweep                            | 10 | 100 | credited |
buys pays loses-row refunds:40 sweep                 | 6  | 60  | credited |

# Refunds and disputes that no webhook told of.
buys pays sweep refunds:40 sweep refunds:60 sweep    | 0  | 0   | credited |
buys pays refunds:40 sweep                           | 6  | 60  | credited |
buys pays sweep disputes:50 sweep wins-dispute sweep | 10 | 100 | credited |
buys pays disputes:50 loses-dispute sweep            | 5  | 100 | credited |

# The customer does not pay for two weeks, and then pays.
buys weeks-pass sweep                                | 0  | 0   | expired  |
buys weeks-pass sweep pays-late sweep                | 10 | 100 | credited |
"""

STRIPE = """
# Charged, and the answer did not come: the payment is in the list.
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys sweep an-hour-passes sweep \
                                       | 10 | 100 | credited |
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys loses-row sweep | 10 | 100 | credited |
saves:pm_card_chargeCustomerFail fault:timeout_after/payment_intents.create/3 buys an-hour-passes sweep \
                                       | 0  | 0   | failed   |
fault:timeout_after/checkout.sessions.create/3 buys an-hour-passes sweep pays-late sweep | 10 | 100 | credited |

# Not charged, and the customer knows it: a later charge needs the customer, even if the same request comes again.
saves:pm_card_visa fault:reset_before/payment_intents.create/3 buys reloads an-hour-passes sweep \
                                       | 0  | 0   | failed   |
saves:pm_card_visa fault:reset_before/payment_intents.create/3 buys minutes-pass:3 buys sweep | 0  | 0   | pending  |
saves:pm_card_visa fault:reset_before/payment_intents.create/3 buys an-hour-passes another-purchase buys sweep \
                                       | 10 | 100 | credited |

# A bank asks the customer, who takes minutes.
saves:pm_card_authenticationRequired fault:timeout_after/*.create/3 buys an-hour-passes sweep confirms sweep \
                                       | 10 | 100 | credited |
saves:pm_card_authenticationRequired buys sweep confirms an-hour-passes sweep | 10 | 100 | credited |

buys page-expires an-hour-passes sweep | 0  | 0   | expired  |
"""

RAZORPAY = """
fault:timeout_after/orders.create/1 buys an-hour-passes sweep | 0  | 0   | pending  |
fault:timeout_after/orders.create/1 buys an-hour-passes sweep pays-late sweep | 10 | 100 | credited |
"""

LINES = [
    *((provider, line) for line in lines_of(STORIES) for provider in PROVIDERS),
    *(("stripe", line) for line in lines_of(STRIPE)),
    *(("razorpay", line) for line in lines_of(RAZORPAY)),
]
NAMES = [f"{provider}: {cells(line)[0]}" for provider, line in LINES]


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    with payment_system(stack, tmp_path_factory.mktemp("system"), **SETTINGS) as running:
        for provider in PROVIDERS:
            running.webhooks(provider, on=False)
        yield running


@pytest.mark.parametrize(("provider", "line"), LINES, ids=NAMES)
def test_no_webhook(system: PaymentSystem, provider: str, line: str) -> None:
    assert played(system, provider, line) == expected(line)


def test_one_account_at_both_providers(system: PaymentSystem) -> None:
    account = system.account()
    for provider in PROVIDERS:
        system.pay(system.buy(account, provider))
    for provider in PROVIDERS:
        sweep(system, provider)
    assert system.balance(account) == "20"
    assert sorted(data["provider"] for data in system.entries(account)) == ["razorpay", "stripe"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_dispute_is_listed_until_it_is_decided(
    system: PaymentSystem, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it was opened before the time that the other lists begin with."""
    monkeypatch.setattr(payment_sweep, "_OVERLAP", timedelta(0))
    story = SweptStory(system, provider, random.Random(0))
    story.play("buys pays sweep disputes:50 sweep")
    time.sleep(2.1)  # providers count in seconds
    sweep(system, provider)
    story.play("wins-dispute sweep")
    assert system.balance(story.account) == "10"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_purchase_that_the_log_has_lost_is_credited_however_old_it_is(
    system: PaymentSystem, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says that it was credited, and the provider's lists begin after it."""
    monkeypatch.setattr(payment_sweep, "_OVERLAP", timedelta(0))
    story = SweptStory(system, provider, random.Random(0))
    story.play("buys pays log-loses-purchase")
    assert system.balance(story.account) == "0"
    time.sleep(2.1)  # providers count in seconds
    sweep(system, provider)
    assert system.balance(story.account) == "10"
    story.play("sweep webhooks returns")
    assert (system.balance(story.account), system.alerts(story.account, "")) == ("10", [])


@contextlib.contextmanager
def mortal_api(system: PaymentSystem, log: Path, public_url: str = "") -> Iterator[tuple[Program, str]]:
    """One more API of the same ledger, to be killed."""
    settings = system.settings.model_copy(update={"api_port": free_port(), "public_url": public_url or system.url})
    url = f"http://{settings.api_host}:{settings.api_port}"
    with process(settings, "from ledger.server.serve import serve as run", log) as running:
        eventually(lambda: _answers(url))
        yield running, url


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def killed_while(system: PaymentSystem, running: Program, ask: threading.Thread) -> None:
    """SIGKILL as soon as the provider has taken the call that a fault is set for."""
    ask.start()
    eventually(
        lambda: all(fault["fault"] == "lost" for fault in system.sandbox.control.get("/sandbox").json()["faults"])
    )
    running.kill()
    running.wait(10)
    ask.join(30)


@pytest.mark.parametrize("public_url", ["", "https://elsewhere.example"], ids=["same address", "other address"])
def test_killed_between_a_charge_at_once_and_its_append(system: PaymentSystem, tmp_path: Path, public_url: str) -> None:
    """Processes that don't agree on the address can't repeat each other's calls; the payment is in the list."""
    story = SweptStory(system, "stripe", random.Random(0))
    story.saves("pm_card_visa")
    body = {"amount": "10", "provider": "stripe", "payment_method_id": story.method}
    with mortal_api(system, tmp_path / "api.log", public_url) as (running, url):
        system.sandbox.fault("timeout_after", "payment_intents.create", times=1, seconds=60)

        def buy() -> None:
            with contextlib.suppress(httpx.TransportError):
                httpx.post(f"{url}/v1/accounts/{story.account}/purchases", json=body, headers=system.http.headers)

        killed_while(system, running, threading.Thread(target=buy))
    newest = "SELECT checkout_id::text FROM records.checkouts WHERE account_id = %s ORDER BY created_at DESC"
    story.purchase = {"purchase_id": system.rows(newest, story.account)[0]}
    assert story._row("state") == "created", "it was killed too late"
    assert story.played_line("an-hour-passes sweep") == expected("an-hour-passes sweep | 10 | 100 | credited |")


@pytest.mark.parametrize(
    ("provider", "operation"), [("stripe", "checkout.sessions.retrieve"), ("razorpay", "orders.fetch")]
)
def test_killed_when_the_customer_comes_back(
    system: PaymentSystem, tmp_path: Path, provider: str, operation: str
) -> None:
    story = SweptStory(system, provider, random.Random(0))
    story.play("buys pays")
    with mortal_api(system, tmp_path / "api.log") as (running, url):
        system.sandbox.fault("slow", operation, provider=provider, times=1, seconds=60)

        def come_back() -> None:
            with contextlib.suppress(httpx.TransportError):
                system.visit(story.way_back.replace(system.url, url))

        killed_while(system, running, threading.Thread(target=come_back))
    assert story._row("state") == "begun", "it was killed too late"
    assert story.played_line("sweep") == expected("sweep | 10 | 100 | credited |")


def test_after_payouts_nothing_is_left_in_clearing(system: PaymentSystem) -> None:
    """Of everything that the other tests did, too."""
    for provider in PROVIDERS:
        story = SweptStory(system, provider, random.Random(0))
        story.play("buys pays refunds:30 sweep")
        story = SweptStory(system, provider, random.Random(0))
        story.play("buys pays disputes:50 loses-dispute sweep")
    system.act("stripe", "payouts", currency="usd")
    system.act("razorpay", "settlements")
    for provider in PROVIDERS:
        sweep(system, provider)
    before = on_the_log(system.settings)
    for provider in PROVIDERS:
        sweep(system, provider)
    assert on_the_log(system.settings) == before
    with system.database() as connection:
        found = trial_balance(connection)
    stood = {(line.account, line.unit): line.total for line in found.lines}
    print(stood)
    assert stood["clearing:stripe", "USD"] == stood["clearing:razorpay", "INR"] == 0
    assert min(stood["fees:stripe", "USD"], stood["fees:razorpay", "INR"]) > 0
    assert found.balanced
    assert system.rows("SELECT reason FROM records.payment_alerts") == []
