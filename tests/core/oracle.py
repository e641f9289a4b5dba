"""The oracle: what DESIGN.md says an account's history adds up to, in exact fractions, sharing no code with the fold.

It is slow and simple on purpose: everything but the top-up machine is recomputed from the account's accepted records
whenever it is asked. It knows all reasons for which a record may be refused; the fold may name any one of them.
"""

import uuid
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any

from .records import Published, Record, Stated

Verdict = dict[str, Any]

NANO = Fraction(1, 10**9)
MOST = Fraction("999999999.999999999")  # the largest amount that the language can say
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMESPACE = uuid.UUID("6f1b6e1c-6c0b-5f0e-9d5c-2f6a3f0a7c11")
MAY_BE_UNSIGNED = {"usage.recorded", "trace.recorded"}
MAY_TRIGGER = {
    "usage.recorded",
    "usage.accepted",
    "trace.recorded",
    "credits.purchased",
    "auto_top_up.configured",
    "auto_top_up.requested",
    "auto_top_up.resumed",
    "auto_top_up.rechecked",
}


class Oracle:
    """Told every record in order, it answers `{"refused": reasons}` or what was posted, as fractions of credits."""

    def __init__(self, stated: list[Stated]) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.starts: dict[int, int] = {}
        self.wires: dict[int, dict[str, Any]] = {}
        for each in stated:
            if isinstance(each, Published):
                number = each.wire["version"]
                self.wires[number] = each.wire
                start = start_of(each.wire, each.append_ms) if number > 1 else -(10**15)
                self.starts = {other: its for other, its in self.starts.items() if its != start} | {number: start}
            else:
                self.starts.pop(each.number, None)

    def book_at(self, time_ms: int) -> dict[str, Any]:
        """Walks through all that took effect, in the order of their effect; keys only change to a later number's."""
        found: dict[str, Any] = {}
        keys_of = 0
        for start, number in sorted((start, number) for number, start in self.starts.items()):
            if start <= time_ms:
                keys_of = max(keys_of, number)
                found = {**self.wires[number], "signing_keys": self.wires[keys_of]["signing_keys"]}
        return found

    def account(self, name: str) -> dict[str, Any]:
        return self.accounts.get(name) or {
            "history": [],
            "time": 0,
            "level": None,
            "package": None,
            "state": "armed",
            "trigger": None,
            "policy": None,
        }

    def apply(self, record: Record) -> Verdict:
        account = dict(self.account(record.account))
        now = max(record.append_ms, account["time"])
        book = self.book_at(now)
        if not account["history"]:
            account.update(level=level_of(book, Fraction(0)), package=book["default_package"])
        reasons = refusals(record, account, now, book)
        if reasons:
            return {"refused": reasons}
        verdict = posted(record, account, now, book)
        balance = balance_of(account) + verdict["amount"]
        reasons = out_of_bounds(verdict.get("kept aside", verdict["amount"]), balance, book)
        if reasons:
            return {"refused": reasons}
        verdict["balance"] = balance
        account["history"] = [*account["history"], (record, now, verdict)]
        account["time"] = now
        if record.type in ("account.opened", "account.package_changed"):
            account["package"] = record.data.get("package") or account["package"]
        verdict["effects"] = []
        kept_aside = verdict.pop("kept aside", None)
        if kept_aside is not None:
            verdict["effects"].append(("usage.quarantined", record.id, kept_aside))
        else:
            verdict["effects"] += machine(record, account, now, book, balance)
        level = level_of(book, balance)
        if level != account["level"] and not record.account.startswith("provider:"):
            verdict["effects"].append(("balance.level_changed", account["level"], level, balance))
        account["level"] = level
        self.accounts[record.account] = account
        return verdict


# Time and the book.


def milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def utc(time_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=time_ms)


def same_window(window: str, one_ms: int, other_ms: int) -> bool:
    one, other = utc(one_ms), utc(other_ms)
    return one.date() == other.date() if window == "day" else (one.year, one.month) == (other.year, other.month)


def opening_of_next(window: str, time_ms: int) -> int:
    now = utc(time_ms)
    if window == "day":
        return milliseconds(datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1))
    return milliseconds(datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC))


