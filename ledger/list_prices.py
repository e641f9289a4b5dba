"""Providers' list prices as prices of the book, from the data of the package genai-prices, without network.

A model is imported if four prices per token describe it exactly. A model whose tokens sometimes cost something else
(long contexts, hours of the day, audio, images, a fee per request) is skipped, with the reason. Charges besides tokens
are noted. Decimals stay decimals: a price finer than the book's 12 digits is rounded up and noted.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import ROUND_UP, Context, Decimal
from fnmatch import fnmatchcase
from typing import NamedTuple

from genai_prices.data import providers as CATALOGUE
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ClauseEquals,
    ClauseOr,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from pydantic import ValidationError

from ledger.core.errors import LedgerError
from schemas.book import BookVersion, Price
from schemas.fields import faults_of

_FIELDS = {
    "input_mtok": "input_per_million",
    "output_mtok": "output_per_million",
    "cache_read_mtok": "cached_input_per_million",
    "cache_write_mtok": "cache_write_per_million",
}
_FINEST = Decimal("1e-12")
_FAMILIES = {unit["price_key"]: unit["dimensions"]["family"] for unit in unit_data.values()}


class UnknownListProvider(LedgerError):
    message = "The list prices have no such provider"


class NothingToImport(LedgerError):
    message = "No model of the list prices can be imported so"


class Remark(NamedTuple):
    """A remark about a model of the list prices."""

    provider: str
    model: str
    says: str


# Ends of names that requests continue, such as "ft:gpt-4o:".
_UNFINISHED = ("-", ":", "/")


class ListPrices(NamedTuple):
    """`notes`: about imported prices. `skipped`: why other models are not imported."""

    prices: list[Price]
    notes: list[Remark]
    skipped: list[Remark]


class _Inexpressible(Exception):
    """Why four prices per token do not describe a model's cost."""


def catalogue(names: Iterable[str]) -> list[Provider]:
    """The providers with these names, or all. Raises UnknownListProvider."""
    known = {provider.id: provider for provider in CATALOGUE}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownListProvider(f"{', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [known[name] for name in dict.fromkeys(names)] or CATALOGUE


def list_prices(providers: Iterable[Provider], pattern: str, at: datetime) -> ListPrices:
    """The prices at a time of the models whose name matches a shell pattern, under each exact name of the model."""
    found = ListPrices([], [], [])
    for provider in providers:
        for model in provider.models:
            names = [name for name in _names(provider, model) if fnmatchcase(name, pattern)]
            if names or fnmatchcase(model.id, pattern):
                _add(found, provider.id, model, names, at)
    return found


def with_prices(base: BookVersion, prices: Iterable[Price], *, replace: bool) -> BookVersion:
    """The version with these prices: instead of all others (`replace`), or in addition to those of other models."""
    merged = {} if replace else {(price.provider, price.model): price for price in base.prices}
    merged |= {(price.provider, price.model): price for price in prices}
    return base.model_copy(update={"prices": tuple(price for _, price in sorted(merged.items()))})


def _add(found: ListPrices, provider: str, model: ModelInfo, names: list[str], at: datetime) -> None:
    try:
        if not names:
            raise _Inexpressible("the list has no exact name that requests use")
        if "audio" in model.id and not any("audio" in key for key in _given(model.get_prices(at))):
            raise _Inexpressible("the list has a price for its text but not for its audio")
        listed = _prices_at(model, at)
        texts, notes = _texts(listed)
        made = [Price.model_validate({"provider": provider, "model": name, **texts}) for name in names]
    except _Inexpressible as reason:
        found.skipped.append(Remark(provider, model.id, str(reason)))
    except ValidationError as error:
        found.skipped.append(Remark(provider, model.id, str(faults_of(error))))
    else:
        found.prices.extend(made)
        notes += [*_variants(model), *_later(model, at)]
        found.notes.extend(Remark(provider, model.id, note) for note in notes)


def _names(provider: Provider, model: ModelInfo) -> list[str]:
    """The exact names that requests may use for the model; patterns among its names can't be listed."""
    names = dict.fromkeys([model.id, *_exact(model.match)])
    return [name for name in names if provider.find_model(name) is model and not name.endswith(_UNFINISHED)]


def _exact(match: MatchLogic) -> Iterator[str]:
    if isinstance(match, ClauseEquals):
        yield match.equals
    elif isinstance(match, ClauseOr):
        for clause in match.or_:
            yield from _exact(clause)


def _prices_at(model: ModelInfo, at: datetime) -> dict[str, Decimal]:
    """The prices, if they do not depend on the hour or the length of the context."""
    for conditional in reversed(_conditional(model)):
        if isinstance(conditional.constraint, TimeOfDateConstraint):
            raise _Inexpressible("the price depends on the time of day")
        if conditional.constraint is None or conditional.constraint.active(at):
            break
    listed = _given(model.get_prices(at)) if model.prices else {}
    tiers = sorted({tier.start for price in listed.values() if isinstance(price, TieredPrices) for tier in price.tiers})
    if tiers:
        raise _Inexpressible(f"different prices above {' and '.join(f'{start:,}' for start in tiers)} input tokens")
    return {key: price for key, price in listed.items() if isinstance(price, Decimal)}


def _texts(listed: dict[str, Decimal]) -> tuple[dict[str, str], list[str]]:
    """The fields of a Price, and notes about what they leave out."""
    if "input_mtok" not in listed:
        raise _Inexpressible("no price per input token")
    texts, notes = {"output_per_million": "0"}, []
    if "output_mtok" not in listed:
        notes.append("output has no price, so it costs nothing")
    for key, price in listed.items():
        if field := _FIELDS.get(key):
            texts[field] = _text(price)
            if Decimal(texts[field]) != price:
                notes.append(f"{field} is rounded up from {price}")
        elif key == "cache_write_1h_mtok" or _FAMILIES.get(key) == "tool_calls":
            notes.append(f"not included in the price: {key} {price}")
        else:
            raise _Inexpressible(f"a separate price for {key}")
    return texts, notes


def _text(price: Decimal) -> str:
    exact = Context(prec=60)
    plain = f"{price.quantize(_FINEST, ROUND_UP, exact):f}"
    return plain.rstrip("0").rstrip(".")


def _variants(model: ModelInfo) -> list[str]:
    """Notes about request conditions under which the tokens cost something else."""
    whens = {f"{key}={value}" for variant in model.price_variants or () for key, value in variant.when.items()}
    return [f"different prices for {', '.join(sorted(whens))}"] if whens else []


def _later(model: ModelInfo, at: datetime) -> list[str]:
    starts = [conditional.constraint for conditional in _conditional(model)]
    dates = [start.start_date for start in starts if isinstance(start, StartDateConstraint) and not start.active(at)]
    return [f"a different price from {day.isoformat()} on" for day in sorted(dates)]


def _conditional(model: ModelInfo) -> list[ConditionalPrice]:
    return model.prices if isinstance(model.prices, list) else []


def _given(prices: ModelPrice) -> dict[str, Decimal | TieredPrices]:
    return {key: price for key, price in vars(prices).items() if price is not None}
