"""The exported JSON Schemas are those of the models, complete, and say what the ledger says."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.export import FOLDER, exported_types, files

TYPES = sorted(exported_types())


def test_the_files_are_what_the_models_say() -> None:
    """After a change: python -m schemas.export"""
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert on_disk == files()


def test_every_type_of_every_topic_is_exported() -> None:
    assert len(TYPES) == 19 + 5 + 2 + 5
    assert {
        "usage.recorded",
        "auto_top_up.triggered",
        "balance.level_changed",
        "book.published",
        "book.withdrawn",
    } <= set(TYPES)


@pytest.mark.parametrize("type", TYPES)
def test_a_schema_is_named_after_its_type_and_version(type: str) -> None:
    schema = _schema(type)
    assert schema["$id"] == f"urn:prepaid-ledger:{type}:1"
    assert schema["properties"]["type"]["const"] == type
    assert {"specversion", "type", "source", "id", "subject", "data"} - set(schema["required"]) <= {"subject"}


@pytest.mark.parametrize("type", TYPES)
def test_a_schema_refuses_unknown_data_and_lets_extensions_pass(type: str) -> None:
    schema = _schema(type)
    assert "additionalProperties" not in schema
    assert all(
        part["additionalProperties"] is False for part in schema["$defs"].values() if part.get("type") == "object"
    )


@pytest.mark.parametrize("type", TYPES)
def test_no_schema_asks_for_a_float(type: str) -> None:
    assert all(part.get("type") != "number" for part in _parts(_schema(type)))


@pytest.mark.parametrize("type", TYPES)
def test_every_text_has_a_bound(type: str) -> None:
    for part in _parts(_schema(type)):
        if part.get("type") == "string":
            assert {"pattern", "const", "enum", "format"} & set(part), part
            re.compile(part.get("pattern", ""))


@pytest.mark.parametrize("type", TYPES)
def test_a_file_ends_with_one_newline_and_is_sorted(type: str) -> None:
    text = files()[f"{type}.json"]
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def _schema(type: str) -> dict[str, Any]:
    return json.loads(files()[f"{type}.json"])


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for child in children:
        yield from _parts(child)
