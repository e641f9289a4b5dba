"""What may be said: bad input is refused with a reason naming the field, good input passes and keeps its identity."""

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import EVENT, EVENT_TYPES, ROUTER_TYPES, Event
from schemas.fields import faults_of, json_of
from schemas.identity import content_of, derived_id, event_id_of
from schemas.money import format_nanos, parse_attos, parse_nanos
from schemas.signatures import SIGNATURE_HEADER, SigningKey, signature_of, verifies

Wire = dict[str, Any]
CHARGED = {"currency": "USD", "amount_minor": 1_000, "tax_minor": 190}
TRIGGER = "00000000-0000-5000-8000-000000000001"

GOOD: dict[str, Wire] = {
    "usage.recorded": {
        "request_id": "req_9",
        "provider": "openai",
        "model": "gpt-4o",
        "mode": "auto",
        "input_tokens": 374,
        "output_tokens": 44,
        "provider_cost": "0.001375",
    },
    "usage.accepted": {
        "event_id": "00000000-0000-7000-8000-000000000001",
        "signed": False,
        "usage": {
            "request_id": "req_1",
            "provider": "openai",
            "model": "gpt-4o",
            "mode": "auto",
            "input_tokens": 10**9,
            "output_tokens": 0,
        },
        "reason_code": "checked",
        "actor_id": "op_1",
    },
    "usage.dropped": {
        "event_id": "00000000-0000-7000-8000-000000000001",
        "signed": False,
        "reason_code": "checked",
        "actor_id": "op_1",
    },
    "trace.recorded": {"trace_id": "trace_1", "count": 3},
    "credits.purchased": {
        "purchase_id": "p1",
        "kind": "purchase",
        "credits": "10",
        "provider": "stripe",
        "provider_payment_id": "pi_1",
        "charged": CHARGED,
        "fx_rate": "1",
        "description": "Credit top-up via Razorpay (₹850)",
    },
    "credits.refunded": {"purchase_id": "p1", "provider_refund_id": "re_1", "credits": "1", "charged": CHARGED},
    "dispute.opened": {"purchase_id": "p1", "credits": "1"},
    "dispute.closed": {"purchase_id": "p1", "outcome": "won"},
    "credits.adjusted": {"amount": "-0.5", "reason_code": "goodwill", "actor_id": "op_1"},
    "auto_top_up.configured": {"enabled": True, "threshold": "50", "amount": "200", "cap_day": "400"},
    "auto_top_up.failed": {"trigger_id": TRIGGER, "reason_code": "card_declined", "suspended": True},
    "auto_top_up.resumed": {"reason_code": "card_changed"},
    "auto_top_up.requested": {"available": "-0.25"},
    "auto_top_up.rechecked": {"window": "day"},
    "account.opened": {"package": "pro"},
    "account.package_changed": {"package": "pro"},
    "invoice.issued": {"number": "INV-1", "purchase_id": "p1"},
    "payout.received": {"provider": "stripe", "payout_id": "po_1", "currency": "USD", "amount_minor": 970},
    "log.recovered": {"records": 3, "topics": [{"name": "ledger.events", "topic_id": "x3xX"}]},
}


def _wire(type: str = "usage.recorded", *, envelope: Wire | None = None, **data: Any) -> bytes:
    """A good event of the type with some of its data changed; `...` leaves a field out."""
    subject = {"payout.received": "provider:stripe", "log.recovered": "ledger:log"}.get(type, "acct_42")
    base = {"specversion": "1.0", "type": type, "source": "router/eu-1", "id": "id-1", "subject": subject}
    changed = {name: value for name, value in {**GOOD[type], **data}.items() if value is not ...}
    whole = {**base, "data": changed, **(envelope or {})}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def _reasons(wire: bytes) -> str:
    with pytest.raises(ValidationError) as refusal:
        EVENT.validate_json(wire)
    return str(faults_of(refusal.value))


# Form.


@pytest.mark.parametrize("type", EVENT_TYPES)
def test_a_good_event_of_each_type_passes(type: str) -> None:
    assert EVENT.validate_json(_wire(type)).type == type


@pytest.mark.parametrize("type", EVENT_TYPES)
def test_no_type_takes_a_field_that_it_does_not_know(type: str) -> None:
    assert _reasons(_wire(type, surprise=1)) == "data.surprise: is not a field of this type"


