"""Top-ups that go wrong in every way that is known: one charge and one credit per crossing, or none and a reason."""

from collections.abc import Iterator

import pytest

from ledger.dev.stack import Stack
from ledger.log.publisher import LogUnavailable
from tests.payments.payment_system import payment_system
from tests.payments.top_up_charger import HOUR, LEASE_SECONDS, Account, Killed, TopUpCharger, top_up_charger

# Steps of a story about an account below its threshold:
#   charges        a charger reads the trigger from ledger.topups, now or again
#   continues      a charger does what is due
#   killed-before-append, killed-after-append, no-kafka     the charger's next append: it is killed before or after, or
#                  Kafka does not acknowledge
#   loses-rows     Postgres is restored from before the trigger
#   hours:25       time passes for us and for the provider
#   fault:…/…/n    the provider's next n calls; the client itself tries three times
#   policy:off     the customer switches auto top-up off
#   card:…         the saved card behaves like this test card from now on
#
# steps | paid at the provider | asked of the bank | credited | machine | what the log says of declines
STORIES = """
charges                                                                  | 1 | 1 | 1 | armed     |
charges charges continues                                                | 1 | 1 | 1 | armed     |

# The provider charges and doesn't say so.
fault:timeout_after/payment_intents.create/3 charges hours:1 continues   | 1 | 1 | 1 | armed     |
fault:reset_after/payment_intents.create/3 charges hours:1 continues     | 1 | 1 | 1 | armed     |
fault:error_after/payment_intents.create/3 charges hours:25 continues    | 1 | 1 | 1 | armed     |
fault:reset_after/payment_intents.create/3 charges loses-rows charges    | 1 | 1 | 1 | armed     |
fault:reset_after/payment_intents.create/3 charges loses-rows hours:25 charges | 1 | 1 | 1 | armed     |
fault:reset_after/payment_intents.create/3 fault:error_before/payment_intents.list/3 charges hours:1 continues \
hours:1 continues \
                                                                         | 1 | 1 | 1 | armed     |

# It doesn't charge, or can't.
fault:error_before/payment_intents.create/3 charges hours:1 continues    | 1 | 1 | 1 | armed     |
fault:reset_before/payment_intents.create/3 charges hours:25 continues   | 1 | 1 | 1 | armed     |

# The charger ends between the charge and the log, between the log and its row, and Kafka is away meanwhile.
killed-before-append charges continues                                   | 1 | 1 | 1 | armed     |
killed-before-append charges charges                                     | 1 | 1 | 1 | armed     |
killed-after-append charges continues                                    | 1 | 1 | 1 | armed     |
killed-after-append charges loses-rows charges                           | 1 | 1 | 1 | armed     |
no-kafka charges continues                                               | 1 | 1 | 1 | armed     |
no-kafka charges loses-rows charges                                      | 1 | 1 | 1 | armed     |
killed-before-append charges killed-before-append continues killed-before-append continues continues \
                                                                         | 1 | 1 | 1 | armed     |

# Rows and keys are gone: it is looked for before it is charged.
killed-before-append charges loses-rows hours:25 charges                 | 1 | 1 | 1 | armed     |
killed-before-append charges hours:25 continues                          | 1 | 1 | 1 | armed     |
loses-rows hours:25 charges                                              | 1 | 1 | 1 | armed     |
charges loses-rows hours:25 charges                                      | 1 | 1 | 1 | armed     |

# Declines.
card:4000000000000341 charges                                            | 0 | 1 | 0 | in_flight | generic_decline
card:4000000000000341 charges continues charges                          | 0 | 1 | 0 | in_flight | generic_decline
card:4000000000000341 charges card:4242424242424242 hours:2 continues    | 1 | 2 | 1 | armed     | generic_decline
card:4000000000000341 charges hours:2 continues hours:7 continues hours:24 continues \
    | 0 | 3 | 0 | suspended | generic_decline generic_decline generic_decline!
card:4000000000000341 killed-before-append charges continues             | 0 | 1 | 0 | in_flight | generic_decline
card:4000000000000341 charges card:4242424242424242 killed-before-append hours:2 continues loses-rows hours:25 charges \
                                                                         | 1 | 2 | 1 | armed     | generic_decline
card:4000000000000069 charges                                            | 0 | 1 | 0 | suspended | expired_card!
card:4000000000009979 charges continues hours:25 continues               | 0 | 1 | 0 | suspended | stolen_card!
card:4000002760003184 charges | 0 | 1 | 0 | suspended | authentication_required!
card:4000002760003184 fault:error_before/payment_intents.cancel/3 charges hours:1 continues \
    | 0 | 1 | 0 | suspended | authentication_required!
card:4000002760003184 killed-before-append charges continues | 0 | 1 | 0 | suspended | authentication_required!

# The customer switches it off: what may have been charged is looked up, no new attempt is made.
policy:off charges                                                       | 0 | 0 | 0 | suspended | switched_off!
card:4000000000000341 charges policy:off hours:2 continues | 0 | 1 | 0 | suspended | generic_decline switched_off!
fault:reset_after/payment_intents.create/3 charges policy:off hours:1 continues | 1 | 1 | 1 | armed     |
"""


