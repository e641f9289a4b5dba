"""What can't be read or applied is a dead letter with its place and a reason, and stops nothing else."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from ledger.settings import Settings
from schemas.dead_letters import DEAD_LETTER
from schemas.signatures import SigningKey, signature_of, verifies
from schemas.topics import DEAD_LETTERS, EVENTS
from tests.support.events import Event, Ids, Place, event, json_bytes, purchase, sender, usage
from tests.support.expected import charge, home_of
from tests.support.workers import crew, records_of, wait_until_projected

IDS = Ids(3)
ACCOUNT = "acct_bad"
STRANGER = SigningKey("stranger", b"another secret")
FORGER = SigningKey("test-1", b"not the secret")


class Bad(NamedTuple):
    """A record that must not be applied, the code that says why, and words that the reason must have."""

    name: str
    code: str
    words: tuple[str, ...]
    value: bytes | None
    key: bytes | None = ACCOUNT.encode()
    headers: tuple[tuple[str, bytes | None], ...] = ()


def changed(**data: Any) -> bytes:
    return json_bytes(usage(ACCOUNT, IDS(), **data))


def without(name: str) -> bytes:
    whole = usage(ACCOUNT, IDS())
    del (whole if name in whole else whole["data"])[name]
    return json_bytes(whole)


def enveloped(**fields: Any) -> bytes:
    return json_bytes(usage(ACCOUNT, IDS()) | fields)


def signed(event: Event, key: SigningKey) -> tuple[bytes, bytes, tuple[tuple[str, bytes | None], ...]]:
    value = json_bytes(event)
    return value, event["subject"].encode(), (key.header(value),)


PAYMENT = purchase(ACCOUNT, IDS(), "1000")
GIVEN = purchase(ACCOUNT, IDS(), "5", "pur_given")
UNKNOWN = event("dispute.opened", ACCOUNT, {"purchase_id": "pur_none", "credits": "1"}, IDS())
PAYOUT_DATA = {"provider": "x", "payout_id": "po_1", "currency": "USD", "amount_minor": 1}
PAYOUT = event("payout.received", ACCOUNT, PAYOUT_DATA, IDS())
STRAY = SigningKey("stray", b"known, but not in the book")
OURS = SigningKey("test-1", b"a secret of the tests only")
HEADER = OURS.header(json_bytes(PAYMENT))
# Each of its 6,250 pairs is wrong in two ways: all reasons together are more than a message may have.
MANY_BAD = changed(metadata={f"{n:x} ": "" for n in range(6_250)}).replace(b": ", b":").replace(b", ", b",")

BAD = [
    Bad("no JSON", "invalid", ("JSON",), b"usage, I think"),
    Bad("half of a JSON", "invalid", ("JSON",), changed()[:-20]),
    Bad("a JSON list", "invalid", ("record",), b"[]"),
    Bad("not UTF-8", "invalid", ("JSON",), changed().replace(b"gpt-4o", b"gpt\xff4o")),
    Bad("NaN", "invalid", ("data.provider_cost", "string"), changed().replace(b'"0.01"', b"NaN")),
    Bad("no value", "empty", ("no value",), None),
    Bad("zero bytes", "empty", ("no value",), b""),
    Bad("900 kB", "too_large", ("bytes", "65536"), changed(metadata={"k": "x" * 900_000})),
    Bad("deeply nested", "invalid", ("record",), b"[" * 50_000),
    Bad("no type", "invalid", ("type is missing",), without("type")),
    Bad("an unknown type", "invalid", ("type is not one that the ledger knows",), enveloped(type="usage.guessed")),
    Bad("no id", "invalid", ("id: is missing",), without("id")),
    Bad("no data", "invalid", ("data: is missing",), without("data")),
    Bad("another specversion", "invalid", ("specversion", "1.0"), enveloped(specversion="0.3")),
    Bad("an unknown version", "unknown_schema_version", ("version", "9"), enveloped(dataschema="urn:usage:9")),
    Bad("a time without a zone", "invalid", ("time", "timezone"), enveloped(time="2026-11-21T10:00:00")),
    Bad("no model", "invalid", ("data.model: is missing",), without("model")),
    Bad("an unknown field", "invalid", ("data.colour: is not a field of this type",), changed(colour="red")),
    Bad("an unknown mode", "invalid", ("data.mode", "auto", "tier"), changed(mode="manual")),
    Bad("negative tokens", "invalid", ("data.input_tokens", "greater than or equal to 0"), changed(input_tokens=-1)),
    Bad("tokens as text", "invalid", ("data.input_tokens", "integer"), changed(input_tokens="5")),
    Bad("half a token", "invalid", ("data.output_tokens", "integer"), changed(output_tokens=0.5)),
    Bad("too many tokens", "invalid", ("data.output_tokens", "1000000000"), changed(output_tokens=2**63)),
    Bad(
        "more cached than input",
        "counts_do_not_nest",
        ("cache_read_tokens 1001",),
        changed(cost=None, units={"cache_read_tokens": 1001}),
    ),
    Bad("a negative cost", "invalid", ("data.provider_cost", "zero or more"), changed(cost="-0.01")),
    Bad("an exponent", "invalid", ("data.provider_cost", "without exponent"), changed(cost="1e-3")),
    Bad("a cost as a number", "invalid", ("data.provider_cost", "string"), changed(provider_cost=0.01)),
    Bad("too many digits", "invalid", ("data.provider_cost", "18 digits"), changed(cost=f"0.{'1' * 19}")),
    Bad("a huge cost", "invalid", ("data.provider_cost", "below 1,000,000,000"), changed(cost="1" * 40)),
    Bad("more than an event may cost", "amount_out_of_bounds", ("at most 1000000",), changed(cost="999999999")),
    Bad("a NUL in a name", "invalid", ("data.model", "printable ASCII"), changed(model="gpt\0")),
    Bad("a tab in a name", "invalid", ("data.model", "printable ASCII"), changed(model="gpt\t4")),
    Bad("a newline in a name", "invalid", ("data.provider", "printable ASCII"), changed(provider="open\nai")),
    Bad("a final newline", "invalid", ("data.request_id", "printable ASCII"), changed(request_id="req_1\n")),
    Bad("COPY's end mark and a newline", "invalid", ("data.model",), changed(model="\\.\n")),
    Bad("a control in metadata", "invalid", ("data.metadata.k", "control"), changed(metadata={"k": "a\tb"})),
    Bad("reasons beyond Kafka's bound", "invalid", ("more",), MANY_BAD),
    Bad("a field's name of 60 kB", "invalid", ("data.\\u20ac", "..."), changed(**{"\u20ac" * 10_000: 1})),
    Bad("a NUL in a field's name", "invalid", ("data.\\x00: is not a field",), changed(**{"\0": 1})),
    Bad("a lone surrogate", "invalid", ("JSON", "hex escape"), changed(metadata={"k": "\ud800"})),
    Bad("a lone surrogate as a field's name", "invalid", ("JSON", "surrogate"), changed(**{"\udfff": 1})),
    Bad("a model without a price", "unpriced", ("no price", "openai/gpt-99"), changed(cost=None, model="gpt-99")),
    Bad("no key", "wrong_key", ("subject", "key"), changed(), None),
    Bad("another account's key", "wrong_key", ("subject", "key"), changed(), b"acct_other"),
    Bad("a key that is no text", "wrong_key", ("subject", "key"), changed(), b"\xff\x00"),
    Bad("a path as an account", "invalid", ("subject", "letters, digits"), json_bytes(usage("../x", IDS())), b"../x"),
    Bad("an unsigned payment", "unsigned", ("ledger-signature", "credits.purchased"), json_bytes(PAYMENT)),
    Bad("a forged payment", "bad_signature", ("does not verify",), *signed(PAYMENT, FORGER)),
    Bad("a stranger's signature", "bad_signature", ("does not verify",), *signed(PAYMENT, STRANGER)),
    Bad(
        "a signature of something else",
        "bad_signature",
        ("does not verify",),
        json_bytes(PAYMENT | {"id": IDS()}),
        headers=(HEADER,),
    ),
    Bad("half a signature", "bad_signature", ("v1=",), json_bytes(PAYMENT), headers=((HEADER[0], HEADER[1][:-1]),)),
    Bad("an empty signature", "bad_signature", ("v1=",), json_bytes(PAYMENT), headers=((HEADER[0], None),)),
    Bad("two signatures", "bad_signature", ("must be one",), json_bytes(PAYMENT), headers=(HEADER, HEADER)),
    Bad("a key that the book does not know", "key_not_valid", ("signing key", "stray"), *signed(PAYMENT, STRAY)),
    Bad("a purchase credited twice", "purchase_already_credited", ("pur_given",), *signed(GIVEN | {"id": IDS()}, OURS)),
    Bad("an unknown purchase", "unknown_purchase", ("pur_none",), *signed(UNKNOWN, OURS)),
    Bad(
        "a customer's payout", "invalid", ("subject",), *signed(event("payout.received", ACCOUNT, PAYOUT, IDS()), OURS)
    ),
]


@pytest.fixture(scope="module")
def projected(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """The position of each bad record. They are folded; a good record of the same account was before and after each."""
    known = settings.signing_keys | {"stray": type(settings.signing_keys["test-1"])("known, but not in the book")}
    with crew(settings.model_copy(update={"signing_keys": known}), tmp_path_factory.mktemp("workers")) as members:
        home = home_of(ACCOUNT, settings.event_partitions)
        with sender(settings) as log:
            log.send(GIVEN)
            log.acknowledged()
            places = {}
            for bad in BAD:
                log.send(usage(ACCOUNT, IDS()))
                log.append(bad.value, bad.key, bad.headers, home)
                places[bad.name] = log.acknowledged()[-1]
            log.send(usage(ACCOUNT, IDS()))
        worker = members.start()
        wait_until_projected(settings)
        assert worker.alive, worker.output
        yield places


@pytest.fixture
def views(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database) as connection:
        yield connection


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_record_is_a_dead_letter_that_says_where_and_why(
    bad: Bad, projected: dict[str, Place], settings: Settings, views: psycopg.Connection[Any]
) -> None:
    query = "SELECT code, concat_ws(': ', field, reason), topic"
    query += " FROM views.dead_letters WHERE (partition, log_offset) = (%s, %s)"
    found = views.execute(query, projected[bad.name]).fetchone()
    assert found is not None, "no dead letter"
    code, reason, topic = found
    assert code == bad.code, reason
    assert all(word in reason for word in bad.words), reason
    assert reason.isprintable()
    assert topic == settings.topic(EVENTS)


def test_the_good_records_around_them_are_posted(projected: dict[str, Place], views: psycopg.Connection[Any]) -> None:
    query = "SELECT type, count(*), sum(amount)::bigint FROM views.entries GROUP BY type ORDER BY type"
    good = len(BAD) + 1
    wanted = [("credits.purchased", 1, 5 * 10**9), ("usage.recorded", good, -good * charge("0.01"))]
    assert views.execute(query).fetchall() == wanted
    query = "SELECT outcome, sum(records)::bigint FROM views.record_counts GROUP BY outcome ORDER BY outcome"
    assert views.execute(query).fetchall() == [("dead_letter", len(BAD)), ("posted", good + 1)]


def test_every_dead_letter_is_on_its_topic_signed_and_says_the_same_as_the_views(
    projected: dict[str, Place], settings: Settings, views: psycopg.Connection[Any]
) -> None:
    records = records_of(settings, DEAD_LETTERS, 1)
    letters = [DEAD_LETTER.validate_json(record.value).data for record in records]
    query = "SELECT topic, partition, log_offset, code, field, reason, excerpt FROM views.dead_letters"
    said = {
        (each.topic, each.partition, each.offset, each.code, each.field, each.reason, each.excerpt) for each in letters
    }
    assert said == set(views.execute(query).fetchall())
    assert len(letters) == len(BAD)
    for record in records:
        signature = signature_of(record.headers)
        assert signature is not None
        assert verifies(signature, record.value, settings.secrets)


def test_an_excerpt_shows_the_record_and_can_be_printed_anywhere(
    projected: dict[str, Place], views: psycopg.Connection[Any]
) -> None:
    excerpts = dict(views.execute("SELECT log_offset, excerpt FROM views.dead_letters").fetchall())
    assert excerpts[projected["no JSON"].offset] == "usage, I think"
    assert "gpt\\xff4o" in excerpts[projected["not UTF-8"].offset].replace("\\\\", "\\")
    assert len(excerpts[projected["900 kB"].offset]) == 500
    assert all((excerpt.isascii() and excerpt.isprintable()) or not excerpt for excerpt in excerpts.values())
