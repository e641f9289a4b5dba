"""The examples of docs/reference/events.md: the ledger accepts each, and says what the page says."""

import json

import pytest

from docs.making.story import examples, folded
from schemas.events import EVENT, EVENT_TYPES
from schemas.export import exported_types
from schemas.fields import json_of
from tests.docs.pages import examples as blocks

PAGE = "docs/reference/events.md"


def test_the_story_has_an_event_of_every_type_and_the_fold_every_effect() -> None:
    assert set(examples()) == {*exported_types(), "record.dead_lettered"}
    assert {event.type for event, _ in folded()} == set(EVENT_TYPES)


@pytest.mark.parametrize("type", sorted(examples()))
def test_the_page_shows_the_very_example(type: str) -> None:
    shown = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]
    assert json.loads(json_of(examples()[type].event)) in shown


@pytest.mark.parametrize("event", [event for event, _ in folded()], ids=lambda event: event.type)
def test_an_example_says_the_same_on_the_wire(event: object) -> None:
    assert EVENT.validate_json(json_of(event)) == event  # type: ignore[arg-type]
