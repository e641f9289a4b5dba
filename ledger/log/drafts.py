"""Drafts: records that are to be appended to the log. Our own events are signed here, and nowhere else."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.envelope import Envelope
from schemas.fields import json_of
from schemas.signatures import SigningKey
from schemas.topics import EVENTS

Headers = Iterable[tuple[str, bytes]]


class Draft(NamedTuple):
    """A record that is to be appended. `subject` is its key; `topic` is a name of schemas.topics."""

    subject: str
    value: bytes
    headers: Headers = ()
    topic: str = EVENTS


def signed_draft(event: Envelope, signing_key: SigningKey, topic: str = EVENTS) -> Draft:
    """The record of an event of ours, with its signature."""
    value = json_of(event)
    return Draft(event.subject, value, [signing_key.header(value)], topic)


def unsigned_draft(event: Envelope, topic: str = EVENTS) -> Draft:
    """The record of an event as a router sends it: only usage and traces need no signature."""
    return Draft(event.subject, json_of(event), (), topic)