def bounds(book: dict[str, Any]) -> tuple[Fraction, Fraction]:
    given = book.get("bounds", {})
    return Fraction(given.get("event_credits_max", "1000000")), Fraction(given.get("top_up_credits_min", "5"))


def level_of(book: dict[str, Any], balance: Fraction) -> str:
    reached = [
        (Fraction(level["at_most"]), level["name"])
        for level in book.get("levels", [])
        if balance <= Fraction(level["at_most"])
    ]
    return min(reached)[1] if reached else "ok"


def key_is_valid(book: dict[str, Any], key_id: str, now: int) -> bool:
    for key in book["signing_keys"]:
        if key["key_id"] == key_id:
            since, until = key.get("valid_from"), key.get("valid_until")
            started = not since or milliseconds(datetime.fromisoformat(since)) <= now
            ended = until and milliseconds(datetime.fromisoformat(until)) <= now
            return started and not ended
    return False


# What the history adds up to.


def balance_of(account: dict[str, Any]) -> Fraction:
    return sum((verdict["amount"] for _, _, verdict in account["history"]), Fraction(0))


def traces_in_month(account: dict[str, Any], now: int) -> int:
    return sum(
        record.data["count"]
        for record, at, _ in account["history"]
        if record.type == "trace.recorded" and same_window("month", at, now)
    )


def auto_bought_in(window: str, account: dict[str, Any], now: int) -> Fraction:
    bought = (
        Fraction(record.data["credits"])
        for record, at, _ in account["history"]
        if record.type == "credits.purchased" and record.data["kind"] == "auto_top_up" and same_window(window, at, now)
    )
    return min(sum(bought, Fraction(0)), MOST)


def purchase_of(account: dict[str, Any], purchase_id: str) -> dict[str, Any] | None:
    """What a purchase was and what is left of it, or None."""
    found: dict[str, Any] | None = None
    for record, _, _ in account["history"]:
        data = record.data
        if data.get("purchase_id") != purchase_id:
            continue
        if record.type == "credits.purchased":
            found = {
                "credits": Fraction(data["credits"]),
                "left": Fraction(data["credits"]),
                "minor": data["charged"]["amount_minor"],
                "left_minor": data["charged"]["amount_minor"],
                "provider": data["provider"],
                "currency": data["charged"]["currency"],
                "dispute": None,
            }
        elif record.type == "credits.refunded":
            found["left"] -= Fraction(data["credits"])
            found["left_minor"] -= data["charged"]["amount_minor"]
        elif record.type == "dispute.opened":
            credits = Fraction(data["credits"])
            found["dispute"] = credits, disputed_minor(found, credits)
            found["left"] -= found["dispute"][0]
            found["left_minor"] -= found["dispute"][1]
        elif record.type == "dispute.closed":
            if data["outcome"] == "won":
                found["left"] += found["dispute"][0]
                found["left_minor"] += found["dispute"][1]
            found["dispute"] = None
    return found


def disputed_minor(purchase: dict[str, Any], credits: Fraction) -> int:
    return min(round(purchase["minor"] * credits / purchase["credits"]), purchase["left_minor"])


def open_disputes(account: dict[str, Any]) -> int:
    kinds = [record.type for record, _, _ in account["history"]]
    return kinds.count("dispute.opened") - kinds.count("dispute.closed")


# Money.


def exact_cost(data: dict[str, Any], book: dict[str, Any]) -> Fraction | None:
    extra = Fraction(data.get("extra_cost") or 0)
    if data.get("provider_cost") is not None:
        return Fraction(data["provider_cost"]) + extra
    price = price_of(data, book)
    return None if price is None else listed_cost(data, price) + extra


def price_of(data: dict[str, Any], book: dict[str, Any]) -> dict[str, Any] | None:
    for price in book["prices"]:
        if price["provider"] == data["provider"] and data["model"] in (price["model"], *price.get("names", [])):
            return price
    return None


