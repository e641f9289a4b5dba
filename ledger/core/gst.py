"""India's goods and services tax as far as an invoice shows it: where a supply is taxed, and what its parts are called.

Within one state (or territory) the tax is two halves, the centre's and the state's; across borders it is one.
"""

from typing import NamedTuple

ABROAD = "96 Other Country"
# Code of the tax's own, ISO 3166-2, name.
_STATES = tuple(
    (row[:2], row[3:5], row[6:])
    for row in """\
01 JK Jammu and Kashmir
02 HP Himachal Pradesh
03 PB Punjab
04 CH Chandigarh
05 UK Uttarakhand
06 HR Haryana
07 DL Delhi
08 RJ Rajasthan
09 UP Uttar Pradesh
10 BR Bihar
11 SK Sikkim
12 AR Arunachal Pradesh
13 NL Nagaland
14 MN Manipur
15 MZ Mizoram
16 TR Tripura
17 ML Meghalaya
18 AS Assam
19 WB West Bengal
20 JH Jharkhand
21 OD Odisha
22 CG Chhattisgarh
23 MP Madhya Pradesh
24 GJ Gujarat
26 DH Dadra and Nagar Haveli and Daman and Diu
27 MH Maharashtra
29 KA Karnataka
30 GA Goa
31 LD Lakshadweep
32 KL Kerala
33 TN Tamil Nadu
34 PY Puducherry
35 AN Andaman and Nicobar Islands
36 TS Telangana
37 AP Andhra Pradesh
38 LA Ladakh
97 OT Other Territory""".splitlines()
)
_BY_CODE = {code: f"{code} {name}" for code, _, name in _STATES}
_BY_NAME = {said.casefold(): code for code, iso, name in _STATES for said in (code, iso, f"IN-{iso}", name)}
# Codes that were in use before.
_BY_NAME |= {"ut": "05", "or": "21", "ct": "22", "tg": "36", "orissa": "21", "pondicherry": "34", "new delhi": "07"}
# Territories without a legislature: their half has a name of its own.
_WITHOUT_LEGISLATURE = frozenset({"04", "26", "31", "35", "38"})


class Supply(NamedTuple):
    """Where a supply is taxed, as an invoice says it, and the names of the tax's equal parts."""

    place: str
    taxes: tuple[str, ...]


def supply(supplier_gstin: str, country: str | None, state: str | None, customer_gstin: str | None) -> Supply:
    """Who has said no address is taxed where the supplier is; in India a registered customer where it is registered."""
    home = supplier_gstin[:2]
    if country not in (None, "IN"):
        return Supply(ABROAD, ("IGST",))
    code = customer_gstin[:2] if customer_gstin else _BY_NAME.get((state or "").strip().casefold(), home)
    if code != home:
        return Supply(_BY_CODE.get(code, code), ("IGST",))
    return Supply(_BY_CODE.get(code, code), ("CGST", "UTGST" if code in _WITHOUT_LEGISLATURE else "SGST"))
