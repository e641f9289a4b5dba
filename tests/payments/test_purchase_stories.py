"""Purchases that go wrong in every way that is known: charged always means credited, once; and nothing else is."""

import secrets
from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.payments.stories import expected, lines_of, played

SEED = secrets.randbelow(2**32)

# steps | balance | taken | state | webhooks answered | alerts
STRIPE = """
# Whoever learns of the payment first, and however often.
buys pays webhooks                                         | 10 | 1000  | credited   | 200     |
buys pays returns                                          | 10 | 1000  | credited   |         |
buys pays sweep                                            | 10 | 1000  | credited   |         |
buys pays webhooks returns webhooks sweep                  | 10 | 1000  | credited   | 200     |
buys pays returns webhooks reloads sweep webhooks          | 10 | 1000  | credited   | 200     |

# Asked twice, answered once, or not at all.
buys buys pays returns webhooks                            | 10 | 1000  | credited   | 200     |
fault:reset_after/checkout.sessions.create/3 buys buys pays returns webhooks | 10 | 1000  | credited   | 200     |
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys buys | 10 | 1000  | credited   |         |
saves:pm_card_visa fault:timeout_after/payment_intents.create/3 buys buys webhooks sweep \
                                                           | 10 | 1000  | credited   | 200     |
buys fault:error_before/checkout.sessions.retrieve/3 pays returns returns webhooks \
                                                           | 10 | 1000  | credited   | 200     |

# The row is lost: what the provider kept is enough.
buys pays loses-row webhooks returns                       | 10 | 1000  | credited   | 200     |
buys pays loses-row sweep                                  | 10 | 1000  | credited   |         |

# Declines.
buys card-declined webhooks returns                        | 0  | 0     | pending    | 200     |
buys card-declined pays webhooks returns                   | 10 | 1000  | credited   | 200     |
saves:pm_card_chargeCustomerFail buys webhooks             | 0  | 0     | failed     | 200     |
saves:pm_card_authenticationRequired buys reloads confirms returns webhooks | 10 | 1000  | credited   | 200     |

# What does not fit credits nothing.
buys forges:amount/500 webhooks                            | 0  | 500   | mismatched | 200 422 | other_amount
buys forges:currency/eur webhooks                          | 0  | 1000  | mismatched | 200 422 | other_currency
buys forges:credits/1000 webhooks                          | 0  | 1000  | pending    | 200 422 | terms_forged
buys changes-row:credits/99000000000 pays webhooks returns | 0  | 1000  | mismatched | 200 422 | other_terms
buys pays-elsewhere webhooks                               | 0  | 85000 | mismatched | 422     | other_provider
buys pays webhooks forges:amount/1000 webhooks             | 10 | 2000  | credited   | 200 422 | paid_twice
"""


RAZORPAY = """
buys pays webhooks                                                | 10 | 85000  | credited   | 200     |
buys pays returns                                                 | 10 | 85000  | credited   |         |
buys pays sweep                                                   | 10 | 85000  | credited   |         |
buys pays webhooks returns webhooks sweep                         | 10 | 85000  | credited   | 200     |
buys pays returns webhooks reloads sweep webhooks                 | 10 | 85000  | credited   | 200     |

buys buys pays returns webhooks                                   | 10 | 85000  | credited   | 200     |
fault:reset_after/orders.create/1 buys buys pays returns webhooks | 10 | 85000  | credited   | 200     |
buys pays fault:error_before/orders.fetch/3 returns webhooks      | 10 | 85000  | credited   | 200     |

buys pays loses-row webhooks returns                              | 10 | 85000  | credited   | 200     |
buys pays loses-row sweep                                         | 10 | 85000  | credited   |         |

# A decline is not the end: the same page takes another card.
buys card-declined webhooks returns reloads                       | 0  | 0      | pending    | 200     |
buys card-declined returns pays webhooks returns                  | 10 | 85000  | credited   | 200     |
buys card-declined pays sweep webhooks                            | 10 | 85000  | credited   | 200     |

buys forges:amount/500 webhooks                                   | 0  | 500    | mismatched | 422     | other_amount
buys forges:credits/1000 webhooks                                 | 0  | 85000  | pending    | 422     | terms_forged
buys changes-row:credits/99000000000 pays webhooks returns        | 0  | 85000  | mismatched | 422     | other_terms
buys pays-elsewhere webhooks                                      | 0  | 1000   | mismatched | 200 422 | other_provider
buys pays webhooks forges:kind/purchase webhooks                  | 10 | 170000 | credited   | 200 422 | paid_twice
"""


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    with payment_system(stack, tmp_path_factory.mktemp("system")) as running:
        for provider in ("stripe", "razorpay"):
            running.webhooks(provider, on=False)
        yield running


@pytest.mark.parametrize("line", lines_of(STRIPE))
def test_stripe(system: PaymentSystem, line: str) -> None:
    print("seed:", SEED)
    assert played(system, "stripe", line, SEED) == expected(line)


@pytest.mark.parametrize("line", lines_of(RAZORPAY))
def test_razorpay(system: PaymentSystem, line: str) -> None:
    print("seed:", SEED)
    assert played(system, "razorpay", line, SEED) == expected(line)


def test_nothing_was_refused_by_the_fold(system: PaymentSystem) -> None:
    """Every source of a payment builds the same event: different content under one id would be a dead letter."""
    assert system.rows("SELECT code || ' ' || reason FROM views.dead_letters") == []
    assert system.balanced()
