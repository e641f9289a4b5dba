"""Every type of tax id that Stripe knows, by country: what it is called, how it is written, and what checks it.

Labels and forms are those of Stripe's table (docs.stripe.com/billing/customer/tax-ids). For the types that it doesn't
list yet they are the issuing authority's, and where that publishes none, no narrower than letters and digits of a
plausible length. Examples are accepted by the checks; tests see to that, and that no type of Stripe's SDK is missing.
"""

from typing import NamedTuple


class TaxIdType(NamedTuple):
    """One type of one country.

    `pattern` matches the whole number, in capitals, without spaces, dots, dashes and slashes; `form` writes it as
    Stripe expects it. `checks`: modules of python-stdnum, one of which has to accept what was written; none where
    stdnum has none, or refuses numbers that are in use. A pattern with a group `checked` has only that checked.
    """

    country: str
    type: str
    label: str
    example: str
    pattern: str
    form: str = r"\g<0>"
    checks: tuple[str, ...] = ()


def _eu(country: str, example: str, pattern: str, prefix: str | None = None) -> TaxIdType:
    """The VAT number of a member state: its prefix, which is EL for Greece, may be left out."""
    prefix = prefix or country
    return TaxIdType(
        country,
        "eu_vat",
        "European VAT number",
        example,
        f"(?:{country}|{prefix})?({pattern})",
        rf"{prefix}\1",
        ("eu.vat",),
    )


_D8, _D9, _D10, _D11, _D12, _D13, _D15 = (rf"\d{{{digits}}}" for digits in (8, 9, 10, 11, 12, 13, 15))
_CHE = r"(?:CHE)?(\d{3})(\d{3})(\d{3})"
_SPANISH = r"(?:[A-Z]\d{7}[0-9A-Z]|\d{8}[A-Z])"

_EUROPEAN_UNION = (
    _eu("AT", "ATU13585627", r"U\d{8}"),
    _eu("BE", "BE0428759497", _D10),
    _eu("BG", "BG175074752", r"\d{9,10}"),
    _eu("CY", "CY10259033P", r"\d{8}[A-Z]"),
    _eu("CZ", "CZ25123891", r"\d{8,10}"),
    _eu("DE", "DE136695976", _D9),
    _eu("DK", "DK13585628", _D8),
    _eu("EE", "EE100594102", _D9),
    _eu("ES", "ESB64717838", _SPANISH),
    _eu("FI", "FI20774740", _D8),
    _eu("FR", "FR61954506077", r"[0-9A-Z]{2}\d{9}"),
    _eu("GR", "EL094259216", _D9, "EL"),
    _eu("HR", "HR33392005961", _D11),
    _eu("HU", "HU12892312", _D8),
    _eu("IE", "IE6433435F", r"\d[0-9A-Z+*]\d{5}[A-Z]{1,2}"),
    _eu("IT", "IT00743110157", _D11),
    _eu("LT", "LT119511515", r"\d{9}(?:\d{3})?"),
    _eu("LU", "LU15027442", _D8),
    _eu("LV", "LV40003521600", _D11),
    _eu("MT", "MT11679112", _D8),
    _eu("NL", "NL004495445B01", r"\d{9}B\d{2}"),
    _eu("PL", "PL8567346215", _D10),
    _eu("PT", "PT501964843", _D9),
    _eu("RO", "RO18547290", r"\d{2,10}"),
    _eu("SE", "SE123456789701", _D12),
    _eu("SI", "SI50223054", _D8),
    _eu("SK", "SK2022749619", _D10),
)

