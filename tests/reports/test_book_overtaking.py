"""What a version that was announced before undoes of a new one, and what does not count of its own."""

from typing import Any

import pytest

from ledger.core.book import Version, compiled
from ledger.reports.book_overtaking import take_over
from tests.core.records import version_of, wire_of

RATES = {"input_tokens": "2.5", "output_tokens": "10"}


def version(**changes: Any) -> Version:
    return compiled(version_of(wire_of(**prices()) | changes), 0)


def markups(auto: str) -> dict[str, Any]:
    return {"markups": {"auto": auto, "tier": "0.08"}}


def prices(*others: str, **changes: str) -> dict[str, Any]:
    gpt = {"provider": "openai", "model": "gpt", "rates": RATES | changes}
    return {"prices": [gpt, *({"provider": "openai", "model": model, "rates": RATES} for model in others)]}


def keys(*key_ids: str) -> dict[str, Any]:
    return {"signing_keys": [{"key_id": key_id} for key_id in key_ids]}


@pytest.mark.parametrize(
    ("new", "later", "undone"),
    [
        pytest.param(markups("0.2"), {}, ["auto"], id="the other one has it as it was"),
        pytest.param(markups("0.2"), markups("0.2"), [], id="the other one has it, too"),
        pytest.param(markups("0.2"), markups("0.3"), ["auto"], id="the other one changes it again"),
        pytest.param({}, markups("0.3"), [], id="the other one changes something else"),
        pytest.param(
            prices(input_tokens="3"), prices(output_tokens="20"), ["openai/gpt input_tokens"], id="one of two prices"
        ),
        pytest.param(prices("o1"), {}, ["openai/o1"], id="a model is added"),
        pytest.param({"prices": []}, {}, ["openai/gpt"], id="a model is removed"),
        pytest.param(prices(input_tokens="3"), {"prices": []}, ["openai/gpt"], id="the other one removes it"),
        pytest.param(keys("k2"), {}, [], id="keys are not undone"),
    ],
)
def test_what_the_new_version_changes_is_undone_where_the_other_one_differs(
    new: dict[str, Any], later: dict[str, Any], undone: list[str]
) -> None:
    found = take_over(version(), version(**new), version(**later))
    assert ([each.name for each in found.undone], found.keys, found.conflicts) == (undone, [], bool(undone))


@pytest.mark.parametrize(
    ("new", "later", "lost"),
    [
        pytest.param(keys("k1"), keys("k1", "k2"), ["k2"], id="it adds a key"),
        pytest.param(keys("k1"), keys("k2"), ["k1", "k2"], id="it retires one for another"),
        pytest.param(keys("k1", "k2"), keys("k1", "k2"), [], id="both add the same"),
        pytest.param(keys("k2"), keys("k1"), [], id="only the new one changes keys"),
    ],
)
def test_keys_that_the_other_one_changes_do_not_count(
    new: dict[str, Any], later: dict[str, Any], lost: list[str]
) -> None:
    found = take_over(version(), version(**new), version(**later))
    assert (sorted(each.name for each in found.keys), found.conflicts) == (lost, bool(lost))
