"""Stories: what happens to an account over days, line by line; the format is explained in tables.py."""

import pytest

from .tables import expected, played

TOPS_ITSELF_UP = """
2026-11-21
10:00:00 | account.opened         |                                        | 0   |
10:01:00 | credits.purchased      | purchase_id=p1 credits=25              | 25  | level empty→ok
10:02:00 | auto_top_up.configured | threshold=10 amount=20                 | 25  |
10:03:00 | usage.recorded         | provider_cost=10                       | 14  |
10:04:00 | usage.recorded         | provider_cost=5                        | 8.5 | triggered 20
# More calls while the card is charged: no second trigger.
10:04:01 | usage.recorded         | provider_cost=5                        | 3   | level ok→low
10:04:02 | auto_top_up.failed     | trigger=last                           | 3   |
10:05:00 | credits.purchased      | purchase_id=t1 credits=20 trigger=last | 23  | level low→ok
# The webhook says the same with another event.
10:05:01 | credits.purchased      | purchase_id=t1 credits=20 trigger=last | 23  | refused: purchase_already_credited
10:06:00 | usage.recorded         | provider_cost=12                       | 9.8 | triggered 20
"""

RUNS_DRY = """
2026-11-21
10:00:00 | credits.purchased     | purchase_id=p1 credits=5  | 5    | level empty→low
10:01:00 | usage.recorded        | provider_cost=4           | 0.6  |
10:02:00 | usage.recorded        | provider_cost=1           | -0.5 | level low→empty
10:03:00 | auto_top_up.requested | available=-0.5            | -0.5 |
10:04:00 | credits.purchased     | purchase_id=p2 credits=10 | 9.5  | level empty→ok
"""

TRACES_BEYOND_THE_PACKAGE = """
2026-11-30
23:00:00     | credits.purchased       | purchase_id=p1 credits=10 | 10    | level empty→ok
23:10:00     | trace.recorded          | count=8                   | 10    |
23:20:00     | trace.recorded          | count=4                   | 9.996 |
23:59:59.999 | trace.recorded          | count=1                   | 9.994 |
2026-12-01
00:00:00     | trace.recorded          | count=10                  | 9.994 |
00:00:01     | trace.recorded          | count=1                   | 9.992 |
00:01:00     | account.package_changed | package=pro               | 9.992 |
00:02:00     | trace.recorded          | count=90                  | 9.99  |
"""

A_DISPUTE_WON_AND_ONE_LOST = """
2026-11-21
10:00:00 | credits.purchased      | purchase_id=p1 credits=100  | 100   | level empty→ok
10:01:00 | auto_top_up.configured | threshold=10 amount=20      | 100   |
10:02:00 | usage.recorded         | provider_cost=20            | 78    |
2026-11-25
09:00:00 | dispute.opened         | purchase_id=p1 credits=100  | -22   | level ok→empty
# No card is charged while its owner disputes a charge.
09:01:00 | usage.recorded         | provider_cost=1             | -23.1 |
2026-12-20
09:00:00 | dispute.closed         | purchase_id=p1 outcome=won  | 76.9  | level empty→ok
09:01:00 | credits.refunded       | purchase_id=p1 credits=50   | 26.9  |
2026-12-21
09:00:00 | dispute.opened         | purchase_id=p1 credits=60   | 26.9  | refused: exceeds_purchase
09:01:00 | dispute.opened         | purchase_id=p1 credits=50   | -23.1 | level ok→empty
2027-01-20
09:00:00 | dispute.closed         | purchase_id=p1 outcome=lost | -23.1 |
09:01:00 | credits.refunded       | purchase_id=p1 credits=1    | -23.1 | refused: exceeds_purchase
# It is decided, and the balance is below the threshold.
09:02:00 | usage.recorded         | provider_cost=0             | -23.1 | triggered 20
"""

CAPPED_UNTIL_THE_NEXT_DAY = """
2026-11-21
10:00:00 | credits.purchased      | purchase_id=p1 credits=30              | 30   | level empty→ok
10:01:00 | auto_top_up.configured | threshold=10 amount=20 cap_day=40      | 30   |
10:02:00 | usage.recorded         | provider_cost=20                       | 8    | triggered 20
10:03:00 | credits.purchased      | purchase_id=t1 credits=20 trigger=last | 28   |
10:04:00 | usage.recorded         | provider_cost=20                       | 6    | triggered 20
10:05:00 | credits.purchased      | purchase_id=t2 credits=20 trigger=last | 26   |
10:06:00 | usage.recorded         | provider_cost=20                       | 4    | skipped (40/40 a day), level ok→low
10:07:00 | usage.recorded         | provider_cost=1                        | 2.9  |
2026-11-22
00:00:00 | auto_top_up.rechecked  |                                        | 2.9  | triggered 20
00:01:00 | credits.purchased      | purchase_id=t3 credits=20 trigger=last | 22.9 | level low→ok
"""