def listed_cost(data: dict[str, Any], price: dict[str, Any]) -> Fraction:
    """By hand for the units that the plain book knows: what is read from the cache, written to it, and searched."""
    rates = dict(price["rates"])
    for variant in price.get("variants", []):
        if variant["attributes"].items() <= (data.get("attributes") or {}).items():
            rates |= variant["rates"]
    units = data.get("units") or {}
    read, written, an_hour = (units.get(f"cache_{kind}_tokens", 0) for kind in ("read", "write", "write_1h"))
    cost, million = Fraction(0), Fraction(1, 1_000_000)
    if "cache_read_tokens" in rates:
        plain = data["input_tokens"] - read - written
        cost += read * Fraction(rates["cache_read_tokens"]) * million
        cost += (written - an_hour) * Fraction(rates["cache_write_tokens"]) * million
        cost += an_hour * Fraction(rates["cache_write_1h_tokens"]) * million
        cost += Fraction(units.get("web_searches", 0), 1_000) * Fraction(rates["web_searches"])
    else:
        plain = data["input_tokens"]
    cost += plain * input_rate(rates["input_tokens"], data["input_tokens"]) * million
    return cost + data["output_tokens"] * Fraction(rates["output_tokens"]) * million


def input_rate(rate: Any, tokens: int) -> Fraction:
    if isinstance(rate, str):
        return Fraction(rate)
    (threshold,) = rate["thresholds"]  # of this many tokens, or more
    return Fraction(threshold["price"] if tokens >= threshold["input_tokens"] else rate["price"])


def miscounted(data: dict[str, Any], price: dict[str, Any]) -> bool:
    units = data.get("units") or {}
    read, an_hour = units.get("cache_read_tokens", 0), units.get("cache_write_1h_tokens", 0)
    written = units.get("cache_write_tokens")
    if written is None and an_hour and "cache_write_tokens" in price["rates"]:
        return True
    return read + (an_hour if written is None else max(written, an_hour)) > data["input_tokens"] or (
        written is not None and an_hour > written
    )


def to_nanos(exact: Fraction) -> Fraction:
    """Rounded once, half to even (which is what Python's round does to a Fraction)."""
    return round(exact / NANO) * NANO


def charge_of(data: dict[str, Any], cost: Fraction, book: dict[str, Any]) -> Fraction:
    if data.get("own_key"):
        return to_nanos(cost * Fraction(book.get("own_key_fee", "0")))
    return to_nanos(cost * (1 + Fraction(book["markups"][data["mode"]])))


def our_cost(data: dict[str, Any], cost: Fraction) -> Fraction:
    return Fraction(0) if data.get("own_key") else to_nanos(cost)


def posted(record: Record, account: dict[str, Any], now: int, book: dict[str, Any]) -> Verdict:
    data = record.data
    verdict: Verdict = {"amount": Fraction(0), "cost": Fraction(0), "free_traces": 0, "money": None}
    if record.type == "usage.recorded":
        cost = exact_cost(data, book)
        charge = charge_of(data, cost, book)
        if charge <= Fraction(book.get("bounds", {}).get("usage_credits_max", "500")):
            verdict.update(amount=-charge, cost=our_cost(data, cost))
        else:
            verdict["kept aside"] = charge
    elif record.type == "usage.accepted":
        cost = exact_cost(data["usage"], book)
        verdict.update(amount=-charge_of(data["usage"], cost, book), cost=our_cost(data["usage"], cost))
    elif record.type == "trace.recorded":
        included = {package["name"]: package["included_traces"] for package in book["packages"]}
        left = max(included.get(account["package"], 0) - traces_in_month(account, now), 0)
        free = min(left, data["count"])
        verdict.update(amount=-to_nanos((data["count"] - free) * Fraction(book["trace_price"])), free_traces=free)
    elif record.type == "credits.adjusted":
        verdict["amount"] = Fraction(data["amount"])
    elif record.type == "credits.purchased":
        paid = data["charged"]
        money = (data["provider"], paid["currency"], paid["amount_minor"], paid.get("tax_minor", 0), 0)
        verdict.update(amount=Fraction(data["credits"]), money=money)
    elif record.type == "payout.received":
        fee = data.get("fee_minor", 0)
        verdict["money"] = (data["provider"], data["currency"], -data["amount_minor"] - fee, 0, fee)
    elif record.type in ("credits.refunded", "dispute.opened", "dispute.closed"):
        verdict.update(given_back(record, purchase_of(account, data["purchase_id"])))
    return verdict