@pytest.mark.parametrize(
    ("type", "field"),
    [
        (type, field)
        for type, cls in EVENT_TYPES.items()
        for field, info in cls.model_fields["data"].annotation.model_fields.items()
        if info.is_required()
    ],
)
def test_no_required_field_may_be_missing(type: str, field: str) -> None:
    assert _reasons(_wire(type, **{field: ...})) == f"data.{field}: is missing"


@pytest.mark.parametrize("field", ["source", "id", "subject", "data"])
def test_no_required_part_of_the_envelope_may_be_missing(field: str) -> None:
    assert _reasons(_wire(envelope={field: ...})) == f"{field}: is missing"


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param(b"", "Invalid JSON", id="nothing"),
        pytest.param(b"{", "Invalid JSON", id="half an object"),
        pytest.param(b"usage,42", "Invalid JSON", id="another format"),
        pytest.param(_wire()[:-2], "Invalid JSON", id="cut off"),
        pytest.param(_wire().replace(b"gpt-4o", b"gpt\xff4o"), "Invalid JSON", id="not UTF-8"),
        pytest.param(_wire(model="\ud800"), "Invalid JSON", id="a lone surrogate"),
        pytest.param(_wire(metadata={"a": "\udfff"}), "Invalid JSON", id="a lone surrogate in metadata"),
        pytest.param(
            _wire(input_tokens=1).replace(b": 1,", b": 1" + b"0" * 5_000 + b","), "Invalid JSON", id="huge number"
        ),
        pytest.param(_wire(envelope={"x": json.loads("[" * 900 + "]" * 900)}), "Invalid JSON", id="bottomless nesting"),
        pytest.param(b"[]", "record:", id="a list"),
        pytest.param(b"null", "record:", id="null"),
        pytest.param(b'"usage.recorded"', "record:", id="a text"),
        pytest.param(_wire(envelope={"type": ...}), "record: type is missing", id="no type"),
        pytest.param(_wire(envelope={"type": "usage.invented"}), "record: type is not one", id="unknown type"),
        pytest.param(_wire(envelope={"type": 7}), "record: type is not one", id="a type that is no text"),
        pytest.param(_wire(envelope={"data": None}), "data:", id="data is null"),
        pytest.param(_wire(envelope={"data": []}), "data:", id="data is a list"),
        pytest.param(_wire(envelope={"specversion": "0.3"}), "specversion:", id="older CloudEvents"),
        pytest.param(_wire(envelope={"subject": ""}), "subject:", id="empty account"),
        pytest.param(_wire(envelope={"subject": "provider:stripe"}), "subject:", id="usage of a provider"),
        pytest.param(_wire(envelope={"subject": "a/../b"}), "subject:", id="an account that is a path"),
        pytest.param(_wire(envelope={"subject": "a" * 129}), "subject:", id="a long account"),
        pytest.param(_wire(envelope={"id": ""}), "id:", id="empty id"),
        pytest.param(_wire(envelope={"id": 7}), "id:", id="an id that is a number"),
        pytest.param(_wire(envelope={"id": "a\x00"}), "id:", id="NUL in an id"),
        pytest.param(_wire(envelope={"source": "a b"}), "source:", id="a space in a source"),
        pytest.param(_wire(envelope={"time": "yesterday"}), "time:", id="no time"),
        pytest.param(_wire(envelope={"time": "2026-11-21T10:00:00"}), "time:", id="time without zone"),
        pytest.param(_wire(envelope={"dataschema": "urn:ledger:usage"}), "dataschema:", id="no version"),
        pytest.param(_wire(envelope={"dataschema": "urn:ledger:usage:0"}), "dataschema:", id="version 0"),
        pytest.param(_wire(envelope={"datacontenttype": "text/xml"}), "datacontenttype:", id="another content type"),
        pytest.param(
            _wire("payout.received", envelope={"subject": "acct_42"}), "subject:", id="a payout of an account"
        ),
    ],
)
def test_what_is_no_event_is_refused(wire: bytes, reason: str) -> None:
    assert reason in _reasons(wire)


