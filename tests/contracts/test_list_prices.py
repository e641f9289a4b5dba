"""Providers' list prices as prices of the book: each model costs what genai-prices itself charges, by every name."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import cache
from random import Random
from typing import Any

import pytest
from genai_prices.types import (
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from ledger.core.book import compiled
from ledger.core.price_list import PriceList
from ledger.dev.first_book import first_book
from ledger.list_prices import (
    ListPrices,
    Refreshed,
    UnknownListProvider,
    catalogue,
    list_prices,
    refreshed,
    with_prices,
)
from ledger.log.book import record_of
from schemas.book import BookVersion
from schemas.prices import Price
from schemas.signatures import SigningKey
from tests.support.list_usage import RandomCall, random_calls

SLOW = bool(os.environ.get("LEDGER_SLOW"))
CALLS = 200 if SLOW else 2
MADE_NAMES = 100
BOOK = first_book("test-1")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TWO = {"input_mtok": Decimal("2.50"), "output_mtok": Decimal(10)}
FREE = {"input_tokens": "0", "output_tokens": "0"}
# The library's own code reads the seconds of these from either count, and ours only from the wider one.
EITHER_SECONDS = {("groq", "whisper-large-v3"), ("groq", "whisper-large-v3-turbo")}


@cache
def whole() -> ListPrices:
    return list_prices(catalogue(()), "*")


@cache
def whole_book() -> BookVersion:
    return with_prices(BOOK, whole().prices, replace=True)


@cache
def whole_list() -> PriceList:
    return compiled(whole_book(), 0).prices


def test_no_model_is_skipped() -> None:
    assert whole().skipped == []
    assert len(whole().prices) == sum(len(provider.models) for provider in catalogue(()))


def test_a_model_without_a_price_is_free_and_named() -> None:
    free = {(each.provider, each.model) for each in whole().remarks}
    unpriced = {
        (provider.id, model.id)
        for provider in catalogue(())
        for model in provider.models
        if not vars(model.get_prices(NOON))
    }
    assert free == unpriced
    assert all(price.rates == FREE for price in whole().prices if (price.provider, price.model) in free)


@pytest.mark.parametrize("provider", catalogue(()), ids=lambda provider: provider.id)
def test_a_call_costs_what_the_library_charges(provider: Provider, pytestconfig: pytest.Config) -> None:
    """Exactly, as fractions. LEDGER_SLOW=1: 200 calls of each model."""
    rnd = Random(f"{pytestconfig.option.hypothesis_seed} {provider.id}")
    for model in provider.models:
        price = whole_list().find(provider.id, model.id)
        assert price is not None
        for call in random_calls(rnd, price.wire, CALLS):
            ours, theirs = call.our_cost(price), call.library_cost(model, provider)
            assert ours == theirs or refused_with_a_reason(provider.id, model.id, call, ours, theirs), (model.id, call)


def refused_with_a_reason(
    provider: str, model: str, call: RandomCall, ours: Fraction | None, theirs: Fraction | None
) -> bool:
    """The library rounds to 80 digits. It charges counts that do not nest where no price tells them apart."""
    if ours is not None:
        return theirs is not None and abs(ours - theirs) < Fraction(1, 10**60)
    return not call.nests() or ((provider, model) in EITHER_SECONDS and "audio_seconds" not in call.units)


@pytest.mark.parametrize("provider", catalogue(()), ids=lambda provider: provider.id)
def test_every_name_leads_to_the_model_that_the_library_finds(provider: Provider, pytestconfig: pytest.Config) -> None:
    """All names of the list, and some that its clauses are about. LEDGER_SLOW=1: all of these."""
    rnd = Random(f"{pytestconfig.option.hypothesis_seed} {provider.id}")
    made = sorted(made_names(provider))
    exact = [name for model in provider.models for name in (model.id, *_exact_names(model.match))]
    ids = {id(model): (each.id, model.id) for each in catalogue(()) for model in each.models}
    for name in (*exact, *(made if SLOW else rnd.sample(made, min(MADE_NAMES, len(made))))):
        theirs = provider.find_model(name, all_providers=catalogue(()))
        found = whole_list().find(provider.id, name)
        ours = found and (found.wire.provider, found.wire.model)
        # Besides, a model is found by the list's own id for it.
        by_id = theirs is None and found is not None and hyphenless(name) == hyphenless(found.wire.model)
        assert by_id or ours == (theirs and ids[id(theirs)]), name


@pytest.mark.parametrize("provider", catalogue(()), ids=lambda provider: provider.id)
def test_a_name_with_its_provider_in_front_leads_to_the_same_model(provider: Provider) -> None:
    for price in (price for price in whole().prices if price.provider == provider.id):
        for name in (price.model, *price.names):
            prefixed = f"{provider.id}/{name}"
            if provider.find_model(prefixed, all_providers=catalogue(())) is None:
                found = whole_list().find(provider.id, prefixed)
                assert found is not None
                assert found.wire == price, prefixed


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("openai", "openai/gpt-4o", "openai/gpt-4o"),
        ("openai", "gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai", "gpt-4o-20240806", "openai/gpt-4o"),
        ("anthropic", "claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5"),
        ("anthropic", "anthropic/claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5"),
        ("vertex_ai", "vertex_ai/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gemini", "gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gcp.vertex_ai", "claude-haiku-4-5", "google/claude-haiku-4-5"),
        ("azure_ai", "azure_ai/gpt-4o", "openai/gpt-4o"),
        ("azure", "gpt-5-mini", "openai/gpt-5-mini"),
        ("azure", "gpt-5-mini-20250807", "openai/gpt-5-mini"),
        ("openrouter", "openrouter/openai/gpt-4o", "openrouter/openai/gpt-4o"),
        ("anthropic", "openai/gpt-4o", None),
        ("nobody", "gpt-4o", None),
    ],
)
def test_names_as_routers_send_them(provider: str, name: str, model: str | None) -> None:
    found = whole_list().find(provider, name)
    assert (found and f"{found.wire.provider}/{found.wire.model}") == model


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        *(("vertex_ai", "google"), ("gemini", "google"), ("gcp.gemini", "google"), ("bedrock", "aws")),
        *(("aws.bedrock", "aws"), ("xai", "x-ai"), ("x_ai", "x-ai"), ("together_ai", "together")),
        *(("azure_ai", "azure"), ("azure.ai.openai", "azure"), ("fireworks_ai", "fireworks")),
    ],
)
def test_routers_names_of_providers_are_known(name: str, provider: str) -> None:
    assert (whole_book().provider_names or {})[name] == provider


def test_another_providers_model_has_the_librarys_price_there() -> None:
    """Which knows nothing of service tiers at the provider that has no price of its own."""
    found = whole_list().find("azure", "gpt-5-mini")
    assert found is not None
    assert not any(variant.attributes for variant in found.wire.variants)
    own = whole_list().find("openai", "gpt-5-mini")
    assert own is not None
    assert any(variant.attributes for variant in own.wire.variants)


def test_names_and_fallbacks_are_those_of_the_imported_providers_and_the_versions_own_stay() -> None:
    base = BOOK.model_copy(update={"provider_names": {"gemini": "mine", "other": "openai"}})
    version = with_prices(base, [price for price in whole().prices if price.provider == "google"], replace=False)
    names = version.provider_names or {}
    assert (names["gemini"], names["other"], names["vertex_ai"]) == ("mine", "openai", "google")
    assert "xai" not in names
    assert version.provider_fallbacks == {"google": ("anthropic",)}


def test_the_whole_list_is_one_record() -> None:
    assert record_of(whole_book(), SigningKey("test-1", b"secret"))


def test_all_thresholds_and_variants_are_taken() -> None:
    tiers = TieredPrices(base=Decimal(1), tiers=[Tier(200_000, Decimal(2)), Tier(400_000, Decimal("2.5"))])
    night = TimeOfDateConstraint(start_time=time(22, tzinfo=UTC), end_time=time(6, 30, tzinfo=UTC))
    found = imported(
        model(
            [
                ConditionalPrice(prices=ModelPrice(**{**TWO, "input_mtok": tiers, "web_searches_kcount": Decimal(5)})),
                ConditionalPrice(StartDateConstraint(date(2026, 12, 1)), prices=ModelPrice(**TWO)),
                ConditionalPrice(night, prices=ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(9))),
            ],
            price_variants=[
                PriceVariant({"service_tier": "flex"}, ModelPrice(input_mtok=Decimal(7))),
                PriceVariant({"speed": "fast"}, ModelPrice(input_mtok=Decimal(8))),
            ],
        )
    )
    assert found.prices[0].model_dump(mode="json", exclude_defaults=True) == {
        "provider": "p",
        "model": "m",
        "rates": {
            "input_tokens": {
                "price": "1",
                "thresholds": [{"input_tokens": 200_000, "price": "2"}, {"input_tokens": 400_000, "price": "2.5"}],
            },
            "output_tokens": "10",
            "web_searches": "5",
        },
        "variants": [
            {
                "since": "2026-12-01T00:00:00Z",
                "rates": {"web_searches": None, "input_tokens": "2.5", "output_tokens": "10"},
            },
            {
                "hours": {"start": "22:00:00", "end": "06:30:00"},
                "rates": {"web_searches": None, "input_tokens": "0", "output_tokens": "9"},
            },
            {"attributes": {"speed": "fast"}, "rates": {"input_tokens": "8"}},
            {"attributes": {"service_tier": "flex"}, "rates": {"input_tokens": "7"}},
        ],
    }


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        ({**TWO, "input_mtok": Decimal(10**9)}, "rates.input_tokens"),
        ({"output_mtok": Decimal(1), "cache_read_mtok": Decimal(1)}, "input_tokens, which it is a part of, needs one"),
    ],
)
def test_what_the_list_itself_cannot_price_is_skipped_with_the_reason(prices: dict[str, Decimal], reason: str) -> None:
    found = imported(model(prices))
    assert found.prices == []
    assert [(each.provider, each.model) for each in found.skipped] == [("p", "m")]
    assert reason in found.skipped[0].says


def test_a_pattern_chooses_among_the_names() -> None:
    both = ClauseOr(or_=[ClauseEquals(equals="m-2026"), ClauseContains(contains="mm")])
    found = imported(model(TWO, "gpt-1"), model(TWO, "o1", both), pattern="m-*")
    assert [(each.model, each.names, each.patterns) for each in found.prices] == [("o1", ("m-2026",), (".*mm.*",))]


def test_a_name_that_leads_to_another_model_is_not_taken() -> None:
    found = imported(model(TWO, "taken"), model(TWO, "m", ClauseOr(or_=[ClauseEquals("taken"), ClauseEquals("m")])))
    assert [each.names for each in found.prices] == [(), ()]


def test_an_unknown_provider_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(UnknownListProvider, match=r"opnai; there are .*openai"):
        catalogue(["openai", "opnai"])


def test_imported_prices_stand_beside_the_others_or_instead_of_them() -> None:
    new = Price(provider="openai", model="gpt-4o", rates={"input_tokens": "9", "output_tokens": "9"})
    merged = with_prices(BOOK, [new], replace=False)
    assert {each.model for each in merged.prices} == {each.model for each in BOOK.prices}
    assert new in merged.prices
    replaced = with_prices(BOOK, [new], replace=True)
    assert replaced.prices == (new,)
    assert replaced.model_copy(update={"prices": BOOK.prices, "provider_names": None}) == BOOK


def test_refreshed_prices_are_the_lists_of_models_that_the_version_has() -> None:
    assert refreshed(whole_book(), catalogue(()), "*") == Refreshed(whole_book(), len(whole().prices), [])
    by_hand = {"input_tokens": "9", "output_tokens": "9"}
    prices = [
        Price(provider="openai", model="gpt-4o-2024-08-06", names=("mine",), rates=by_hand),
        Price(provider="openai", model="of-our-own", rates=by_hand),
        Price(provider="ours", model="gpt-4o", rates=by_hand),
    ]
    found = refreshed(with_prices(BOOK, prices, replace=True), catalogue(()), "*")
    listed = whole_list().find("openai", "gpt-4o")
    assert listed is not None
    first, *others = found.version.prices
    assert first == prices[0].model_copy(update={"rates": listed.wire.rates, "variants": listed.wire.variants})
    assert (others, found.compared, found.unlisted) == (prices[1:], 1, ["openai/of-our-own"])


def model(prices: Any, id: str = "m", match: MatchLogic | None = None, **more: Any) -> ModelInfo:
    """A model of a provider's list; `prices` are those of a ModelPrice, or conditional ones."""
    prices = ModelPrice(**prices) if isinstance(prices, dict) else prices
    return ModelInfo(id=id, match=match or ClauseEquals(equals=id), prices=prices, **more)


