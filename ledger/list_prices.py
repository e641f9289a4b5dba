"""Providers' list prices as prices of the book, from the data of the package genai-prices, without network.

All that the list says is imported: units, thresholds, variants by attribute, date and time of day, and names. A model
is skipped only if the list itself can't be used, with the reason. Decimals stay decimals.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import Any, NamedTuple

from genai_prices.data import providers as CATALOGUE
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from pydantic import TypeAdapter, ValidationError

from ledger.core.errors import LedgerError
from ledger.list_providers import provider_fallbacks, provider_names
from schemas.book import BookVersion
from schemas.fields import Token, faults_of
from schemas.prices import Price

_UNITS = {unit["price_key"]: name for name, unit in unit_data.items()}
_FREE = {"input_tokens": "0", "output_tokens": "0"}
# What the library has in its code, not in its data: calls of these models pay for at least so many seconds.
_SECONDS_MIN = {("groq", "whisper-large-v3"): 10, ("groq", "whisper-large-v3-turbo"): 10}
_NAME: TypeAdapter[str] = TypeAdapter(Token)


class UnknownListProvider(LedgerError):
    message = "The list prices have no such provider"


class NothingToImport(LedgerError):
    message = "No model of the list prices can be imported so"


class Remark(NamedTuple):
    """A remark about a model of the list prices."""

    provider: str
    model: str
    says: str


class ListPrices(NamedTuple):
    """`remarks`: about imported prices. `skipped`: why other models are not imported."""

    prices: list[Price]
    remarks: list[Remark]
    skipped: list[Remark]


def catalogue(names: Iterable[str]) -> list[Provider]:
    """The providers with these names, or all. Raises UnknownListProvider."""
    known = {provider.id: provider for provider in CATALOGUE}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownListProvider(f"{', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [known[name] for name in dict.fromkeys(names)] or CATALOGUE


def list_prices(providers: Iterable[Provider], pattern: str) -> ListPrices:
    """The prices of the models of which a name matches a shell pattern."""
    found = ListPrices([], [], [])
    for provider in providers:
        for model in provider.models:
            if any(fnmatchcase(name, pattern) for name in (model.id, *_exact(model.match))):
                _add(found, provider, model)
    return found


def with_prices(base: BookVersion, prices: Iterable[Price], *, replace: bool) -> BookVersion:
    """The version with these prices: instead of all others (`replace`), or in addition to those of other models.

    The imported providers get the names that routers have for them, unless the version says otherwise.
    """
    imported = list(prices)
    merged = {} if replace else {(price.provider, price.model): price for price in base.prices}
    merged |= {(price.provider, price.model): price for price in imported}
    providers = {price.provider for price in imported}
    names = provider_names(providers) | (base.provider_names or {})
    fallbacks = provider_fallbacks(providers, {provider for provider, _ in merged}) | (base.provider_fallbacks or {})
    changes = {
        "prices": tuple(merged.values()),
        "provider_names": names or None,
        "provider_fallbacks": fallbacks or None,
    }
    return base.model_copy(update=changes)


def source(day: date) -> str:
    """Where prices that were imported on a day are from, for the note of a version."""
    return f"List prices of genai-prices {version('genai-prices')}, imported on {day.isoformat()}"


class Refreshed(NamedTuple):
    """A version with the list's prices of today. `compared`: how many of its models the list has."""

    version: BookVersion
    compared: int
    unlisted: list[str]


def refreshed(base: BookVersion, providers: Iterable[Provider], pattern: str) -> Refreshed:
    """The version with the list's prices of today for the models that it has, by any name, and nothing else changed."""
    listed = {provider.id: provider for provider in providers}
    prices, compared, unlisted = [], 0, list[str]()
    for price in base.prices:
        provider = listed.get(price.provider)
        if provider is None or not fnmatchcase(price.model, pattern):
            prices.append(price)
            continue
        now = _listed(provider, price)
        if now is None:
            unlisted.append(f"{price.provider}/{price.model}")
        compared += now is not None
        prices.append(price.model_copy(update={"rates": now.rates, "variants": now.variants}) if now else price)
    return Refreshed(base.model_copy(update={"prices": tuple(prices)}), compared, unlisted)


def _listed(provider: Provider, price: Price) -> Price | None:
    """What the list has for a price of the book now; None if it no longer has the model, or no price for it."""
    by_id = next((model for model in provider.models if model.id == price.model), None)
    model = by_id or provider.find_model(price.model)
    found = ListPrices([], [], [])
    if model is not None:
        _add(found, provider, model)
    if not found.prices or (found.remarks and price.rates != _FREE):
        return None
    return found.prices[0]


