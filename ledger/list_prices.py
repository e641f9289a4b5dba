"""Providers' list prices as prices of the book, from the data of the package genai-prices, without network.

All that the list says is imported: units, thresholds, variants by attribute, date and time of day, and names. A model
is skipped only if the list itself can't be used, with the reason. Decimals stay decimals.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
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
from schemas.book import BookVersion
from schemas.fields import Token, faults_of
from schemas.prices import Price

_UNITS = {unit["price_key"]: name for name, unit in unit_data.items()}
_FREE = {"input_tokens": "0", "output_tokens": "0"}
# What the library has in its code, not in its data: these calls pay for ten seconds at least.
_TEN_SECONDS = frozenset({("groq", "whisper-large-v3"), ("groq", "whisper-large-v3-turbo")})
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
            names = _names(provider, model)
            if any(fnmatchcase(name, pattern) for name in (model.id, *names)):
                _add(found, provider.id, model, names)
    return found


def with_prices(base: BookVersion, prices: Iterable[Price], *, replace: bool) -> BookVersion:
    """The version with these prices: instead of all others (`replace`), or in addition to those of other models."""
    merged = {} if replace else {(price.provider, price.model): price for price in base.prices}
    merged |= {(price.provider, price.model): price for price in prices}
    return base.model_copy(update={"prices": tuple(merged.values())})


def _add(found: ListPrices, provider: str, model: ModelInfo, names: list[str]) -> None:
    try:
        price = Price.model_validate(
            {
                "provider": provider,
                "model": model.id,
                "names": tuple(name for name in names if name != model.id),
                "patterns": tuple(_patterns(model.match)),
                "rates": _with_minimum(_rates(_standard(model)), provider, model.id) or _FREE,
                "variants": tuple(_variants(model)),
            }
        )
    except ValidationError as error:
        found.skipped.append(Remark(provider, model.id, str(faults_of(error))))
    else:
        found.prices.append(price)
        if not _rates(_standard(model)):
            found.remarks.append(Remark(provider, model.id, "the list has no price for it, so it is free"))


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
    if isinstance(match, ClauseOr):
        for clause in match.or_:
            yield from _patterns(clause)
    elif not isinstance(match, ClauseEquals):
        yield f"{_condition(match)}.*"


def _condition(match: MatchLogic) -> str:
    """A regular expression that matches at the beginning of a name, and takes nothing of it, if the clause holds."""
    match match:
        case ClauseStartsWith():
            return f"(?={re.escape(match.starts_with.lower())})"
        case ClauseEndsWith():
            return f"(?=.*{re.escape(match.ends_with.lower())}$)"
        case ClauseContains():
            return f"(?=.*{re.escape(match.contains.lower())})"
        case ClauseEquals():
            return f"(?={re.escape(match.equals.lower())}$)"
        case ClauseRegex():
            return f"(?={match.regex.removeprefix('^')})" if match.regex.startswith("^") else f"(?=.*(?:{match.regex}))"
        case ClauseAnd():
            return "".join(map(_condition, match.and_))
        case ClauseOr():
            return f"(?:{'|'.join(map(_condition, match.or_))})"


def _standard(model: ModelInfo) -> ModelPrice:
    """What counts while no condition holds."""
    return model.prices if isinstance(model.prices, ModelPrice) else model.prices[0].prices


def _variants(model: ModelInfo) -> Iterator[dict[str, Any]]:
    """Conditional prices replace all; variants replace single ones, and the first of them counts, so it comes last."""
    if not isinstance(model.prices, ModelPrice):
        before = set(_rates(_standard(model)))
        for conditional in model.prices:
            rates = _rates(conditional.prices)
            if conditional.constraint is not None:
                yield {**_when(conditional.constraint), "rates": {**dict.fromkeys(before - rates.keys()), **rates}}
            before |= rates.keys()
    for variant in reversed(model.price_variants or ()):
        if not _rates(variant.prices):
            continue
        condition = {} if variant.constraint is None else _when(variant.constraint)
        yield {"attributes": dict(sorted(variant.when.items())), **condition, "rates": _rates(variant.prices)}


def _when(constraint: StartDateConstraint | TimeOfDateConstraint) -> dict[str, Any]:
    if isinstance(constraint, StartDateConstraint):
        return {"since": datetime.combine(constraint.start_date, time(), UTC)}
    return {"hours": {"start": _time_text(constraint.start_time), "end": _time_text(constraint.end_time)}}


def _time_text(moment: time) -> str:
    return datetime.combine(datetime.now(UTC).date(), moment).astimezone(UTC).strftime("%H:%M:%S")


def _rates(prices: ModelPrice) -> dict[str, Any]:
    given: Mapping[str, Decimal | TieredPrices] = {key: each for key, each in vars(prices).items() if each is not None}
    return {_UNITS[key]: _rate(price) for key, price in given.items()}


def _with_minimum(rates: dict[str, Any], provider: str, model: str) -> dict[str, Any]:
    if (provider, model) not in _TEN_SECONDS:
        return rates
    return {unit: {"price": rate, "at_least": 10} for unit, rate in rates.items()}


def _rate(price: Decimal | TieredPrices) -> Any:
    if isinstance(price, Decimal):
        return _text(price)
    thresholds = tuple({"input_tokens": tier.start, "price": _text(tier.price)} for tier in price.tiers)
    return {"price": _text(price.base), "thresholds": thresholds}


def _text(price: Decimal) -> str:
    plain = f"{price:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
