"""Each type of event has one rule, and the fold knows no others."""

from ledger.core import rules_1
from schemas.events import EVENT_TYPES


def test_every_type_of_event_has_a_rule() -> None:
    assert rules_1._RULES.keys() == EVENT_TYPES.keys()