@pytest.mark.parametrize(
    ("type", "field", "value"),
    [
        pytest.param("usage.recorded", "input_tokens", -1, id="negative tokens"),
        pytest.param("usage.recorded", "output_tokens", 1_000_000_001, id="too many tokens"),
        pytest.param("usage.recorded", "input_tokens", 1.0, id="tokens as a float"),
        pytest.param("usage.recorded", "input_tokens", "1", id="tokens as text"),
        pytest.param("usage.recorded", "input_tokens", True, id="tokens as a truth"),
        pytest.param("usage.recorded", "input_tokens", None, id="tokens as null"),
        pytest.param("usage.recorded", "units", {"cache_read_tokens": -1}, id="negative count"),
        pytest.param("usage.recorded", "provider_cost", 0.01, id="cost as a float"),
        pytest.param("usage.recorded", "provider_cost", 1, id="cost as an integer"),
        pytest.param("usage.recorded", "provider_cost", "-0.01", id="negative cost"),
        pytest.param("usage.recorded", "provider_cost", "1e-3", id="cost with an exponent"),
        pytest.param("usage.recorded", "provider_cost", "1E5", id="cost with a capital exponent"),
        pytest.param("usage.recorded", "provider_cost", "1000000000", id="a huge cost"),
        pytest.param("usage.recorded", "provider_cost", "0." + "1" * 19, id="a cost with 19 digits"),
        pytest.param("usage.recorded", "provider_cost", ".5", id="cost without a digit before the point"),
        pytest.param("usage.recorded", "provider_cost", "5.", id="cost without a digit after the point"),
        pytest.param("usage.recorded", "provider_cost", "05", id="cost with a zero before"),
        pytest.param("usage.recorded", "provider_cost", "+5", id="cost with a plus"),
        pytest.param("usage.recorded", "provider_cost", " 5", id="cost with a space"),
        pytest.param("usage.recorded", "provider_cost", "5\n", id="cost with a newline"),
        pytest.param("usage.recorded", "provider_cost", "1,000", id="cost with a comma"),
        pytest.param("usage.recorded", "provider_cost", "1_000", id="cost with an underscore"),
        pytest.param("usage.recorded", "provider_cost", "\u0665", id="cost in other digits"),
        pytest.param("usage.recorded", "provider_cost", "NaN", id="cost that is no number"),
        pytest.param("usage.recorded", "provider_cost", "Infinity", id="endless cost"),
        pytest.param("usage.recorded", "provider_cost", "", id="empty cost"),
        pytest.param("usage.recorded", "mode", "turbo", id="unknown mode"),
        pytest.param("usage.recorded", "model", "gpt\x00", id="NUL in a name"),
        pytest.param("usage.recorded", "model", "gpt\t4", id="tab in a name"),
        pytest.param("usage.recorded", "model", "gpt-4\n", id="newline after a name"),
        pytest.param("usage.recorded", "provider", "", id="empty name"),
        pytest.param("usage.recorded", "provider", "a" * 129, id="long name"),
        pytest.param("usage.recorded", "request_id", "ü", id="a name that is not ASCII"),
        pytest.param("usage.recorded", "metadata", {str(n): "x" for n in range(17)}, id="much metadata"),
        pytest.param("usage.recorded", "metadata", {"a": 1}, id="metadata that is no text"),
        pytest.param("usage.recorded", "metadata", {"a b": "x"}, id="a space in a metadata key"),
        pytest.param("usage.recorded", "metadata", {"a": "x\x7f"}, id="a control character in metadata"),
        pytest.param("trace.recorded", "count", 0, id="no trace"),
        pytest.param("trace.recorded", "count", 1_000_001, id="too many traces"),
        pytest.param("credits.purchased", "credits", "-1", id="negative purchase"),
        pytest.param("credits.purchased", "credits", "0.0000000001", id="credits with 10 digits"),
        pytest.param("credits.purchased", "credits", 10, id="credits as a number"),
        pytest.param("credits.purchased", "kind", "gift", id="unknown kind"),
        pytest.param("credits.purchased", "provider", "Stripe", id="a provider in capitals"),
        pytest.param("credits.purchased", "charged", {**CHARGED, "currency": "usd"}, id="currency in lower case"),
        pytest.param("credits.purchased", "charged", {**CHARGED, "amount_minor": -1}, id="negative money"),
        pytest.param("credits.purchased", "charged", {**CHARGED, "amount_minor": 9.5}, id="half a cent"),
        pytest.param("credits.purchased", "charged", {**CHARGED, "tax_minor": 1_001}, id="more tax than money"),
        pytest.param("credits.purchased", "charged", {**CHARGED, "tip_minor": 1}, id="unknown money"),
        pytest.param("credits.purchased", "description", "a\nb", id="newline in a description"),
        pytest.param("credits.purchased", "description", "", id="empty description"),
        pytest.param("credits.purchased", "trigger_id", TRIGGER.replace("0", "A"), id="a UUID in capitals"),
        pytest.param("credits.adjusted", "amount", "--1", id="two signs"),
        pytest.param("credits.adjusted", "reason_code", "Good Will", id="a code that is prose"),
        pytest.param("dispute.closed", "outcome", "draw", id="unknown outcome"),
        pytest.param("auto_top_up.configured", "enabled", "true", id="a truth as text"),
        pytest.param("auto_top_up.configured", "sizing", "some", id="unknown sizing"),
        pytest.param("auto_top_up.failed", "trigger_id", "none", id="no trigger"),
        pytest.param("auto_top_up.rechecked", "window", "year", id="unknown window"),
    ],
)
def test_a_bad_value_is_refused_and_the_reason_names_its_field(type: str, field: str, value: Any) -> None:
    reasons = _reasons(_wire(type, **{field: value}))
    assert all(reason.startswith(f"data.{field}") for reason in reasons.split("; "))


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        pytest.param({"kind": "auto_top_up"}, False, id="a top-up without its trigger"),
        pytest.param({"trigger_id": TRIGGER}, False, id="a purchase with a trigger"),
        pytest.param({"kind": "auto_top_up", "trigger_id": TRIGGER}, True, id="a top-up with its trigger"),
    ],
)
def test_a_trigger_belongs_to_an_auto_top_up(changes: Wire, whole: bool) -> None:
    wire = _wire("credits.purchased", **changes)
    if whole:
        assert EVENT.validate_json(wire).data.trigger_id == TRIGGER
    else:
        assert "trigger_id" in _reasons(wire)


