"""What people call the units of usage and prices."""

import pytest

from ledger.reports.unit_names import per_name, unit_name
from schemas.units import UNITS


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("input_tokens", "input tokens"),
        ("output_tokens", "output tokens"),
        ("cache_read_tokens", "cache read"),
        ("cache_write_1h_tokens", "cache write (1 hour)"),
        ("cache_audio_write_5m_tokens", "audio cache write (5 minutes)"),
        ("output_image_tokens", "image output"),
        ("output_reasoning_tokens", "reasoning"),
        ("output_text_citation_tokens", "text citations"),
        ("input_tool_tokens", "tool input"),
        ("web_searches", "web searches"),
        ("code_executions", "code executions"),
        ("input_audio_seconds", "seconds of audio input"),
        ("input_annotated_document_pages", "annotated document pages"),
        ("requests", "requests"),
        ("trace", "traces"),
    ],
)
def test_a_unit_has_a_name_in_plain_words(unit: str, name: str) -> None:
    assert unit_name(unit) == name


def test_no_two_units_have_the_same_name_and_none_has_that_of_a_field() -> None:
    names = {unit_name(unit) for unit in UNITS}
    assert len(names) == len(UNITS)
    assert not [name for name in names if "_" in name]


def test_every_unit_says_how_many_its_price_is_for() -> None:
    assert {per_name(unit.per) for unit in UNITS.values()} == {
        "per million",
        "per thousand",
        "per hour",
        "per billion",
    }
