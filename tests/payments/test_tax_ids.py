"""Tax ids: every type that Stripe knows, what is accepted and how it is written, what is refused and why."""

import contextlib
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe.params import CustomerTaxIdCreateParams

from ledger.core.errors import LedgerError
from ledger.payments.profiles import countries as all_countries
from ledger.payments.tax_id_types import TYPES, TaxIdType
from ledger.payments.tax_ids import (
    TaxIdCheckDigitWrong,
    TaxIdCountryUnknown,
    TaxIdMalformed,
    TaxIdPartUnknown,
    TaxIdTypeUnknown,
    countries,
    normalised,
)

NAMES = [f"{kind.country} {kind.type}" for kind in TYPES]


def test_there_is_every_type_that_stripe_s_sdk_has() -> None:
    literal, _ = get_args(CustomerTaxIdCreateParams.__annotations__["type"])
    assert {kind.type for kind in TYPES} == set(get_args(literal))


def test_a_type_stands_once_in_its_country() -> None:
    assert len({(kind.country, kind.type) for kind in TYPES}) == len(TYPES)


def test_every_country_of_the_table_has_a_name() -> None:
    assert countries().keys() - all_countries().keys() == {"EU"}


@pytest.mark.parametrize("kind", TYPES, ids=NAMES)
def test_the_example_of_a_type_is_one_of_it(kind: TaxIdType) -> None:
    assert normalised(kind.country, kind.type, kind.example) == kind.example


@pytest.mark.parametrize("kind", TYPES, ids=NAMES)
def test_it_may_be_written_without_separators_and_in_small_letters(kind: TaxIdType) -> None:
    plain = re.sub(r"[ ./-]", "", kind.example).lower()
    assert normalised(kind.country, kind.type, plain) == kind.example


@pytest.mark.parametrize("kind", TYPES, ids=NAMES)
def test_what_has_not_the_form_is_refused_with_an_example(kind: TaxIdType) -> None:
    with pytest.raises(TaxIdMalformed) as refusal:
        normalised(kind.country, kind.type, kind.example + "!")
    assert refusal.value.field == "value"
    assert kind.example in str(refusal.value)


# From the documentation of python-stdnum, unless it says otherwise.
ACCEPTED = [
    ("AT", "eu_vat", "AT U13585627", "ATU13585627"),
    ("DE", "eu_vat", "136 695 976", "DE136695976"),
    ("FR", "eu_vat", "23334175221", "FR23334175221"),
    ("GR", "eu_vat", "GR 094259216", "EL094259216"),
    ("NL", "eu_vat", "NL123456789B13", "NL123456789B13"),
    ("GB", "gb_vat", "GB 980 7806 84", "GB980780684"),
    ("GB", "eu_vat", "XI 980 7806 84", "XI980780684"),
    ("CH", "ch_vat", "CHE-107.787.577 IVA", "CHE-107.787.577 IVA"),
    ("CH", "ch_uid", "100.155.212", "CHE-100.155.212"),
    ("IN", "in_gst", "27aapfu0939f1zv", "27AAPFU0939F1ZV"),
    ("BR", "br_cnpj", "12. ABC.345 /01DE–35", "12.ABC.345/01DE-35"),  # a dash as people paste it
    ("US", "us_ein", "911144442", "91-1144442"),
    ("AU", "au_abn", "83 914 571 673", "83914571673"),
    ("CL", "cl_tin", "CL 12531909-2", "12.531.909-2"),
    ("CR", "cr_tin", "3-101-999999", "3-101-999999"),
    ("DO", "do_rcn", "1-01-85004-3", "101850043"),
    ("TR", "tr_tin", "17291716060", "17291716060"),
    ("TH", "th_vat", "1-2345-45678-78-1", "1234545678781"),
    ("RO", "ro_tin", "1630615123457", "1630615123457"),
    ("MX", "mx_rfc", "GODE 561231 GR8", "GODE561231GR8"),
    ("MK", "mk_vat", "4057009501106", "MK4057009501106"),
    ("GH", "gh_tin", "GHA-123456789-0", "GHA1234567890"),  # a Ghana Card, of which only the form is checked
    ("JP", "jp_cn", "５８３５６７８２５６２４６", "5835678256246"),  # noqa: RUF001  # full-width digits
]