def _add(found: ListPrices, provider: Provider, model: ModelInfo) -> None:
    at_least = _SECONDS_MIN.get((provider.id, model.id))
    rates = _rates(_standard(model), at_least)
    try:
        price = Price.model_validate(
            {
                "provider": provider.id,
                "model": model.id,
                "names": tuple(name for name in _names(provider, model) if name != model.id),
                "patterns": tuple(_patterns(model.match)),
                "rates": rates or _FREE,
                "variants": tuple(_variants(model, at_least)),
            }
        )
    except ValidationError as error:
        found.skipped.append(Remark(provider.id, model.id, str(faults_of(error))))
    else:
        found.prices.append(price)
        if not rates:
            found.remarks.append(Remark(provider.id, model.id, "the list has no price for it, so it is free"))


def _names(provider: Provider, model: ModelInfo) -> list[str]:
    """The exact names by which the list finds this model."""
    names = dict.fromkeys([model.id, *_exact(model.match)])
    return [name for name in names if provider.find_model(name) is model and _is_name(name)]


def _is_name(name: str) -> bool:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return True


def _exact(match: MatchLogic) -> Iterator[str]:
    if isinstance(match, ClauseEquals):
        yield match.equals
    elif isinstance(match, ClauseOr):
        for clause in match.or_:
            yield from _exact(clause)


def _patterns(match: MatchLogic) -> Iterator[str]:
    """The other names as regular expressions, one for each alternative."""
    match match:
        case ClauseOr():
            for clause in match.or_:
                yield from _patterns(clause)
        case ClauseEquals():
            return
        case ClauseStartsWith():
            yield f"{_escaped(match.starts_with)}.*"
        case ClauseEndsWith():
            yield f".*{_escaped(match.ends_with)}"
        case ClauseContains():
            yield f".*{_escaped(match.contains)}.*"
        case _:
            yield f"{_condition(match)}.*"


def _condition(match: MatchLogic) -> str:
    """A regular expression that matches at the beginning of a name, and takes nothing of it, if the clause holds."""
    match match:
        case ClauseStartsWith():
            return f"(?={_escaped(match.starts_with)})"
        case ClauseEndsWith():
            return f"(?=.*{_escaped(match.ends_with)}$)"
        case ClauseContains():
            return f"(?=.*{_escaped(match.contains)})"
        case ClauseEquals():
            return f"(?={_escaped(match.equals)}$)"
        case ClauseRegex():
            return f"(?={match.regex.removeprefix('^')})" if match.regex.startswith("^") else f"(?=.*(?:{match.regex}))"
        case ClauseAnd():
            return "".join(map(_condition, match.and_))
        case ClauseOr():
            return f"(?:{'|'.join(map(_condition, match.or_))})"


def _escaped(text: str) -> str:
    """For a regular expression of a name in lower case, in which a hyphen means nothing else."""
    return re.escape(text.lower()).replace(r"\-", "-")


def _standard(model: ModelInfo) -> ModelPrice:
    """What counts while no condition holds."""
    return model.prices if isinstance(model.prices, ModelPrice) else model.prices[0].prices


def _variants(model: ModelInfo, at_least: int | None) -> Iterator[dict[str, Any]]:
    """Conditional prices replace all; variants replace single ones, and the first of them counts, so it comes last."""
    if not isinstance(model.prices, ModelPrice):
        before = set(_rates(_standard(model), at_least))
        for conditional in model.prices:
            rates = _rates(conditional.prices, at_least)
            if conditional.constraint is not None:
                yield {**_when(conditional.constraint), "rates": {**dict.fromkeys(before - rates.keys()), **rates}}
            before |= rates.keys()
    for variant in reversed(model.price_variants or ()):
        rates = _rates(variant.prices, at_least)
        if rates:
            condition = {} if variant.constraint is None else _when(variant.constraint)
            yield {"attributes": dict(sorted(variant.when.items())), **condition, "rates": rates}


def _when(constraint: StartDateConstraint | TimeOfDateConstraint) -> dict[str, Any]:
    if isinstance(constraint, StartDateConstraint):
        return {"since": datetime.combine(constraint.start_date, time(), UTC)}
    return {"hours": {"start": _time_text(constraint.start_time), "end": _time_text(constraint.end_time)}}


def _time_text(moment: time) -> str:
    return datetime.combine(datetime.now(UTC).date(), moment).astimezone(UTC).strftime("%H:%M:%S")


def _rates(prices: ModelPrice, at_least: int | None) -> dict[str, Any]:
    given: Mapping[str, Decimal | TieredPrices] = {key: each for key, each in vars(prices).items() if each is not None}
    return {_UNITS[key]: _rate(price, at_least) for key, price in given.items()}


def _rate(price: Decimal | TieredPrices, at_least: int | None) -> Any:
    if isinstance(price, TieredPrices):
        thresholds = tuple({"input_tokens": tier.start, "price": _text(tier.price)} for tier in price.tiers)
        return {"price": _text(price.base), "thresholds": thresholds, "at_least": at_least}
    return _text(price) if at_least is None else {"price": _text(price), "at_least": at_least}


def _text(price: Decimal) -> str:
    plain = f"{price:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
