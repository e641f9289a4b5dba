"""Random logs: several accounts, several versions of the book, times that jump and run backwards, payments that don't.

A log is drawn as steps in plain words ("pay the trigger in flight, exactly, late") and then told to the oracle, which
knows what is in flight and what is left, to become concrete records. The fold has no part in it.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import strategies as st

from .oracle import Oracle, milliseconds, purchase_of, start_of, utc
from .records import KEY, UNKNOWN_TRIGGER, Data, Published, Record, Stated, Withdrawn, ms, uuid_of, wire_of

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PROVIDERS = ("stripe", "razorpay")


class Log(NamedTuple):
    """What is on the topics: the events of the book, and the records of `ledger.events` in their order."""

    book: list[Stated]
    records: list[Record]


class Step(NamedTuple):
    account: int
    wait_ms: int
    type: str
    wish: Data
    key: str  # "usual", or what to sign with instead
    schema: int = 1


# Text of money.


def _decimal(units: int, digits: int) -> str:
    """Plain decimal text, with the zeros at its end that a careless client sends."""
    return f"{Decimal(units).scaleb(-digits):f}"


def _plain(exact: Fraction) -> str:
    nanos = int(exact * 10**9)
    return ("-" if nanos < 0 else "") + _decimal(abs(nanos), 9)


CENTS = st.integers(0, 12_000).map(lambda cents: _decimal(cents, 2))
EXTREMES = ["0", "0.000000001", "0.00", "999999999.999999999", "999999999", "1000000", "1000000.000000001"]
CREDITS = st.one_of(
    CENTS, CENTS, CENTS, st.sampled_from(EXTREMES), st.integers(0, 10**11).map(lambda n: _decimal(n, 9))
)
SIGNED = st.tuples(st.sampled_from(["", "-"]), CREDITS).map("".join)
TIES = ["0.0000000005", "0.0000000015", "0.0000000025", "0.000000004545454545", "0.000000000499999999", "0.00000000500"]
COSTS = st.one_of(
    st.integers(0, 3_000).map(lambda cents: _decimal(cents, 2)),
    st.integers(0, 10**10).map(lambda pico: _decimal(pico, 12)),
    st.integers(0, 10**18).map(lambda atto: _decimal(atto, 18)),
    st.sampled_from(TIES),
    st.sampled_from([*TIES, "0", "999999999.999999999999999999", "909090.909090909"]),
)
TOKENS = st.one_of(st.integers(0, 2_000_000), st.sampled_from([0, 1, 1_000_000_000]))


# Wishes: what a step wants, before it is known what there is.


def wish(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries(fields)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


PICK = st.integers(0, 4)
NAMED = st.sampled_from([0, 0, 0, 1, 2, -1])  # -1 names something that does not exist
SHARE = st.sampled_from(["all", "all", "half", "more", "0", "1.5"])
MINOR = st.one_of(st.integers(0, 20_000), st.sampled_from([0, 10**12]))
CURRENCY = st.sampled_from(["USD", "USD", "INR"])
CAP = _maybe(st.integers(10, 200).map(str))

USAGE = wish(
    mode=st.sampled_from(["auto", "tier"]),
    model=st.sampled_from(["gpt", "gpt-cached", "gpt-cached-2026", "gpt-unknown"]),
    input_tokens=TOKENS,
    output_tokens=TOKENS,
    units=_maybe(
        st.dictionaries(
            st.sampled_from(["cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "web_searches"]),
            st.integers(0, 1_000),
        )
    ),
    attributes=_maybe(st.just({"service_tier": "priority"})),
    provider_cost=_maybe(COSTS),
    extra_cost=_maybe(COSTS),
    own_key=st.sampled_from([None, None, None, False, True]),
    metadata=_maybe(st.dictionaries(st.sampled_from(["team", "app"]), st.sampled_from(["a", "ü 漢"]))),
)
DECIDED = {"reason_code": "checked", "actor_id": "op_1"}
SPENDING = wish(cents=st.integers(0, 6_000))
WISHES: dict[str, st.SearchStrategy[Data]] = {
    "usage.recorded": USAGE,
    "usage.accepted": USAGE,
    "usage.dropped": st.just({}),
    "spending": SPENDING,
    "trace.recorded": wish(count=st.one_of(st.integers(1, 12), st.sampled_from([1_000_000]))),
    "credits.purchased": wish(number=PICK, credits=CREDITS, minor=MINOR, tax=st.integers(0, 100), currency=CURRENCY),
    "payment": wish(
        of=st.sampled_from(["in flight", "in flight", "in flight", "in flight", "earlier", "unknown"]),
        credits=_maybe(CREDITS),
        number=_maybe(PICK),
    ),
    "credits.refunded": wish(
        purchase=NAMED, share=SHARE, minor=st.sampled_from([0, 1, "all", "more"]), currency=CURRENCY
    ),
    "dispute.opened": wish(purchase=NAMED, share=SHARE),
    "dispute.closed": wish(purchase=NAMED, outcome=st.sampled_from(["won", "lost"])),
    "credits.adjusted": wish(amount=st.one_of(SIGNED, st.sampled_from(["999999999.999999999", "-999999999"]))),
    "auto_top_up.configured": wish(
        enabled=st.sampled_from([True, True, True, True, False]),
        threshold=st.one_of(st.integers(0, 60).map(str), CREDITS),
        amount=st.one_of(st.integers(5, 120).map(str), st.just("75.005"), CREDITS),
        sizing=st.sampled_from(["fixed", "target"]),
        cap_day=CAP,
        cap_month=CAP,
    ),
    "auto_top_up.failed": wish(
        of=st.sampled_from(["in flight", "in flight", "in flight", "earlier", "unknown"]), suspended=st.booleans()
    ),
    "auto_top_up.resumed": st.just({}),
    "auto_top_up.requested": wish(available=SIGNED, balance=st.none() | SIGNED),
    "auto_top_up.rechecked": wish(window=st.sampled_from(["day", "month"])),
    "account.opened": wish(package=st.sampled_from([None, "free", "pro", "gone"])),
    "account.package_changed": wish(package=st.sampled_from(["free", "pro", "gone"])),
    "invoice.issued": wish(purchase=NAMED),
    "payout.received": wish(provider=st.sampled_from(PROVIDERS), minor=MINOR, fee=st.integers(0, 300)),
}
OFTEN = [
    "usage.recorded",
    "usage.recorded",
    "trace.recorded",
    "trace.recorded",
    "payment",
    "auto_top_up.failed",
    "spending",
    "spending",
    "spending",
    "payment",
    "payment",
    "auto_top_up.configured",
    "credits.purchased",
    "dispute.opened",
]
TYPES = st.sampled_from([*WISHES, *OFTEN])
WAITS = st.one_of(
    st.integers(0, 3 * SECOND),
    st.sampled_from([0, 1, MINUTE, 5 * HOUR, DAY, 3 * DAY, 28 * DAY, -1, -10 * SECOND, -2 * DAY]),
)
KEYS = st.sampled_from([*["usual"] * 36, "none", KEY, "k2", "k9"])
SCHEMAS = st.sampled_from([1] * 39 + [2])


def _step_of(type: str) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.sampled_from([0, 0, 0, 1]), WAITS, st.just(type), WISHES[type], KEYS, SCHEMAS)


ANY_STEP = TYPES.flatmap(_step_of)
# Many logs begin with a policy that works, so that the machine has something to do.
POLICY = wish(
    enabled=st.just(True),
    threshold=st.integers(1, 50).map(str),
    amount=st.integers(50, 100).map(str),
    sizing=st.sampled_from(["fixed", "target"]),
    cap_day=_maybe(st.integers(100, 300).map(str)),
    cap_month=_maybe(st.integers(100, 600).map(str)),
)
POLICY_STEP = st.builds(
    Step, st.just(0), st.just(0), st.just("auto_top_up.configured"), POLICY, st.just("usual"), st.just(1)
)
STEPS = st.tuples(
    st.one_of(st.just([]), POLICY_STEP.map(lambda step: [step])),
    st.integers(1, 40).flatmap(lambda size: st.lists(ANY_STEP, min_size=size, max_size=size)),
).map(lambda parts: parts[0] + parts[1])
STARTS = st.sampled_from(
    ["2026-01-30T23:59:58Z", "2026-11-21T10:00:00Z", "2026-12-31T23:59:59.999Z", "2028-02-28T23:00:00Z"]
)


# The book.

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "markups": st.sampled_from([{"auto": "0", "tier": "0.5"}, {"auto": "0.123456789012345678", "tier": "1"}]),
        "trace_price": st.sampled_from(["0", "0.0000000005", "0.25", "10", "100000"]),
        "packages": st.sampled_from(
            [
                [{"name": "free", "included_traces": 3}],
                [{"name": "free", "included_traces": 0}, {"name": "pro", "included_traces": 10**12}],
            ]
        ),
        "levels": st.lists(
            st.tuples(st.sampled_from(["low", "empty", "owing"]), SIGNED),
            max_size=3,
            unique_by=(lambda level: level[0], lambda level: Decimal(level[1])),
        ).map(lambda levels: [{"name": name, "at_most": at_most} for name, at_most in levels]),
        "bounds": st.sampled_from(
            [
                {"event_credits_max": "999999999.999999999"},
                {"event_credits_max": "50", "top_up_credits_min": "1"},
                {"top_up_credits_min": "25"},
                {"usage_credits_max": "1"},
                {"usage_credits_max": "0.001"},
            ]
        ),
        "prices": st.sampled_from(
            [
                [],
                [
                    {
                        "provider": "openai",
                        "model": "gpt",
                        "rates": {"input_tokens": "0.000000000001", "output_tokens": "7"},
                    }
                ],
            ]
        ),
        "schema_versions": st.just([1, 2]),
    },
)
APPENDS = st.lists(st.sampled_from([0, SECOND, MINUTE, HOUR, DAY, 20 * DAY, 60 * DAY]), max_size=3)
NOTICES = _maybe(st.sampled_from([MINUTE, MINUTE + 1, HOUR, 2 * DAY, 30 * DAY]))
VALIDITIES = st.sampled_from(
    [{}, {"valid_from": -HOUR}, {"valid_until": HOUR}, {"valid_from": DAY, "valid_until": 9 * DAY}]
)


@st.composite
def books(draw: st.DrawFn, start_ms: int, rules: st.SearchStrategy[int]) -> list[Stated]:
    """One to four versions, the first one from the beginning, each published with its notice; some are withdrawn."""
    stated: list[Stated] = []
    announced: dict[int, int] = {}
    append_ms = start_ms - 5 * MINUTE
    for version, wait_ms in enumerate([0, *draw(APPENDS)], start=1):
        append_ms += wait_ms
        wire = wire_of(**draw(CHANGES), version=version, rules=draw(rules))
        wire["signing_keys"].append({"key_id": "k2", **_moments(draw(VALIDITIES), start_ms)})
        notice_ms = draw(NOTICES)
        if notice_ms:
            wire["effective_from"] = utc(append_ms + notice_ms).isoformat()
        stated.append(Published(wire, append_ms))
        announced[version] = start_of(wire, append_ms) if version > 1 else 0
        open_ = [number for number, begin_ms in announced.items() if begin_ms >= append_ms + MINUTE]
        if open_ and draw(st.integers(0, 3)) == 0:
            number = draw(st.sampled_from(open_))
            stated.append(Withdrawn(number, append_ms))
            del announced[number]
    return stated


def _moments(offsets: dict[str, int], start_ms: int) -> Data:
    return {name: utc(start_ms + offset).isoformat() for name, offset in offsets.items()}


RULES_1 = st.just(1)


@st.composite
def logs(draw: st.DrawFn, rules: st.SearchStrategy[int] = RULES_1) -> Log:
    """A log with its book; `rules` numbers the rules that versions ask for."""
    start_ms = ms(draw(STARTS))
    book = draw(books(start_ms, rules))
    return Log(book, _concrete(draw(STEPS), start_ms, Oracle(book)))


# From wishes to records.


def _concrete(steps: list[Step], start_ms: int, oracle: Oracle) -> list[Record]:
    records: list[Record] = []
    triggers: dict[str, list[tuple[str, Fraction]]] = {}
    now_ms = start_ms
    for number, step in enumerate(steps):
        now_ms = max(now_ms + step.wait_ms, start_ms - 3 * DAY)
        record = _record(step, number, now_ms, oracle, triggers, records)
        records.append(record)
        for effect in oracle.apply(record).get("effects", ()):
            if effect[0] == "auto_top_up.triggered":
                triggers.setdefault(record.account, []).append((effect[1], effect[2]))
    return records


def _record(
    step: Step,
    number: int,
    now_ms: int,
    oracle: Oracle,
    triggers: dict[str, list[tuple[str, Fraction]]],
    records: list[Record],
) -> Record:
    name = f"acct_{step.account}"
    if step.type == "payout.received":
        # Now and then on a provider's account that isn't its own.
        name = f"provider:{PROVIDERS[step.account]}"
    type, data = _said(step, number, oracle.account(name), triggers.get(name, []))
    usual = None if type in ("usage.recorded", "trace.recorded") else KEY
    key_id = {"usual": usual, "none": None}.get(step.key, step.key)
    id = uuid_of(number)
    if records and records[-1].key_id is None and key_id is not None:
        id = records[-1].id  # a router may have used the id of a money event
    return Record(name, type, data, id, now_ms, key_id, step.schema)


def _said(step: Step, number: int, account: dict[str, Any], triggers: list[tuple[str, Fraction]]) -> tuple[str, Data]:
    want = step.wish
    if want.get("of") == "in flight" and account["state"] != "in_flight":
        want = {"cents": 2_500}  # nothing to pay yet: spend towards the threshold
        return _said(step._replace(type="spending", wish=want), number, account, triggers)
    match step.type:
        case "usage.recorded":
            data = {"request_id": f"req_{number}", "provider": "openai", **want}
            return step.type, {field: value for field, value in data.items() if value is not None}
        case "usage.accepted":
            _, data = _said(step._replace(type="usage.recorded"), number, account, triggers)
            return step.type, {"event_id": uuid_of(0), "signed": False, "usage": data, **DECIDED}
        case "usage.dropped":
            return step.type, {"event_id": uuid_of(0), "signed": False, **DECIDED}
        case "spending":
            cost = {"provider_cost": _decimal(want["cents"], 2), "input_tokens": 1, "output_tokens": 1}
            return "usage.recorded", {"request_id": "r", "provider": "p", "model": "m", "mode": "auto", **cost}
        case "trace.recorded":
            return step.type, {"trace_id": f"trace_{number}", **want}
        case "credits.purchased":
            tax = min(want["tax"], want["minor"])
            return step.type, _purchase(f"p{want['number']}", want["credits"], want["currency"], want["minor"], tax)
        case "payment":
            return "credits.purchased", _payment(want, number, account, triggers)
        case "credits.refunded" | "dispute.opened" | "dispute.closed" | "invoice.issued":
            return step.type, _of_purchase(step.type, want, number, account)
        case "auto_top_up.failed":
            trigger_id, _ = _trigger(want["of"], account, triggers)
            return step.type, {"trigger_id": trigger_id, "reason_code": "declined", "suspended": want["suspended"]}
        case "credits.adjusted":
            return step.type, {**want, "reason_code": "goodwill", "actor_id": "op_1"}
        case "auto_top_up.resumed":
            return step.type, {"reason_code": "card_changed"}
        case "payout.received":
            paid = {"currency": "USD", "amount_minor": want["minor"], "fee_minor": want["fee"]}
            return step.type, {"provider": want["provider"], "payout_id": f"po_{number}", **paid}
    return step.type, {field: value for field, value in want.items() if value is not None}


def _purchase(purchase_id: str, credits: str, currency: str, minor: int, tax: int, **more: Any) -> Data:
    return {
        "purchase_id": purchase_id,
        "kind": "purchase",
        "credits": credits,
        "provider": "stripe",
        "provider_payment_id": f"pay_{purchase_id}",
        "charged": {"currency": currency, "amount_minor": minor, "tax_minor": tax},
        **more,
    }


def _payment(want: Data, number: int, account: dict[str, Any], triggers: list[tuple[str, Fraction]]) -> Data:
    trigger_id, credits = _trigger(want["of"], account, triggers)
    purchase_id = f"t{number}" if want["number"] is None else f"p{want['number']}"
    paid = want["credits"] or _plain(credits)
    return _purchase(purchase_id, paid, "USD", 5_000, 0, kind="auto_top_up", trigger_id=trigger_id)


def _trigger(which: str, account: dict[str, Any], triggers: list[tuple[str, Fraction]]) -> tuple[str, Fraction]:
    if which == "in flight" and account["state"] == "in_flight":
        return triggers[-1]
    if which == "earlier" and triggers:
        return triggers[0]
    return UNKNOWN_TRIGGER, Fraction(7)


def _of_purchase(type: str, want: Data, number: int, account: dict[str, Any]) -> Data:
    known = sorted({record.data["purchase_id"] for record, _, _ in account["history"] if "purchase_id" in record.data})
    if not known or want["purchase"] < 0:
        purchase_id, left, left_minor = "p_nobody", Fraction(1), 1
    else:
        purchase_id = known[want["purchase"] % len(known)]
        purchase = purchase_of(account, purchase_id) or {}
        left, left_minor = purchase["left"], purchase["left_minor"]
    data: Data = {"purchase_id": purchase_id}
    if type == "dispute.closed":
        data["outcome"] = want["outcome"]
    elif type == "invoice.issued":
        data["number"] = f"INV-{number}"
    else:
        data["credits"] = _part(want["share"], left)
    if type == "credits.refunded":
        minor = {"all": left_minor, "more": left_minor + 1}.get(want["minor"], want["minor"])
        data["provider_refund_id"] = f"re_{number}"
        data["charged"] = {"currency": want["currency"], "amount_minor": min(minor, 10**12)}
    return data


def _part(share: str, left: Fraction) -> str:
    parts = {"all": left, "half": left / 2, "more": left + Fraction(1, 10**9)}
    most = Fraction("999999999.999999999")
    return _plain(min(parts[share], most)) if share in parts else share


__all__ = ["DAY", "HOUR", "MINUTE", "SECOND", "Log", "logs", "milliseconds"]