A_CARD_THAT_IS_DECLINED = """
2026-11-21
10:00:00 | credits.purchased      | purchase_id=p1 credits=30              | 30   | level empty→ok
10:01:00 | auto_top_up.configured | threshold=10 amount=20                 | 30   |
10:02:00 | usage.recorded         | provider_cost=20                       | 8    | triggered 20
10:03:00 | auto_top_up.failed     | trigger=last                           | 8    |
10:04:00 | auto_top_up.failed     | trigger=last suspended=yes             | 8    | suspended (card_declined)
# No storm of declines.
10:05:00 | usage.recorded         | provider_cost=1                        | 6.9  |
10:06:00 | auto_top_up.requested  | available=1                            | 6.9  |
10:07:00 | auto_top_up.resumed    |                                        | 6.9  | triggered 20
10:08:00 | credits.purchased      | purchase_id=t1 credits=20 trigger=last | 26.9 |
"""

BILLED_BY_UNITS = """
2026-11-21
10:00:00 | credits.purchased | purchase_id=p1 credits=10 | 10 | level empty→ok
# A prompt that was cached: 0.3 a million, and ten percent.
10:01:00 | usage.recorded | model=gpt-cached input_tokens=800 output_tokens=0 cache_read_tokens=800 | 9.999736 |
# From 900 input tokens on all of them cost twice as much, and no others do.
10:02:00 | usage.recorded | model=gpt-cached input_tokens=899 output_tokens=0 | 9.9967693 |
10:03:00 | usage.recorded | model=gpt-cached input_tokens=900 output_tokens=0 | 9.9908293 |
10:04:00 | usage.recorded | model=gpt-cached input_tokens=0 output_tokens=100 service_tier=priority | 9.9875293 |
10:05:00 | usage.recorded | model=gpt-cached input_tokens=0 output_tokens=0 web_searches=2 | 9.9655293 |
10:06:00 | usage.recorded | provider_cost=1 extra_cost=1 | 7.7655293 |
# What is counted twice is refused when the book prices it, and not when the event brings its cost.
10:07:00 | usage.recorded | input_tokens=5 cache_read_tokens=6 | 7.7655293 | refused: counts_do_not_nest
10:08:00 | usage.recorded | input_tokens=5 cache_read_tokens=6 provider_cost=1 | 6.6655293 |
"""

WITH_THE_CUSTOMERS_OWN_KEY = """
2026-11-21
# Five percent of what the call costs at its provider, whoever prices it; no markup; also without credits.
10:00:00 | usage.recorded | own_key=yes input_tokens=1000000 output_tokens=0           | -0.125  |
10:01:00 | usage.recorded | own_key=yes mode=tier input_tokens=1000000 output_tokens=0 | -0.25   |
10:02:00 | usage.recorded | own_key=yes provider_cost=10                               | -0.75   |
10:03:00 | usage.recorded | own_key=yes provider_cost=10 extra_cost=10                 | -1.75   |
10:04:00 | usage.recorded | own_key=no provider_cost=10                                | -12.75  |
10:05:00 | usage.recorded | own_key=yes model=unknown                                  | -12.75  | refused: unpriced
"""

STORIES = {
    "an account that tops itself up": TOPS_ITSELF_UP,
    "one that runs dry": RUNS_DRY,
    "traces beyond the package": TRACES_BEYOND_THE_PACKAGE,
    "a dispute won and one lost": A_DISPUTE_WON_AND_ONE_LOST,
    "capped until the next day": CAPPED_UNTIL_THE_NEXT_DAY,
    "a card that is declined": A_CARD_THAT_IS_DECLINED,
    "billed by units": BILLED_BY_UNITS,
    "with the customer's own key": WITH_THE_CUSTOMERS_OWN_KEY,
}


@pytest.mark.parametrize("story", STORIES)
def test_the_story_comes_true(story: str) -> None:
    assert played(STORIES[story]).splitlines() == expected(STORIES[story]).splitlines()