def test_a_reason_names_every_bad_field_and_repeats_no_value() -> None:
    reasons = _reasons(_wire(model="secret\x00", input_tokens=-424242, provider_cost="1e99"))
    assert [reason.split(":")[0] for reason in reasons.split("; ")] == [
        "data.model",
        "data.input_tokens",
        "data.provider_cost",
    ]
    assert not any(value in reasons for value in ("secret", "424242", "1e99"))


def test_reasons_are_bounded_however_much_is_wrong() -> None:
    many = _reasons(_wire(**{f"x{n}": n for n in range(1_000)}))
    assert many.startswith("data.x0: is not a field of this type; data.x1: ")
    assert many.endswith("data.x19: is not a field of this type; and 980 more")
    assert len(_reasons(_wire(**{"\u20ac" * 10_000: 1}))) < 2_100


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param({"traceparent": "00-4bf9-01"}, id="an attribute"),
        pytest.param({"retries": 3, "nested": {"a": [1]}}, id="of any form"),
        pytest.param({"datacontenttype": "application/json; charset=utf-8"}, id="a content type"),
        pytest.param({"time": "2026-11-21T10:00:00.123Z"}, id="a time"),
        pytest.param({"id": "Bestellung № 7"}, id="an id in any script"),
    ],
)
def test_extension_attributes_pass_and_are_no_content(envelope: Wire) -> None:
    plain, extended = (EVENT.validate_json(_wire(envelope=each)) for each in ({}, envelope))
    assert content_of(extended) == content_of(plain)


@pytest.mark.parametrize(
    ("dataschema", "version"),
    [
        (..., 1),
        (None, 1),
        ("urn:ledger:usage.recorded:1", 1),
        ("https://example.com/usage/27", 27),
        ("urn:x:9999", 9999),
    ],
)
def test_the_version_of_the_schema_is_its_last_segment(dataschema: Any, version: int) -> None:
    assert EVENT.validate_json(_wire(envelope={"dataschema": dataschema})).schema_version == version


@pytest.mark.parametrize("type", EVENT_TYPES)
def test_an_event_is_the_same_after_a_round_trip(type: str) -> None:
    event = EVENT.validate_json(_wire(type))
    assert EVENT.validate_json(json_of(event)) == event
    assert json_of(EVENT.validate_json(json_of(event))) == json_of(event)


def test_only_usage_and_traces_are_of_routers() -> None:
    assert {"usage.recorded", "trace.recorded"} == ROUTER_TYPES


# Money.

NANOS = st.integers(-(10**18 - 1), 10**18 - 1)


