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
from tests.payments.market import Market, market
from tests.payments.stories import cells, expected, lines_of
from tests.payments.sweeping import SETTINGS, SweptStory, on_the_log, sweep, told
from tests.support.programs import Program
from tests.support.servers import process
from tests.support.waiting import eventually

PROVIDERS = ("stripe", "razorpay")

# steps | balance | percent of the price that the provider has | state | alerts
STORIES = """
# Neither webhook nor customer came back.
buys pays swept                                         | 10 | 100 | credited |
buys swept                                              | 0  | 0   | pending  |
buys declined later swept                               | 0  | 0   | pending  |
buys declined later swept pays swept                    | 10 | 100 | credited |

# Webhook and customer come after the sweep.
buys pays swept told back swept                         | 10 | 100 | credited |

# The row is lost: what the provider kept is enough, also when the money went back meanwhile.
buys pays forgets swept                                 | 10 | 100 | credited |
buys pays forgets refunds:40 swept                      | 6  | 60  | credited |

# Refunds and disputes that no webhook told of.
buys pays swept refunds:40 swept refunds:60 swept       | 0  | 0   | credited |
buys pays refunds:40 swept                              | 6  | 60  | credited |
buys pays swept disputes:50 swept wins swept            | 10 | 100 | credited |
buys pays disputes:50 loses swept                       | 5  | 100 | credited |

# Nobody pays for two weeks; and who pays in the end has paid.
buys weeks swept                                        | 0  | 0   | expired  |
buys weeks swept late swept                             | 10 | 100 | credited |
"""

STRIPE = """
# Charged, and the answer did not come: the payment is in the list.
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys swept later swept | 10 | 100 | credited |
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys forgets swept     | 10 | 100 | credited |
saves:pm_card_chargeCustomerFail fault:timeout_after/payment_intents.create/3 buys later swept | 0 | 0 | failed |
fault:timeout_after/checkout.sessions.create/3 buys later swept late swept             | 10 | 100 | credited |

# Not charged, and told so: nobody is charged any more without being there, not even by the same request much later.
saves:pm_card_visa fault:reset_before/payment_intents.create/3 buys looks later swept | 0 | 0 | failed  |
saves:pm_card_visa fault:reset_before/payment_intents.create/3 buys minutes:3 buys swept | 0 | 0 | pending |
saves:pm_card_visa fault:reset_before/payment_intents.create/3 buys later anew buys swept | 10 | 100 | credited |

# A bank asks the customer, who takes minutes.
saves:pm_card_authenticationRequired fault:timeout_after/*.create/3 buys later swept confirms swept |10|100|credited|
saves:pm_card_authenticationRequired buys swept confirms later swept                   | 10 | 100 | credited |

buys expires later swept                                                               | 0  | 0   | expired  |
"""

RAZORPAY = """
fault:timeout_after/orders.create/1 buys later swept                                   | 0  | 0   | pending  |
fault:timeout_after/orders.create/1 buys later swept late swept                        | 10 | 100 | credited |
"""

LINES = [
    *((provider, line) for line in lines_of(STORIES) for provider in PROVIDERS),
    *(("stripe", line) for line in lines_of(STRIPE)),
    *(("razorpay", line) for line in lines_of(RAZORPAY)),
]
NAMES = [f"{provider}: {cells(line)[0]}" for provider, line in LINES]


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(stack, tmp_path_factory.mktemp("market"), **SETTINGS) as running:
        for provider in PROVIDERS:
            running.webhooks(provider, on=False)
        yield running


@pytest.mark.parametrize(("provider", "line"), LINES, ids=NAMES)
def test_no_webhook(shop: Market, provider: str, line: str) -> None:
    assert told(shop, provider, line) == expected(line)