_OTHERS = tuple(
    TaxIdType(*row)
    for row in (
        ("AD", "ad_nrt", "Andorran NRT number", "U-132950-X", r"([A-Z])(\d{6})([A-Z])", r"\1-\2-\3", ("ad.nrt",)),
        ("AE", "ae_trn", "United Arab Emirates TRN", "123456789012345", _D15),
        ("AL", "al_tin", "Albanian NIPT", "J91402501L", r"[A-Z]\d{8}[A-Z]", r"\g<0>", ("al.nipt",)),
        ("AM", "am_tin", "Armenian TIN", "02538904", _D8),
        ("AO", "ao_tin", "Angolan NIF", "5123456789", r"\d{10}|\d{9}[A-Z]{2}\d{3}"),
        ("AR", "ar_cuit", "Argentinian CUIT", "20-05536168-2", r"(\d{2})(\d{8})(\d)", r"\1-\2-\3", ("ar.cuit",)),
        ("AU", "au_abn", "Australian Business Number", "83914571673", _D11, r"\g<0>", ("au.abn",)),
        ("AU", "au_acn", "Australian Company Number", "004085616", _D9, r"\g<0>", ("au.acn",)),
        ("AU", "au_arn", "Australian Taxation Office Reference Number", "123456789123", _D12),
        ("AU", "au_wpn", "Australian Withholding Payer Number", "123456789", r"\d{8,9}"),
        ("AW", "aw_tin", "Aruban TIN", "12345678", _D8),
        ("AZ", "az_tin", "Azerbaijani VOEN", "1401555071", _D10, r"\g<0>", ("az.voen",)),
        ("BA", "ba_tin", "Bosnian tax number", "123456789012", r"\d{12,13}"),
        ("BB", "bb_tin", "Barbadian TIN", "1123456789012", _D13),
        ("BD", "bd_bin", "Bangladeshi BIN", "123456789-0123", r"(\d{9})(\d{4})", r"\1-\2"),
        ("BF", "bf_ifu", "Burkinabe IFU", "12345678A", r"\d{8}[A-Z]"),
        ("BG", "bg_uic", "Bulgarian Unified Identification Code", "175074752", _D9, r"\g<0>", ("bg.vat",)),
        ("BH", "bh_vat", "Bahraini VAT number", "123456789012345", _D15),
        ("BJ", "bj_ifu", "Beninese IFU", "1234567890123", _D13),
        ("BO", "bo_tin", "Bolivian NIT", "123456789", r"\d{5,12}"),
        (
            "BR",
            "br_cnpj",
            "Brazilian CNPJ",
            "16.727.230/0001-97",
            r"([0-9A-Z]{2})([0-9A-Z]{3})([0-9A-Z]{3})([0-9A-Z]{4})(\d{2})",
            r"\1.\2.\3/\4-\5",
            ("br.cnpj",),
        ),
        (
            "BR",
            "br_cpf",
            "Brazilian CPF",
            "390.533.447-05",
            r"(\d{3})(\d{3})(\d{3})(\d{2})",
            r"\1.\2.\3-\4",
            ("br.cpf",),
        ),
        ("BS", "bs_tin", "Bahamian TIN", "123.456.789", r"(\d{3})(\d{3})(\d{3})", r"\1.\2.\3"),
        ("BW", "bw_vat", "Botswanan VAT number", "C12345678901", r"[0-9A-Z]{8,14}"),
        ("BY", "by_tin", "Belarusian UNP", "200988541", r"[0-9A-Z]{2}\d{7}", r"\g<0>", ("by.unp",)),
        ("CA", "ca_bn", "Canadian Business Number", "123026635", _D9, r"\g<0>", ("ca.bn",)),
        ("CA", "ca_gst_hst", "Canadian GST/HST number", "123026635RT0001", r"\d{9}RT\d{4}", r"\g<0>", ("ca.bn",)),
        ("CA", "ca_pst_bc", "British Columbia PST number", "PST-1234-5678", r"PST(\d{4})(\d{4})", r"PST-\1-\2"),
        ("CA", "ca_pst_mb", "Manitoba PST number", "123456-7", r"(\d{6})(\d)", r"\1-\2"),
        ("CA", "ca_pst_sk", "Saskatchewan PST number", "1234567", r"\d{7}"),
        ("CA", "ca_qst", "Quebec QST number", "1234567890TQ1234", r"\d{10}TQ\d{4}"),
        ("CD", "cd_nif", "Congolese (DR) NIF", "A0123456M", r"[A-Z]\d{7}[A-Z]"),
        ("CH", "ch_uid", "Swiss UID", "CHE-100.155.212", _CHE + "(?:HR|RC)?", r"CHE-\1.\2.\3", ("ch.uid",)),
        (
            "CH",
            "ch_vat",
            "Swiss VAT number",
            "CHE-107.787.577 MWST",
            _CHE + "(MWST|TVA|IVA|TPV)",
            r"CHE-\1.\2.\3 \4",
            ("ch.vat",),
        ),
        ("CI", "ci_vat", "Ivorian taxpayer number", "1234567A", r"\d{7}[A-Z]"),
        (
            "CL",
            "cl_tin",
            "Chilean RUT",
            "76.086.428-5",
            r"(?:CL)?(\d{1,2})(\d{3})(\d{3})([0-9K])",
            r"\1.\2.\3-\4",
            ("cl.rut",),
        ),
        ("CM", "cm_niu", "Cameroonian NIU", "M123456789000L", r"[A-Z]\d{12}[A-Z]"),
        ("CN", "cn_tin", "Chinese tax id", "91110000600037341L", r"[0-9A-Z]{18}", r"\g<0>", ("cn.uscc", "cn.ric")),
        (
            "CO",
            "co_nit",
            "Colombian NIT",
            "213.123.432-1",
            r"(\d{1,3})(\d{3})(\d{3})(\d)",
            r"\1.\2.\3-\4",
            ("co.nit",),
        ),
        (
            "CR",
            "cr_tin",
            "Costa Rican tax id",
            "3-101-999999",
            r"(\d)(\d{3})(\d{5,8})",
            r"\1-\2-\3",
            ("cr.cpj", "cr.cpf", "cr.cr"),
        ),
        ("CV", "cv_nif", "Cape Verdean NIF", "213456789", _D9),
        ("CZ", "cz_dic", "Czech DIČ", "CZ25123891", r"(?:CZ)?(\d{8,10})", r"CZ\1", ("cz.dic",)),
        ("DE", "de_stn", "German tax number (Steuernummer)", "18181508155", r"\d{10,13}", r"\g<0>", ("de.stnr",)),
        ("DO", "do_rcn", "Dominican RNC", "101850043", r"\d{9}", r"\g<0>", ("do.rnc",)),
        ("EC", "ec_ruc", "Ecuadorian RUC", "1792060346001", _D13, r"\g<0>", ("ec.ruc",)),
        ("EG", "eg_tin", "Egyptian tax number", "100531385", _D9, r"\g<0>", ("eg.tn",)),
        ("ES", "es_cif", "Spanish NIF (CIF)", "B64717838", _SPANISH, r"\g<0>", ("es.nif",)),
        # The same form and the same check as es_cif, Stripe's changelog of 2026-07-29 says.
        ("ES", "ic_nif", "NIF of the Canary Islands", "B64717838", _SPANISH, r"\g<0>", ("es.nif",)),
        ("ET", "et_tin", "Ethiopian TIN", "1234567890", _D10),
        (
            "EU",
            "eu_oss_vat",
            "One Stop Shop VAT number, non-Union scheme",
            "EU372022452",
            r"EU\d{9}",
            r"\g<0>",
            ("eu.oss",),
        ),
        ("FO", "fo_vat", "Faroese VAT number", "FO623857", r"(?:FO)?(\d{6})", r"FO\1", ("fo.vn",)),
        ("FR", "fr_siren", "French SIREN", "404833048", _D9, r"\g<0>", ("fr.siren",)),
        ("FR", "fr_siret", "French SIRET", "73282932000074", r"\d{14}", r"\g<0>", ("fr.siret",)),
        ("FR", "fr_spi", "French SPI (NIF)", "3023217600053", _D13, r"\g<0>", ("fr.nif",)),
        (
            "GB",
            "gb_vat",
            "United Kingdom VAT number",
            "GB980780684",
            r"(?:GB)?(\d{9}(?:\d{3})?|GD\d{3}|HA\d{3})",
            r"GB\1",
            ("gb.vat",),
        ),
        ("GB", "eu_vat", "Northern Ireland VAT number", "XI980780684", r"XI(?P<checked>\d{9})", r"\g<0>", ("gb.vat",)),
        ("GE", "ge_vat", "Georgian VAT number", "123456789", r"\d{9}|\d{11}"),
        # A company's TIN, or the number of a person's Ghana Card, for which stdnum has no check.
        (
            "GH",
            "gh_tin",
            "Ghanaian TIN",
            "C0000803561",
            r"(?P<checked>[PCGQV]00\d{7}[0-9X])|GHA\d{10}",
            r"\g<0>",
            ("gh.tin",),
        ),
        ("GI", "gi_tin", "Gibraltarian TIN", "12345", r"\d{5,6}"),
        ("GN", "gn_nif", "Guinean NIF", "693770885", _D9, r"\g<0>", ("gn.nifp",)),
        ("HK", "hk_br", "Hong Kong BR number", "12345678", _D8),
        ("HR", "hr_oib", "Croatian OIB", "33392005961", _D11, r"\g<0>", ("hr.oib",)),
        (
            "HU",
            "hu_tin",
            "Hungarian tax number (adószám)",
            "12892312-1-23",
            r"(?P<checked>\d{8})(\d)(\d{2})",
            r"\1-\2-\3",
            ("hu.anum",),
        ),
        (
            "ID",
            "id_npwp",
            "Indonesian NPWP",
            "01.312.166.0-091.000",
            r"(\d{2,3})(\d{3})(\d{3})(\d)(\d{3})(\d{3})",
            r"\1.\2.\3.\4-\5.\6",
            ("id.npwp",),
        ),
        ("IL", "il_vat", "Israeli VAT number", "516179157", _D9, r"\g<0>", ("il.idnr",)),
        ("IN", "in_gst", "Indian GSTIN", "27AAPFU0939F1ZV", r"\d{2}[0-9A-Z]{13}", r"\g<0>", ("in_.gstin",)),
        ("IS", "is_kt", "Icelandic kennitala", "4504013150", _D10, r"\g<0>", ("is_.kennitala",)),
        ("IS", "is_vat", "Icelandic VAT number", "00621", r"\d{5,6}", r"\g<0>", ("is_.vsk",)),
        (
            "IT",
            "it_cf",
            "Italian Codice Fiscale",
            "RCCMNL83S18D969H",
            r"[0-9A-Z]{16}|\d{11}",
            r"\g<0>",
            ("it.codicefiscale",),
        ),
        ("JP", "jp_cn", "Japanese Corporate Number", "5835678256246", _D13, r"\g<0>", ("jp.cn",)),
        ("JP", "jp_rn", "Japanese registered foreign business number", "12345", r"\d{5}"),
        ("JP", "jp_trn", "Japanese Tax Registration Number", "T1234567891234", r"T\d{13}"),
        ("KE", "ke_pin", "Kenyan KRA PIN", "P051365947M", r"[A-Z]\d{9}[A-Z]", r"\g<0>", ("ke.pin",)),
        ("KG", "kg_tin", "Kyrgyz TIN", "12345678901234", r"\d{14}"),
        ("KH", "kh_tin", "Cambodian TIN", "1001-123456789", r"([0-9A-Z]\d{3})(\d{9})", r"\1-\2"),
        ("KR", "kr_brn", "Korean BRN", "116-82-00276", r"(\d{3})(\d{2})(\d{5})", r"\1-\2-\3", ("kr.brn",)),
        ("KZ", "kz_bin", "Kazakhstani BIN", "123456789012", _D12),
        ("LA", "la_tin", "Laotian TIN", "123456789-000", r"(\d{9})(\d{3})", r"\1-\2"),
        ("LI", "li_uid", "Liechtenstein UID", "CHE100155212", _CHE, r"CHE\1\2\3", ("ch.uid",)),
        ("LI", "li_vat", "Liechtenstein VAT number", "12345", r"\d{5}"),
        ("LK", "lk_vat", "Sri Lankan VAT number", "123456789-1234", r"(\d{9})(\d{4})", r"\1-\2"),
        ("MA", "ma_vat", "Moroccan VAT number", "12345678", r"\d{7,8}"),
        ("MD", "md_cf", "Moldovan fiscal code", "1008600038413", _D13, r"\g<0>", ("md.idno",)),
        ("MD", "md_vat", "Moldovan VAT number", "1234567", r"\d{7}"),
        ("ME", "me_pib", "Montenegrin PIB", "02655284", _D8, r"\g<0>", ("me.pib",)),
        ("MK", "mk_vat", "North Macedonian VAT number", "MK4030000375897", r"(?:MK)?(\d{13})", r"MK\1", ("mk.edb",)),
        ("MR", "mr_nif", "Mauritanian NIF", "12345678", _D8),
        ("MU", "mu_vat", "Mauritian VAT number", "20123456", r"(?:VAT)?(\d{8})", r"\1"),
        ("MX", "mx_rfc", "Mexican RFC", "MAB9307148T4", r"[A-ZÑ&]{3,4}\d{6}[0-9A-Z]{3}", r"\g<0>", ("mx.rfc",)),
        ("MY", "my_frp", "Malaysian FRP number", "12345678", _D8),
        ("MY", "my_itn", "Malaysian ITN", "C 1234567890", r"([A-Z]{1,2})(\d{8,11})", r"\1 \2"),
        ("MY", "my_sst", "Malaysian SST number", "A12-3456-78912345", r"([A-Z]\d{2})(\d{4})(\d{8})", r"\1-\2-\3"),
        ("MZ", "mz_nuit", "Mozambican NUIT", "400339910", _D9, r"\g<0>", ("mz.nuit",)),
        ("NG", "ng_tin", "Nigerian TIN", "12345678-0001", r"(\d{8})(\d{4})", r"\1-\2"),
        ("NO", "no_vat", "Norwegian VAT number", "995525828MVA", r"(?:NO)?(\d{9})MVA", r"\1MVA", ("no.mva",)),
        ("NO", "no_voec", "Norwegian VOEC number", "1234567", r"\d{7}"),
        ("NP", "np_pan", "Nepalese PAN", "123456789", _D9),
        ("NZ", "nz_bn", "New Zealand Business Number", "9429032389470", r"94\d{11}", r"\g<0>", ("ean",)),
        ("NZ", "nz_gst", "New Zealand GST number", "49098576", r"\d{8,9}", r"\g<0>", ("nz.ird",)),
        ("OM", "om_vat", "Omani VAT number", "OM1234567890", r"(?:OM)?(\d{10})", r"OM\1"),
        ("PE", "pe_ruc", "Peruvian RUC", "20512333797", _D11, r"\g<0>", ("pe.ruc",)),
        ("PH", "ph_tin", "Philippine TIN", "123456789012", r"\d{9}(?:\d{3}|\d{5})?"),
        ("PL", "pl_nip", "Polish NIP", "8567346215", _D10, r"\g<0>", ("pl.nip",)),
        ("PT", "pt_nif", "Portuguese NIF", "501964843", _D9, r"\g<0>", ("pt.nif",)),
        ("PY", "py_ruc", "Paraguayan RUC", "800280610", r"\d{5,9}", r"\g<0>", ("py.ruc",)),
        ("RO", "ro_tin", "Romanian tax id", "18547290", r"\d{2,10}|\d{13}", r"\g<0>", ("ro.cf",)),
        ("RS", "rs_pib", "Serbian PIB", "101134702", _D9, r"\g<0>", ("rs.pib",)),
        ("RU", "ru_inn", "Russian INN", "1234567894", r"\d{10}|\d{12}", r"\g<0>", ("ru.inn",)),
        ("RU", "ru_kpp", "Russian KPP", "123456789", r"\d{4}[0-9A-Z]{2}\d{3}"),
        # The Saudi authority's numbers begin and end with 3.
        ("SA", "sa_vat", "Saudi VAT number", "300000000000003", r"3\d{13}3"),
        # Of the forms M90312345A and MR-1234567-8, or the UEN.
        (
            "SG",
            "sg_gst",
            "Singaporean GST number",
            "M12345678X",
            r"M[0-9A-Z]\d{7}[0-9A-Z]|\d{8,9}[A-Z]|[A-Z]\d{2}[A-Z]{2}\d{4}[A-Z]",
        ),
        ("SG", "sg_uen", "Singaporean UEN", "197401143C", r"[0-9A-Z]{9,10}", r"\g<0>", ("sg.uen",)),
        ("SI", "si_tin", "Slovenian tax number", "50223054", _D8, r"\g<0>", ("si.ddv",)),
        ("SM", "sm_coe", "Sammarinese COE", "24165", r"\d{1,5}", r"\g<0>", ("sm.coe",)),
        ("SN", "sn_ninea", "Senegalese NINEA", "30672212G2", r"\d{7,9}(?:\d[A-Z]\d)?", r"\g<0>", ("sn.ninea",)),
        ("SR", "sr_fin", "Surinamese FIN", "1234567890", _D10),
        (
            "SV",
            "sv_nit",
            "Salvadoran NIT",
            "0614-050707-104-8",
            r"(\d{4})(\d{6})(\d{3})(\d)",
            r"\1-\2-\3-\4",
            ("sv.nit",),
        ),
        ("TH", "th_vat", "Thai tax id", "0994000617721", _D13, r"\g<0>", ("th.tin",)),
        ("TJ", "tj_tin", "Tajik TIN", "123456789", _D9),
        ("TR", "tr_tin", "Turkish tax id", "4540536920", r"\d{10,11}", r"\g<0>", ("tr.vkn", "tr.tckimlik")),
        ("TT", "tt_bir", "Trinidadian BIR number", "1234567890", r"\d{6,10}"),
        ("TT", "tt_vat", "Trinidadian VAT number", "123456", r"\d{6,10}"),
        # No check: the numbers given out since 2023 follow a wider rule than the one that stdnum knows.
        ("TW", "tw_vat", "Taiwanese UBN", "00501503", _D8),
        ("TZ", "tz_vat", "Tanzanian VAT number", "12345678A", r"\d{8}[A-Z]"),
        ("UA", "ua_vat", "Ukrainian VAT number", "123456789", r"\d{8,12}"),
        ("UG", "ug_tin", "Ugandan TIN", "1014751879", _D10),
        ("US", "us_ein", "United States EIN", "91-1144442", r"(\d{2})(\d{7})", r"\1-\2", ("us.ein",)),
        ("UY", "uy_ruc", "Uruguayan RUT", "211003420017", r"(?:UY)?(\d{12})", r"\1", ("uy.rut",)),
        ("UZ", "uz_tin", "Uzbek TIN", "123456789", _D9),
        ("UZ", "uz_vat", "Uzbek VAT number", "123456789012", _D12),
        ("VE", "ve_rif", "Venezuelan RIF", "V-11470283-4", r"([A-Z])(\d{8})(\d)", r"\1-\2-\3", ("ve.rif",)),
        ("VN", "vn_tin", "Vietnamese tax id", "0100233488", r"\d{10}(?:\d{3})?", r"\g<0>", ("vn.mst",)),
        # No check: stdnum has the one of income tax numbers, which don't begin with 4.
        ("ZA", "za_vat", "South African VAT number", "4123456789", r"4\d{9}"),
        ("ZM", "zm_tin", "Zambian TPIN", "1004751879", _D10),
        ("ZW", "zw_tin", "Zimbabwean TIN", "1234567890", _D10),
    )
)

TYPES: tuple[TaxIdType, ...] = tuple(sorted((*_EUROPEAN_UNION, *_OTHERS)))