@given(NANOS)
def test_formatting_and_parsing_nanos_is_a_round_trip_and_agrees_with_decimal(nanos: int) -> None:
    text = format_nanos(nanos)
    assert parse_nanos(text) == nanos
    assert Decimal(text) == Decimal(nanos).scaleb(-9)
    assert "e" not in text.lower()
    assert not ("." in text and text.endswith(("0", ".")))


@given(NANOS)
def test_every_amount_that_is_formatted_can_be_said(nanos: int) -> None:
    wire = _wire("credits.adjusted", amount=format_nanos(nanos))
    assert EVENT.validate_json(wire).data.amount == format_nanos(nanos)


@given(st.from_regex(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,18})?", fullmatch=True))
def test_parsing_attos_agrees_with_decimal(text: str) -> None:
    assert Decimal(parse_attos(text)).scaleb(-18) == Decimal(text)
    assert EVENT.validate_json(_wire(provider_cost=text)).data.provider_cost == text


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (-1, "-0.000000001"),
        (1_500_000_000, "1.5"),
        (-10_000_000_000, "-10"),
        (10**18 - 1, "999999999.999999999"),
    ],
)
def test_an_amount_is_formatted_as_the_shortest_plain_decimal(nanos: int, text: str) -> None:
    assert format_nanos(nanos) == text


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0.000000000"])
def test_a_negative_zero_is_zero(text: str) -> None:
    assert parse_nanos(text) == 0


# Signatures.

VALUE = b'{"type":"credits.adjusted"}'
KEY = SigningKey("k1", b"secret")
SECRETS = {"k1": b"secret", "k2": b"another"}
RIGHT = KEY.header(VALUE)[1]


def _verified(headers: list[tuple[str, bytes | None]], value: bytes = VALUE) -> bool | str:
    """Whether the value is proven, or why there is nothing that could prove it."""
    try:
        signature = signature_of(headers)
    except ValueError:
        return "malformed"
    return verifies(signature, value, SECRETS) if signature else "unsigned"


@pytest.mark.parametrize(
    ("headers", "verified"),
    [
        pytest.param([(SIGNATURE_HEADER, RIGHT)], True, id="right"),
        pytest.param([("trace", b"x"), (SIGNATURE_HEADER, RIGHT), ("trace", b"y")], True, id="among others"),
        pytest.param([(SIGNATURE_HEADER, RIGHT.replace(b"k1", b"k2"))], False, id="another key's name"),
        pytest.param([(SIGNATURE_HEADER, RIGHT.replace(b"k1", b"k3"))], False, id="a key without a secret"),
        pytest.param([SigningKey("k1", b"guess").header(VALUE)], False, id="wrong secret"),
        pytest.param([KEY.header(VALUE + b" ")], False, id="of another value"),
        pytest.param([], "unsigned", id="no header"),
        pytest.param([(SIGNATURE_HEADER, RIGHT), (SIGNATURE_HEADER, RIGHT)], "malformed", id="two headers"),
        pytest.param([(SIGNATURE_HEADER.title(), RIGHT)], "unsigned", id="another header"),
        pytest.param([(SIGNATURE_HEADER, None)], "malformed", id="null"),
        pytest.param([(SIGNATURE_HEADER, b"")], "malformed", id="empty"),
        pytest.param([(SIGNATURE_HEADER, RIGHT[:-1])], "malformed", id="cut off"),
        pytest.param([(SIGNATURE_HEADER, RIGHT + b"\n")], "malformed", id="newline after it"),
        pytest.param([(SIGNATURE_HEADER, RIGHT.upper())], "malformed", id="in capitals"),
        pytest.param([(SIGNATURE_HEADER, RIGHT.replace(b"v1", b"v2"))], "malformed", id="another version"),
        pytest.param([(SIGNATURE_HEADER, RIGHT.replace(b"k1", b"k:1"))], "malformed", id="a colon in the key"),
        pytest.param([(SIGNATURE_HEADER, RIGHT.replace(b"k1", "kü".encode()))], "malformed", id="not ASCII"),
        pytest.param([(SIGNATURE_HEADER, RIGHT.replace(b"k1", b"\xff\xfe"))], "malformed", id="not even UTF-8"),
    ],
)
def test_a_signature_proves_a_value_or_nothing(headers: list[tuple[str, bytes | None]], verified: bool | str) -> None:
    assert _verified(headers) == verified


