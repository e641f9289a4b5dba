"""The recount of `ledger dev` works out the same charges as the fold, by other code, also by a model's other names."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.core.book import compiled
from ledger.core.calendar import ms_of
from ledger.core.rating import rate_usage
from ledger.dev.independent_pricing import IndependentPricing
from schemas.events import Usage

from .records import plain_book, version_of, wire_of

LONG = {"price": "3", "thresholds": [{"input_tokens": 1_000, "reached": ">", "price": "6"}]}
BATCH = {"attributes": {"processing": "batch"}, "rates": {"input_tokens": "1.5"}}
NIGHT = {"hours": {"start": "22:00", "end": "06:00"}, "weekdays": ["friday"], "rates": {"output_tokens": "7"}}
AUTUMN = {"since": "2026-09-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "rates": {"output_tokens": "14"}}
WIRE = wire_of(
    prices=[
        {
            "provider": "anthropic",
            "model": "claude",
            "names": ["claude-2026-11-01"],
            "patterns": ["claude-next.*"],
            "rates": {"input_tokens": LONG, "output_tokens": "15", "cache_read_tokens": "0.3", "web_searches": "10"},
            "variants": [AUTUMN, NIGHT, BATCH],
        }
    ],
    provider_names={"bedrock": "aws"},
    provider_fallbacks={"aws": ["anthropic"]},
)
VERSION = compiled(version_of(WIRE), 0)
RECOUNT = IndependentPricing(0, version_of(WIRE).model_dump(mode="json", exclude_none=True))
CALLS = st.fixed_dictionaries(
    {
        "provider": st.sampled_from(["anthropic", "bedrock", "aws"]),
        "model": st.sampled_from(
            ["claude", "Claude", "claude-2026-11-01", "claude-20261101", "claude-next-2", "anthropic/claude"]
        ),
        "mode": st.sampled_from(["auto", "tier"]),
        "input_tokens": st.integers(900, 1_100),
        "output_tokens": st.integers(0, 1_000),
        "units": st.sampled_from([{}, {"cache_read_tokens": 900}, {"cache_read_tokens": 7, "web_searches": 2}]),
        "attributes": st.sampled_from([{}, {"processing": "batch"}]),
        "own_key": st.booleans(),
    }
)
FIRST = datetime.fromisoformat("2026-08-01T00:30:00Z")
MOMENTS = st.integers(0, 200 * 24).map(lambda hours: FIRST + timedelta(hours=hours))


@given(CALLS, MOMENTS)
def test_both_charge_the_same(call: dict[str, Any], at: datetime) -> None:
    _, charge = rate_usage(Usage(request_id="r", **call), VERSION, ms_of(at), at)
    assert RECOUNT.usage(call, at) == charge


def test_the_plain_book_has_the_same_bound_for_both() -> None:
    book = plain_book(bounds={"usage_credits_max": "12.5"})
    wire = wire_of(bounds={"usage_credits_max": "12.5"})
    recount = IndependentPricing(0, version_of(wire).model_dump(mode="json", exclude_none=True))
    assert recount.plausible() == book.at(0).usage_nanos_max