def given_back(record: Record, purchase: dict[str, Any]) -> Verdict:
    data = record.data
    where = purchase["provider"], purchase["currency"]
    if record.type == "credits.refunded":
        paid = data["charged"]
        return {
            "amount": -Fraction(data["credits"]),
            "money": (*where, -paid["amount_minor"], -paid.get("tax_minor", 0), 0),
        }
    if record.type == "dispute.opened":
        credits = Fraction(data["credits"])
        return {"amount": -credits, "money": (*where, -disputed_minor(purchase, credits), 0, 0)}
    if data["outcome"] == "won":
        return {"amount": purchase["dispute"][0], "money": (*where, purchase["dispute"][1], 0, 0)}
    return {}


# Why a record is refused: all the reasons there are.


def start_of(wire: dict[str, Any], append_ms: int) -> int:
    """When a version takes effect that is not the first one."""
    if wire.get("effective_from"):
        return milliseconds(datetime.fromisoformat(wire["effective_from"]))
    return append_ms + 60_000


def refusals(record: Record, account: dict[str, Any], now: int, book: dict[str, Any]) -> set[str]:
    reasons = set()
    if record.key_id is None and record.type not in MAY_BE_UNSIGNED:
        reasons.add("unsigned")
    if record.key_id is not None and not key_is_valid(book, record.key_id, now):
        reasons.add("key_not_valid")
    if record.schema not in book.get("schema_versions", [1]):
        reasons.add("unknown_schema_version")
    return reasons | meaningless(record, account, book)


def meaningless(record: Record, account: dict[str, Any], book: dict[str, Any]) -> set[str]:
    data = record.data
    packages = {package["name"] for package in book["packages"]}
    match record.type:
        case "usage.recorded" | "usage.accepted":
            data = data.get("usage", data)
            if data.get("provider_cost") is not None:
                return set()
            price = price_of(data, book)
            if price is None:
                return {"unpriced"}
            return {"counts_do_not_nest"} if miscounted(data, price) else set()
        case "credits.purchased":
            reasons = {"amount_is_zero"} if Fraction(data["credits"]) == 0 else set()
            if purchase_of(account, data["purchase_id"]):
                reasons.add("purchase_already_credited")
            return reasons
        case "credits.refunded" | "dispute.opened" | "dispute.closed" | "invoice.issued":
            purchase = purchase_of(account, data["purchase_id"])
            return impossible(record, purchase) if purchase else {"unknown_purchase"}
        case "credits.adjusted":
            return {"amount_is_zero"} if Fraction(data["amount"]) == 0 else set()
        case "auto_top_up.configured":
            return unworkable(data, balance_of(account), book) if data["enabled"] else set()
        case "account.opened":
            opened = any(before.type == "account.opened" for before, _, _ in account["history"])
            known = (data.get("package") or account["package"]) in packages
            return {"account_already_opened"} if opened else set() if known else {"unknown_package"}
        case "account.package_changed":
            return set() if data["package"] in packages else {"unknown_package"}
        case "payout.received":
            return set() if record.account == "provider:" + data["provider"] else {"wrong_provider"}
    return set()


def impossible(record: Record, purchase: dict[str, Any]) -> set[str]:
    data, reasons = record.data, set()
    if record.type == "dispute.closed" and purchase["dispute"] is None:
        reasons.add("no_open_dispute")
    if record.type == "dispute.opened" and purchase["dispute"] is not None:
        reasons.add("dispute_already_open")
    if record.type in ("dispute.opened", "credits.refunded"):
        if Fraction(data["credits"]) == 0:
            reasons.add("amount_is_zero")
        if Fraction(data["credits"]) > purchase["left"]:
            reasons.add("exceeds_purchase")
    if record.type == "credits.refunded":
        if data["charged"]["currency"] != purchase["currency"]:
            reasons.add("wrong_purchase_currency")
        if data["charged"]["amount_minor"] > purchase["left_minor"]:
            reasons.add("exceeds_purchase")
    return reasons