def test_one_account_at_both_providers(shop: Market) -> None:
    account = shop.account()
    for provider in PROVIDERS:
        shop.pay(shop.buy(account, provider))
    for provider in PROVIDERS:
        sweep(shop, provider)
    assert shop.balance(account) == "20"
    assert sorted(data["provider"] for data in shop.entries(account)) == ["razorpay", "stripe"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_dispute_is_listed_until_it_is_decided(shop: Market, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it was opened before the time that the other lists begin with."""
    monkeypatch.setattr(payment_sweep, "_OVERLAP", timedelta(0))
    story = SweptStory(shop, provider, random.Random(0))
    story.tell("buys pays swept disputes:50 swept")
    time.sleep(2.1)  # providers count in seconds
    sweep(shop, provider)
    story.tell("wins swept")
    assert shop.balance(story.account) == "10"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_purchase_that_the_log_has_lost_is_credited_however_old_it_is(
    shop: Market, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says that it was credited, and the provider's lists begin after it."""
    monkeypatch.setattr(payment_sweep, "_OVERLAP", timedelta(0))
    story = SweptStory(shop, provider, random.Random(0))
    story.tell("buys pays vanishes")
    assert shop.balance(story.account) == "0"
    time.sleep(2.1)  # providers count in seconds
    sweep(shop, provider)
    assert shop.balance(story.account) == "10"
    story.tell("swept told back")
    assert (shop.balance(story.account), shop.alerts(story.account, "")) == ("10", [])


@contextlib.contextmanager
def mortal_api(shop: Market, log: Path, public_url: str = "") -> Iterator[tuple[Program, str]]:
    """One more API of the same ledger, to be killed."""
    settings = shop.settings.model_copy(update={"api_port": free_port(), "public_url": public_url or shop.url})
    url = f"http://{settings.api_host}:{settings.api_port}"
    with process(settings, "from ledger.server.serve import serve as run", log) as running:
        eventually(lambda: _answers(url))
        yield running, url


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def killed_while(shop: Market, running: Program, ask: threading.Thread) -> None:
    """SIGKILL as soon as the provider has taken the call that a fault is set for."""
    ask.start()
    eventually(lambda: all(fault["fault"] == "lost" for fault in shop.sandbox.control.get("/sandbox").json()["faults"]))
    running.kill()
    running.wait(10)
    ask.join(30)


@pytest.mark.parametrize("public_url", ["", "https://elsewhere.example"], ids=["same address", "other address"])
def test_killed_between_a_charge_at_once_and_its_append(shop: Market, tmp_path: Path, public_url: str) -> None:
    """Processes that don't agree on the address can't repeat each other's calls; the payment is in the list."""
    story = SweptStory(shop, "stripe", random.Random(0))
    story.saves("pm_card_visa")
    body = {"amount": "10", "provider": "stripe", "payment_method_id": story.method}
    with mortal_api(shop, tmp_path / "api.log", public_url) as (running, url):
        shop.sandbox.fault("timeout_after", "payment_intents.create", times=1, seconds=60)

        def buy() -> None:
            with contextlib.suppress(httpx.TransportError):
                httpx.post(f"{url}/v1/accounts/{story.account}/purchases", json=body, headers=shop.http.headers)

        killed_while(shop, running, threading.Thread(target=buy))
    newest = "SELECT checkout_id::text FROM records.checkouts WHERE account_id = %s ORDER BY created_at DESC"
    story.purchase = {"purchase_id": shop.rows(newest, story.account)[0]}
    assert story._row("state") == "created", "it was killed too late"
    assert story.line("later swept") == expected("later swept | 10 | 100 | credited |")


@pytest.mark.parametrize(
    ("provider", "operation"), [("stripe", "checkout.sessions.retrieve"), ("razorpay", "orders.fetch")]
)
def test_killed_when_the_customer_comes_back(shop: Market, tmp_path: Path, provider: str, operation: str) -> None:
    story = SweptStory(shop, provider, random.Random(0))
    story.tell("buys pays")
    with mortal_api(shop, tmp_path / "api.log") as (running, url):
        shop.sandbox.fault("slow", operation, provider=provider, times=1, seconds=60)

        def come_back() -> None:
            with contextlib.suppress(httpx.TransportError):
                shop.visit(story.way_back.replace(shop.url, url))

        killed_while(shop, running, threading.Thread(target=come_back))
    assert story._row("state") == "begun", "it was killed too late"
    assert story.line("swept") == expected("swept | 10 | 100 | credited |")


def test_after_payouts_nothing_is_left_in_clearing(shop: Market) -> None:
    """Of everything that the other tests did, too."""
    for provider in PROVIDERS:
        story = SweptStory(shop, provider, random.Random(0))
        story.tell("buys pays refunds:30 swept")
        story = SweptStory(shop, provider, random.Random(0))
        story.tell("buys pays disputes:50 loses swept")
    shop.act("stripe", "payouts", currency="usd")
    shop.act("razorpay", "settlements")
    for provider in PROVIDERS:
        sweep(shop, provider)
    before = on_the_log(shop.settings)
    for provider in PROVIDERS:
        sweep(shop, provider)
    assert on_the_log(shop.settings) == before
    with shop.database() as connection:
        found = trial_balance(connection)
    stood = {(line.account, line.unit): line.total for line in found.lines}
    print(stood)
    assert stood["clearing:stripe", "USD"] == stood["clearing:razorpay", "INR"] == 0
    assert min(stood["fees:stripe", "USD"], stood["fees:razorpay", "INR"]) > 0
    assert found.balanced
    assert shop.rows("SELECT reason FROM records.payment_alerts") == []