def test_a_signature_is_hmac_sha256_as_any_client_makes_it() -> None:
    # echo -n '{"type":"credits.adjusted"}' | openssl dgst -sha256 -hmac secret
    assert RIGHT == b"v1=k1:57e129f843b7117ee5d03860d388e349df522398ed660c6150802b099e98e9b8"


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_no_changed_bit_of_a_value_goes_unseen(value: bytes, place: int) -> None:
    headers: list[tuple[str, bytes | None]] = [KEY.header(value)]
    assert _verified(headers, value) is True
    changed = bytearray(value or b"\0")
    changed[place // 8 % len(changed)] ^= 1 << place % 8
    assert _verified(headers, bytes(changed)) is False


# Identity.


@pytest.mark.parametrize(
    ("raw_id", "event_id"),
    [
        pytest.param("019aa3f2-0000-7000-8000-00000000abcd", "019aa3f2-0000-7000-8000-00000000abcd", id="a UUID"),
        pytest.param("019AA3F2-0000-7000-8000-00000000ABCD", "019aa3f2-0000-7000-8000-00000000abcd", id="in capitals"),
    ],
)
def test_a_uuid_is_its_own_id(raw_id: str, event_id: str) -> None:
    assert event_id_of("router/eu-1", raw_id) == event_id


@pytest.mark.parametrize(
    "raw_id",
    [
        pytest.param("req_9", id="a name"),
        pytest.param("019aa3f2000070008000-00000000abcd", id="a UUID with hyphens left out"),
        pytest.param("{019aa3f2-0000-7000-8000-00000000abcd}", id="a UUID in braces"),
        pytest.param("019aa3f2-0000-7000-8000-00000000abcd ", id="a UUID and a space"),
        pytest.param("Bestellung № 7", id="any script"),
    ],
)
def test_another_id_becomes_uuid5_of_source_and_id(raw_id: str) -> None:
    event_id = event_id_of("router/eu-1", raw_id)
    assert uuid.UUID(event_id).version == 5
    assert str(uuid.UUID(event_id)) == event_id
    assert event_id == event_id_of("router/eu-1", raw_id)
    assert len({event_id, event_id_of("router/eu-2", raw_id), event_id_of("router/eu-1", raw_id + "x")}) == 3


def test_ids_are_what_they_were_when_they_were_first_made() -> None:
    """They are in the log and in keys at providers: a change of the way they are made counts everything again."""
    assert event_id_of("router/eu-1", "req_9") == "af00d044-b0fc-56bb-b934-02e7088a01ba"
    assert derived_id("acct_42", "signed", "req_9") == "34dc9574-13f3-5197-9975-5345f16e8839"


def _content(wire: bytes) -> str:
    return content_of(EVENT.validate_json(wire))


def _shuffled(wire: bytes) -> bytes:
    """The same JSON with every object's keys the other way round, and much space."""

    def reversed_keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return value

    return json.dumps(reversed_keys(json.loads(wire)), indent=3).encode()


@pytest.mark.parametrize("type", EVENT_TYPES)
def test_content_is_the_same_in_any_order_and_spacing(type: str) -> None:
    wire = _wire(type)
    assert _shuffled(wire) != wire
    assert _content(_shuffled(wire)) == _content(wire)


def test_content_is_the_same_in_any_order_of_metadata() -> None:
    wire = _wire(metadata={"team": "a", "app": "b", "Zone": "ü"})
    assert _content(_shuffled(wire)) == _content(wire)
    assert list(EVENT.validate_json(wire).data.metadata) == ["Zone", "app", "team"]


def test_an_optional_field_may_be_null_or_absent() -> None:
    assert _content(_wire(api_key_id=None)) == _content(_wire())


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "req_10"},
        {"input_tokens": 375},
        {"units": {}},
        {"provider_cost": "0.001376"},
        {"provider_cost": ...},
        {"metadata": {"a": "b"}},
        {"mode": "tier"},
    ],
)
def test_other_content_has_another_hash(changes: Wire) -> None:
    assert _content(_wire(**changes)) != _content(_wire())


def test_equal_data_of_another_type_is_other_content() -> None:
    assert _content(_wire("account.opened")) != _content(_wire("account.package_changed"))


def test_every_type_has_its_class() -> None:
    assert {cls.model_fields["type"].default for cls in Event.__args__} == set(EVENT_TYPES) == set(GOOD)