def unworkable(policy: dict[str, Any], balance: Fraction, book: dict[str, Any]) -> set[str]:
    most, least = bounds(book)
    amount, threshold = Fraction(policy["amount"]), Fraction(policy["threshold"])
    fixed = policy.get("sizing", "fixed") == "fixed"
    reasons = set()
    if amount < least:
        reasons.add("top_up_too_small")
    if fixed and amount > most:
        reasons.add("amount_out_of_bounds")
    if fixed and (amount * 100).denominator > 1:
        reasons.add("purchase_not_in_whole_cents")
    # Already at the threshold or above it, a fixed amount lifts the balance from just below the threshold.
    if amount + (min(balance, threshold) if fixed else 0) < threshold:
        reasons.add("top_up_cannot_reach_threshold")
    caps = [Fraction(policy[cap]) for cap in ("cap_day", "cap_month") if policy.get(cap) is not None]
    if fixed and any(amount > cap for cap in caps):
        reasons.add("top_up_exceeds_cap")
    return reasons


def out_of_bounds(amount: Fraction, balance: Fraction, book: dict[str, Any]) -> set[str]:
    reasons = set()
    if abs(amount) > bounds(book)[0]:
        reasons.add("amount_out_of_bounds")
    if abs(balance) > MOST:
        reasons.add("balance_out_of_bounds")
    return reasons


# The auto-top-up machine, as DESIGN's table says.


def machine(
    record: Record, account: dict[str, Any], now: int, book: dict[str, Any], balance: Fraction
) -> list[tuple[Any, ...]]:
    """Moves the account's machine; `account` has this record in its history already. Returns what the machine says."""
    data, effects, state = record.data, [], account["state"]
    if record.type == "auto_top_up.configured":
        account["policy"] = data
        if state != "in_flight":
            account["state"] = "armed"
    elif record.type == "credits.purchased":
        by_trigger = data["kind"] == "auto_top_up"
        if state == "in_flight" and by_trigger and data["trigger_id"] == account["trigger"]:
            account["state"] = "armed"
        if state == "suspended" and not by_trigger:
            account["state"] = "armed"
    elif record.type == "auto_top_up.failed":
        if state == "in_flight" and data["trigger_id"] == account["trigger"] and data.get("suspended"):
            account["state"] = "suspended"
            effects.append(("auto_top_up.suspended", data["trigger_id"], data["reason_code"]))
    elif (record.type == "auto_top_up.resumed" and state == "suspended") or (
        record.type == "auto_top_up.rechecked" and state == "capped"
    ):
        account["state"] = "armed"
    if record.type in MAY_TRIGGER and account["state"] == "armed":
        asked = record.type == "auto_top_up.requested"
        available = Fraction(data["available"]) if asked else balance
        if asked and data.get("balance") is not None and balance > Fraction(data["balance"]):
            available += balance - Fraction(data["balance"])
        effects += crossing(record, account, now, book, available)
    return effects


def crossing(
    record: Record, account: dict[str, Any], now: int, book: dict[str, Any], available: Fraction
) -> list[tuple[Any, ...]]:
    policy = account["policy"]
    if not policy or not policy["enabled"] or open_disputes(account):
        return []
    threshold = Fraction(policy["threshold"])
    if available >= threshold:
        return []
    credits = size(policy, available, book)
    for window in ("month", "day"):
        cap = policy.get(f"cap_{window}")
        spent = auto_bought_in(window, account, now)
        if cap is not None and spent + credits > Fraction(cap):
            account["state"] = "capped"
            opens_ms = opening_of_next(window, now)
            return [("auto_top_up.skipped", window, Fraction(cap), spent, credits, opens_ms)]
    account.update(state="in_flight", trigger=trigger_of(record))
    return [("auto_top_up.triggered", account["trigger"], credits, available, threshold, record.id)]


def size(policy: dict[str, Any], available: Fraction, book: dict[str, Any]) -> Fraction:
    most, least = bounds(book)
    amount = Fraction(policy["amount"])
    if policy.get("sizing", "fixed") == "target":
        amount = max(Fraction(ceil((amount - available) * 100), 100), least)
    return min(amount, most)


def trigger_of(record: Record) -> str:
    """uuid5(account, id of the crossing event); a signed event's id is told apart from a router's equal one."""
    account = uuid.uuid5(NAMESPACE, record.account)
    return str(uuid.uuid5(account, f"signed/{record.id}" if record.key_id else record.id))
