"""A record of the log as one line, for people or as JSON. Its content can't affect the terminal."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from kafka.consumer.fetcher import ConsumerRecord
from pydantic_core import from_json

from ledger.cli.escaping import printable, readable
from ledger.core.calendar import log_time_text, moment_of
from ledger.log.dead_letters import Problem
from ledger.log.decoding import SignatureCheck, event_of, signature_check
from ledger.log.record import log_time_ms

_DATA_CHARACTERS = 120
_EXCERPT_CHARACTERS = 500


class ShownRecord(NamedTuple):
    """A record with its event, or with the reason why it can't be read."""

    topic: str
    record: ConsumerRecord
    event: dict[str, Any] | None
    problem: Problem | None
    signature: SignatureCheck

    def line(self) -> str:
        """The line for people, with shortened data."""
        record = self.record
        place = f"{log_time_text(moment_of(log_time_ms(record)))}  {record.partition}/{record.offset}"
        if self.event is None:
            assert self.problem is not None
            return f"{place}  UNREADABLE  {printable(str(self.problem))}  {_cut(readable(record.value))}"
        fields = printable(f"{self.event['subject']}  {self.event['type']}  {_signature_text(self.signature)}")
        return f"{place}  {fields}  {_cut(printable(_data(self.event['data'])))}"

    def json_fields(self) -> str:
        """One JSON object, as one line of ASCII."""
        record = self.record
        fields: dict[str, Any] = {
            "topic": self.topic,
            "partition": record.partition,
            "offset": record.offset,
            "log_time": log_time_text(moment_of(log_time_ms(record))),
            "key_id": self.signature.key_id,
            "signature": self.signature.proof,
            "event": self.event,
        }
        if self.problem is not None:
            fields["problem"] = self.problem._asdict()
            fields["key"] = readable(record.key)
            fields["excerpt"] = readable((record.value or b"")[:_EXCERPT_CHARACTERS])
        return json.dumps(fields).replace("\x7f", "\\u007f")  # the one control character that JSON lets through


class RecordFilter:
    """Reads the records of a topic. Passes only those of an account and of a type, if these are given."""

    def __init__(self, topic: str, secrets: Mapping[str, bytes], account: str | None, type: str | None) -> None:
        self._topic, self._secrets = topic, secrets
        self._key = None if account is None else account.encode()
        self._type = type

    def shown(self, record: ConsumerRecord) -> ShownRecord | None:
        """The record to show; None if it does not pass. An unreadable record has no type."""
        if self._key is not None and record.key != self._key:
            return None
        event = event_of(self._topic, record)
        if self._type is not None and (isinstance(event, Problem) or event.type != self._type):
            return None
        signature = signature_check(record, self._secrets)
        if isinstance(event, Problem):
            return ShownRecord(self._topic, record, None, event, signature)
        return ShownRecord(self._topic, record, from_json(record.value or b""), None, signature)

    def passes(self, record: ConsumerRecord) -> bool:
        """Whether to show the record."""
        return self.shown(record) is not None


def _signature_text(signature: SignatureCheck) -> str:
    match signature.proof:
        case "valid":
            return f"signed by {signature.key_id}"
        case "unchecked":
            return f"signed by {signature.key_id} (unchecked)"
        case "invalid":
            return "BAD SIGNATURE"
    return "unsigned"


def _data(data: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in data.items())


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= _DATA_CHARACTERS else text[: _DATA_CHARACTERS - 1] + "…"
