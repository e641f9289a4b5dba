"""The tax in its parts, what refunds return of them, and where India taxes a supply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import gst
from ledger.core.taxes import TaxPart, returned_parts, tax_parts

KARNATAKA = "29AABCU9603R1ZX"


@pytest.mark.parametrize(
    ("net", "tax", "percent", "labels", "parts"),
    [
        (85000, 0, "0", ["IGST"], []),
        (85000, 15300, "18", ["IGST"], [TaxPart("IGST", "18", 15300)]),
        (85000, 15300, "18", ["CGST", "SGST"], [TaxPart("CGST", "9", 7650), TaxPart("SGST", "9", 7650)]),
        (1003, 181, "18", ["CGST", "SGST"], [TaxPart("CGST", "9", 91), TaxPart("SGST", "9", 90)]),
        (1000, 195, "19.5", ["VAT"], [TaxPart("VAT", "19.5", 195)]),
        # The setting has changed since the customer was charged: no percentage is printed that is not true.
        (85000, 10200, "18", ["IGST"], [TaxPart("IGST", None, 10200)]),
    ],
)
def test_the_tax_in_its_parts(net: int, tax: int, percent: str, labels: list[str], parts: list[TaxPart]) -> None:
    assert tax_parts(net, tax, percent, labels) == parts
    assert sum(part.amount_minor for part in parts) == tax


def test_a_refund_returns_the_same_parts_of_the_tax() -> None:
    parts = [TaxPart("CGST", "9", 91), TaxPart("SGST", "9", 90)]
    assert returned_parts(parts, 0, 61) == [TaxPart("CGST", "9", 31), TaxPart("SGST", "9", 30)]
    assert returned_parts(parts, 61, 61) == [TaxPart("CGST", "9", 30), TaxPart("SGST", "9", 31)]
    assert returned_parts([], 0, 0) == []


@given(st.lists(st.integers(0, 500), min_size=1, max_size=12), st.integers(1, 3))
def test_refunds_of_the_whole_return_the_parts_and_never_more_in_between(taxes: list[int], count: int) -> None:
    labels = ["CGST", "SGST", "CESS"][:count]
    charged = tax_parts(5000, sum(taxes), "18", labels)
    returned = [0] * len(charged)
    for place, tax in enumerate(taxes):
        parts = returned_parts(charged, sum(taxes[:place]), tax)
        assert sum(part.amount_minor for part in parts) == tax
        returned = [so_far + part.amount_minor for so_far, part in zip(returned, parts, strict=True)]
        assert all(so_far <= part.amount_minor for so_far, part in zip(returned, charged, strict=True))
    assert returned == [part.amount_minor for part in charged]


@pytest.mark.parametrize(
    ("country", "state", "customer", "place", "taxes"),
    [
        ("IN", "Karnataka", None, "29 Karnataka", ("CGST", "SGST")),
        ("IN", "ka", None, "29 Karnataka", ("CGST", "SGST")),
        ("IN", "Maharashtra", None, "27 Maharashtra", ("IGST",)),
        ("IN", "IN-MH", None, "27 Maharashtra", ("IGST",)),
        # Where the customer is registered counts more than where its bill goes.
        ("IN", "Karnataka", "27AAPFU0939F1ZV", "27 Maharashtra", ("IGST",)),
        ("IN", "nowhere", None, "29 Karnataka", ("CGST", "SGST")),
        (None, None, None, "29 Karnataka", ("CGST", "SGST")),
        ("DE", "Berlin", None, "96 Other Country", ("IGST",)),
    ],
)
def test_where_india_taxes_a_supply(
    country: str | None, state: str | None, customer: str | None, place: str, taxes: tuple[str, ...]
) -> None:
    assert gst.supply(KARNATAKA, country, state, customer) == gst.Supply(place, taxes)


def test_the_half_of_a_territory_without_a_legislature_has_its_own_name() -> None:
    assert gst.supply("04AABCU9603R1ZX", "IN", "Chandigarh", None).taxes == ("CGST", "UTGST")
