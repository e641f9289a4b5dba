"""Whether a call may run, by random prices: what a refusal says is true when it is taken at its word."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.core.book import Version
from ledger.core.rating import Call, Estimate
from ledger.core.spending import Ask, affordable_tokens, ask_of, granted

from .records import plain_book

PRICE = st.one_of(
    st.integers(0, 10**6).map(lambda milli: f"{milli // 1000}.{milli % 1000:03}"),
    st.sampled_from(["0", "0", "0.000000001", "0.0001", "999999999"]),
)
CALLS = st.builds(
    lambda input_tokens, cached, reasoning, own_key: Call(
        *("openai", "random", "auto", input_tokens),
        {"cache_read_tokens": min(cached, input_tokens), "output_reasoning_tokens": reasoning},
        own_key=own_key,
    ),
    st.integers(0, 300_000),
    st.integers(0, 300_000),
    st.sampled_from([0, 0, 0, 500]),
    st.booleans(),
)
OUTPUT = st.one_of(st.integers(0, 5), st.integers(0, 200_000))


def version_with(fee: str, **rates: Any) -> Version:
    price = {"provider": "openai", "model": "random", "rates": rates}
    return plain_book(prices=[price], own_key_fee=fee).at(0)


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    """The estimate of some call by some prices, with a threshold and a cached price."""
    long = {"price": draw(PRICE), "thresholds": [{"input_tokens": 200_000, "price": draw(PRICE)}]}
    cheap = draw(PRICE)
    version = version_with(draw(PRICE), input_tokens=long, cache_read_tokens=cheap, output_tokens=draw(PRICE))
    return Estimate(version, draw(CALLS), 0)


@st.composite
def fundings(draw: st.DrawFn) -> tuple[Estimate, int, int]:
    """An estimate, the output that is wished for, and what is available: often near what it takes."""
    estimate, wish = draw(estimates()), draw(OUTPUT)
    near = estimate.charge(draw(st.integers(0, max(wish, 1)))) + draw(st.integers(-2, 2))
    return estimate, wish, draw(st.one_of(st.just(near), st.integers(-(10**9), 10**12), st.sampled_from([-1, 0, 1])))


def _runs(estimate: Estimate, tokens: int, available: int) -> bool:
    return granted(available, ask_of(estimate, tokens, clamp=False)) is not None


@given(fundings())
def test_the_affordable_output_is_granted_and_one_token_more_is_not(funding: tuple[Estimate, int, int]) -> None:
    estimate, wish, available = funding
    tokens = affordable_tokens(estimate, available, wish)
    assert 0 <= tokens <= wish
    if tokens or _runs(estimate, 0, available):
        assert estimate.charge(tokens) <= max(available, 0)
        assert _runs(estimate, tokens, available)
    assert tokens == wish or not _runs(estimate, tokens + 1, available)


@given(fundings(), st.booleans())
def test_who_has_what_is_required_is_not_refused(funding: tuple[Estimate, int, int], clamp: bool) -> None:
    estimate, wish, available = funding
    ask = ask_of(estimate, wish, clamp=clamp)
    refused = granted(available, ask) is None
    assert refused == (ask.wanted > 0 and available < ask.least)
    if refused:
        assert granted(ask.least, ask) is not None
        assert clamp or affordable_tokens(estimate, available, wish) < wish or not _runs(estimate, wish, available)


@given(fundings())
@example(
    (Estimate(version_with("0", input_tokens="0", output_tokens="0"), Call("openai", "random", "auto", 9), 0), 9, -1)
)
def test_a_clamped_call_gets_the_output_that_a_refusal_would_have_named(funding: tuple[Estimate, int, int]) -> None:
    estimate, wish, available = funding
    grant = granted(available, ask_of(estimate, wish, clamp=True))
    if grant is not None:
        tokens = affordable_tokens(estimate, grant, wish)
        assert tokens == affordable_tokens(estimate, available, wish) or estimate.charge(wish) == grant
        assert tokens >= min(1, wish)
    else:
        assert not _runs(estimate, 1, available) or estimate.charge(1) == 0


@pytest.mark.parametrize("available", [-(10**12), -1, 0, 1])
def test_what_costs_nothing_runs_whatever_is_available(available: int) -> None:
    free = Estimate(version_with("0", input_tokens="0", output_tokens="0"), Call("openai", "random", "auto", 500), 0)
    own = Estimate(plain_book(own_key_fee="0").at(0), Call("openai", "gpt", "auto", 500, own_key=True), 0)
    for estimate in (free, own):
        assert granted(available, ask_of(estimate, 1000, clamp=False)) == 0
        assert affordable_tokens(estimate, available, 1000) == 1000


def test_an_own_key_is_estimated_at_the_books_fee() -> None:
    call = Call("openai", "gpt", "auto", 1_000_000)
    book = plain_book().at(0)
    assert Estimate(book, call, 0).charge(0) == 2_750_000_000
    assert Estimate(book, call._replace(own_key=True), 0).charge(0) == 125_000_000  # 5 % of 2.5


def test_a_request_for_nothing_only_renews() -> None:
    assert granted(-5, Ask(0, 0)) == 0