def _lines() -> list[str]:
    return [line for line in STORIES.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def charger(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TopUpCharger]:
    folder = tmp_path_factory.mktemp("top-ups")
    with payment_system(stack, folder, top_up_lease_seconds=LEASE_SECONDS) as running, top_up_charger(running) as found:
        running.webhooks("stripe", on=False)
        yield found


@pytest.mark.parametrize("line", _lines())
def test_a_top_up(charger: TopUpCharger, line: str) -> None:
    steps, *columns = (column.strip() for column in line.split("|"))
    account = charger.account()
    account.spend("10")
    trigger = account.trigger()
    for step in steps.split():
        name, _, argument = step.partition(":")
        _do(charger, account, name, argument, lambda: charger.charges.start(trigger))
    charger.wait_for_state(account, columns[3])
    states = {"armed": "credited", "in_flight": "due", "suspended": "suspended"}
    # What was forgotten after it was credited is not taken up again.
    assert account.row().get("state", "credited") == states[columns[3]]
    said = " ".join(code + ("!" if suspended else "") for code, suspended in account.failures())
    found = [str(account.paid), str(len(account.charges())), str(len(account.credits())), columns[3], said]
    assert found == columns
    assert charger.system.balanced()


def test_a_retry_charges_what_the_policy_names_by_then(charger: TopUpCharger) -> None:
    account = charger.account()
    policy = {"enabled": True, "threshold": "20", "amount": "50", "provider": "stripe"}
    account.configure(**policy, payment_method_id=account.method)
    account.change_card("4000000000000341")
    account.spend("10")
    charger.attempt(lambda: charger.charges.start(account.trigger()))
    declined = account.method
    account.add_card()
    account.configure(**policy, payment_method_id=account.method)
    charger.pass_time(2 * HOUR)
    charger.continue_due(account)
    charger.wait_for_state(account, "armed")
    assert [charge.payment_method for charge in account.charges()] == [account.method, declined]
    assert (account.paid, len(account.credits())) == (1, 1)


def _do(charger: TopUpCharger, account: Account, name: str, argument: str, take: object) -> None:
    match name:
        case "charges":
            charger.attempt(take)  # type: ignore[arg-type]
        case "continues":
            charger.continue_due(account)
        case "killed-before-append":
            charger.before.append(Killed())
        case "killed-after-append":
            charger.after.append(Killed())
        case "no-kafka":
            charger.before.append(LogUnavailable())
        case "loses-rows":
            charger.lose(account)
        case "hours":
            charger.pass_time(int(argument) * HOUR)
        case "policy":
            account.configure(enabled=False, threshold="20", amount="50", provider="stripe")
        case "card":
            account.change_card(argument)
        case "fault":
            kind, operation, times = argument.split("/")
            charger.system.sandbox.fault(kind, operation, times=int(times), seconds=0.1)
        case _:
            raise AssertionError(name)
