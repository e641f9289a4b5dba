"""India's goods and services tax on an invoice: where a supply is taxed, and the names of the tax's parts.

Within one state or territory the tax has two equal parts, the centre's and the state's; otherwise it has one part.
"""

from typing import NamedTuple

ABROAD = "96 Other Country"
# The code in a GSTIN, the code in ISO 3166-2, the name.
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
_BY_NAME = {text.casefold(): code for code, iso, name in _STATES for text in (code, iso, f"IN-{iso}", name)}
# Former codes and names.
_BY_NAME |= {"ut": "05", "or": "21", "ct": "22", "tg": "36", "orissa": "21", "pondicherry": "34", "new delhi": "07"}
# Union territories without a legislature, whose part of the tax is called UTGST.
_WITHOUT_LEGISLATURE = frozenset({"04", "26", "31", "35", "38"})


class Supply(NamedTuple):
    """The place of supply as an invoice prints it, and the names of the tax's equal parts."""

    place: str
    taxes: tuple[str, ...]


def supply(supplier_gstin: str, country: str | None, state: str | None, customer_gstin: str | None) -> Supply:
    """A customer without an address is taxed where the supplier is; an Indian business where it is registered."""
    home = supplier_gstin[:2]
    if country not in (None, "IN"):
        return Supply(ABROAD, ("IGST",))
    code = customer_gstin[:2] if customer_gstin else _BY_NAME.get((state or "").strip().casefold(), home)
    if code != home:
        return Supply(_BY_CODE.get(code, code), ("IGST",))
    return Supply(_BY_CODE.get(code, code), ("CGST", "UTGST" if code in _WITHOUT_LEGISLATURE else "SGST"))