@pytest.mark.parametrize(("country", "kind", "entered", "written"), ACCEPTED)
def test_a_number_is_written_as_stripe_expects_it(country: str, kind: str, entered: str, written: str) -> None:
    assert normalised(country, kind, entered) == written


REFUSED = [
    ("DE", "eu_vat", "136695978", TaxIdCheckDigitWrong),
    ("DE", "eu_vat", "FR61954506077", TaxIdMalformed),
    ("BE", "eu_vat", "BE0428759498", TaxIdCheckDigitWrong),
    ("GB", "gb_vat", "802311781", TaxIdCheckDigitWrong),
    ("GB", "eu_vat", "GB980780684", TaxIdMalformed),
    ("CH", "ch_uid", "CHE-100.155.213", TaxIdCheckDigitWrong),
    ("IN", "in_gst", "27AAPFU0939F1ZO", TaxIdCheckDigitWrong),
    ("IN", "in_gst", "99AAPFU0939F1ZV", TaxIdPartUnknown),
    ("BR", "br_cnpj", "16.727.230.0001-98", TaxIdCheckDigitWrong),
    ("US", "us_ein", "07-1144442", TaxIdPartUnknown),
    ("US", "us_ein", "1144443", TaxIdMalformed),
    ("ES", "es_cif", "B64717839", TaxIdCheckDigitWrong),
    ("ES", "ic_nif", "B64717839", TaxIdCheckDigitWrong),
    ("IT", "it_cf", "RCCMNL83S18D969J", TaxIdCheckDigitWrong),
    ("HU", "hu_tin", "12892313-1-23", TaxIdCheckDigitWrong),
    ("PL", "pl_nip", "8567346216", TaxIdCheckDigitWrong),
    ("RU", "ru_inn", "1234567895", TaxIdCheckDigitWrong),
    ("TR", "tr_tin", "4540536921", TaxIdCheckDigitWrong),
    ("ZA", "za_vat", "5123456789", TaxIdMalformed),
    ("JP", "jp_cn", "٢٨٣٥٦٧٨٢٥٦٢٤٦", TaxIdMalformed),
    ("US", "us_ein", "", TaxIdMalformed),
]


@pytest.mark.parametrize(("country", "kind", "entered", "reason"), REFUSED)
def test_a_wrong_number_is_refused_with_the_reason(
    country: str, kind: str, entered: str, reason: type[LedgerError]
) -> None:
    with pytest.raises(LedgerError) as refusal:
        normalised(country, kind, entered)
    assert type(refusal.value) is reason
    assert refusal.value.field == "value"
    assert not entered or entered not in str(refusal.value)  # it is personal data


def test_a_type_belongs_to_its_country() -> None:
    with pytest.raises(TaxIdTypeUnknown, match=r"^type: .*de_stn, eu_vat"):
        normalised("DE", "us_ein", "91-1144442")
    with pytest.raises(TaxIdCountryUnknown, match="country: "):
        normalised("AQ", "eu_vat", "DE136695976")


@given(st.data(), st.sampled_from(TYPES))
def test_whatever_has_the_form_is_accepted_or_refused_with_a_reason_and_stays_as_it_is_written(
    data: st.DataObject, kind: TaxIdType
) -> None:
    entered = data.draw(st.from_regex(re.compile(kind.pattern, re.ASCII), fullmatch=True))
    written = None
    with contextlib.suppress(TaxIdCheckDigitWrong, TaxIdPartUnknown, TaxIdMalformed):
        written = normalised(kind.country, kind.type, entered)
    if written is not None:
        assert normalised(kind.country, kind.type, written) == written
