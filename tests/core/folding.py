"""Folding a whole log with `ledger.core`, and every answer of it as bytes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ledger.core.account import Account
from ledger.core.book_versions import Book
from ledger.core.entry import Applied, Entry
from ledger.core.errors import Refused
from ledger.core.fold import apply
from schemas.effects import Effect
from schemas.fields import json_of

from .oracle import NANO, milliseconds
from .records import Record, fact_of

Answer = Applied | Refused


@dataclass
class Folded:
    """What a fold of records leaves behind."""

    accounts: dict[str, Account] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    @property
    def applied(self) -> list[Applied]:
        return [answer for answer in self.answers if isinstance(answer, Applied)]

    @property
    def effects(self) -> list[Effect]:
        return [effect for answer in self.applied for effect in answer.effects]

    def entries(self, account: str) -> list[Entry]:
        return [answer.entry for answer in self.applied if answer.account.account_id == account]

    def apply(self, record: Record, book: Book) -> Answer:
        account = self.accounts.get(record.account, Account(record.account))
        answer = answer_to(account, record, book)
        if isinstance(answer, Applied):
            self.accounts[record.account] = answer.account
        self.answers.append(answer)
        return answer


def folded(records: Iterable[Record], book: Book) -> Folded:
    result = Folded()
    for record in records:
        result.apply(record, book)
    return result


def answer_to(account: Account, record: Record, book: Book) -> Answer:
    try:
        return apply(account, fact_of(record), record.append_ms, book)
    except Refused as refusal:
        return refusal


def bytes_of(result: Folded) -> bytes:
    """Everything: entries, effects and refusals, and the accounts as they stand in the end."""
    lines = [_answer_line(answer) for answer in result.answers]
    lines += [json.dumps(_plain(account), sort_keys=True) for _, account in sorted(result.accounts.items())]
    return "\n".join(lines).encode()


def _answer_line(answer: Answer) -> str:
    if isinstance(answer, Refused):
        return f"{answer.code} {answer}"
    effects = [json_of(effect).decode() for effect in answer.effects]
    return json.dumps([_plain(answer.entry), effects])


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if hasattr(value, "model_dump"):
        return json_of(value).decode()
    if hasattr(value, "items"):
        return {name: _plain(each) for name, each in value.items()}
    return value


def in_credits(nanos: int) -> Fraction:
    return nanos * NANO


def effect_in_words(effect: Effect) -> tuple[Any, ...]:
    """The effect as the oracle says it."""
    data = effect.data
    match effect.type:
        case "auto_top_up.triggered":
            amounts = (Fraction(data.credits), Fraction(data.balance), Fraction(data.threshold))
            return effect.type, data.trigger_id, *amounts, data.caused_by
        case "auto_top_up.skipped":
            amounts = (Fraction(data.cap), Fraction(data.spent), Fraction(data.credits))
            return effect.type, data.window, *amounts, milliseconds(data.opens_at)
        case "auto_top_up.suspended":
            return effect.type, data.trigger_id, data.reason_code
        case "usage.quarantined":
            return effect.type, data.event_id, Fraction(data.charge)
    return effect.type, data.previous, data.level, Fraction(data.balance)
