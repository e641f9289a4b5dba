"""A story: one account after the other event, in one line each; what the example tests are written with."""

from typing import Any

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.entry import Applied, Entry
from ledger.core.fold import apply
from schemas.money import format_nanos

from .records import fact_of, ms, plain_book, record


class Story:
    """Tells events to one account; each is one second later than the one before unless `at` says when."""

    def __init__(self, book: Book | None = None, account: str = "acct_0", at: str = "2026-11-21T10:00:00Z") -> None:
        self.book = book or plain_book()
        self.account = Account(account)
        self.entries: list[Entry] = []
        self.trigger = ""
        self._now_ms = ms(at)

    @property
    def balance(self) -> str:
        return format_nanos(self.account.balance)

    @property
    def machine(self) -> str:
        return self.account.top_ups.state

    def apply(self, type: str, at: str | None = None, **data: Any) -> Applied:
        """One event. Raises `Refused`, and then nothing has changed."""
        self._now_ms = ms(at) if at else self._now_ms + 1_000
        made = record(type, data, self._now_ms, len(self.entries) + 1, account=self.account.account_id)
        applied = apply(self.account, fact_of(made), made.append_ms, self.book)
        self.account = applied.account
        self.entries.append(applied.entry)
        for effect in applied.effects:
            if effect.type == "auto_top_up.triggered":
                self.trigger = effect.data.trigger_id
        return applied

    def spend(self, credits: str, at: str | None = None) -> Applied:
        """A call at this cost and, the auto markup of `plain_book` being ten percent, that much more."""
        call = {"request_id": "req", "provider": "openai", "model": "any", "mode": "auto", "provider_cost": credits}
        return self.apply("usage.recorded", at, input_tokens=1, output_tokens=1, **call)

    def trace(self, count: int, at: str | None = None) -> Applied:
        return self.apply("trace.recorded", at, trace_id="trace", count=count)

    def adjust(self, amount: str) -> Applied:
        return self.apply("credits.adjusted", amount=amount, reason_code="correction", actor_id="op_1")

    def buy(self, credits: str, purchase_id: str = "p1", at: str | None = None, **more: Any) -> Applied:
        """A purchase at 1.00 USD a credit."""
        charged = {"currency": "USD", "amount_minor": round(float(credits) * 100), "tax_minor": 0}
        data = {"kind": "purchase", "provider": "stripe", "provider_payment_id": "pay", "charged": charged, **more}
        return self.apply("credits.purchased", at, purchase_id=purchase_id, credits=credits, **data)

    def pay(self, credits: str, purchase_id: str = "t1", trigger: str | None = None, at: str | None = None) -> Applied:
        """The top-up in flight, or another one, was paid."""
        return self.buy(credits, purchase_id, at, kind="auto_top_up", trigger_id=trigger or self.trigger)

    def configure(self, threshold: str, amount: str, at: str | None = None, **more: Any) -> Applied:
        policy = {"enabled": True, "threshold": threshold, "amount": amount, **more}
        return self.apply("auto_top_up.configured", at, **policy)

    def fail(self, suspended: bool, trigger: str | None = None) -> Applied:
        failure = {"trigger_id": trigger or self.trigger, "reason_code": "card_declined", "suspended": suspended}
        return self.apply("auto_top_up.failed", **failure)

    def resume(self) -> Applied:
        return self.apply("auto_top_up.resumed", reason_code="card_changed")

    def recheck(self, at: str | None = None) -> Applied:
        return self.apply("auto_top_up.rechecked", at, window="day")

    def request(self, available: str, balance: str | None = None) -> Applied:
        return self.apply("auto_top_up.requested", available=available, balance=balance)

    def refund(self, credits: str, minor: int, purchase_id: str = "p1", currency: str = "USD") -> Applied:
        charged = {"currency": currency, "amount_minor": minor}
        ids = {"purchase_id": purchase_id, "provider_refund_id": "re"}
        return self.apply("credits.refunded", credits=credits, charged=charged, **ids)

    def dispute(self, credits: str, purchase_id: str = "p1") -> Applied:
        return self.apply("dispute.opened", purchase_id=purchase_id, credits=credits)

    def decide(self, outcome: str, purchase_id: str = "p1") -> Applied:
        return self.apply("dispute.closed", purchase_id=purchase_id, outcome=outcome)


def kinds(applied: Applied) -> list[str]:
    """The last word of each effect's type: "triggered", "skipped", "suspended", "level_changed"."""
    return [effect.type.rpartition(".")[2] for effect in applied.effects]