def imported(*models: ModelInfo, pattern: str = "*") -> ListPrices:
    return list_prices([Provider(id="p", name="P", api_pattern="", models=list(models))], pattern)


def made_names(provider: Provider) -> set[str]:
    """Names that the clauses of a provider, or of those whose models it sells, are about; with dates of both forms."""
    sold = [provider, *(each for each in catalogue(()) if each.id in (provider.fallback_model_providers or ()))]
    models = [model for each in sold for model in each.models]
    names = {name for model in models for name in (model.id, *_about(model.match))}
    names |= {name.upper() for name in names} | {f"x{name}" for name in names}
    names |= {f"{name}{end}" for name in names for end in ("-20251211", "-2025-12-11", "-20251311", ":free", "-x")}
    return names | {hyphenless(name) for name in names}


def _exact_names(match: MatchLogic) -> Iterator[str]:
    if isinstance(match, ClauseEquals):
        yield match.equals
    for clause in getattr(match, "or_", ()):
        yield from _exact_names(clause)


def _about(match: MatchLogic) -> Iterator[str]:
    match match:
        case ClauseEquals():
            yield match.equals
        case ClauseStartsWith():
            yield match.starts_with
        case ClauseEndsWith():
            yield from (match.ends_with, f"a{match.ends_with}")
        case ClauseContains():
            yield from (match.contains, f"a{match.contains}b")
        case _:
            for clause in (*getattr(match, "or_", ()), *getattr(match, "and_", ())):
                yield from _about(clause)


def hyphenless(name: str) -> str:
    """The name with dates as 20251211."""
    return re.sub(r"-(20\d\d)-(\d\d)-(\d\d)", r"-\1\2\3", name.lower())
