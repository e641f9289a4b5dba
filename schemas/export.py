"""The language as JSON Schema files for clients in any language: `python -m schemas.export` writes `schemas/json/`.

One file per type, the same bytes for the same models. What a schema can't say (tax within the amount, a trigger for
each auto top-up) is in the descriptions, and the ledger checks it.
"""

import json
from pathlib import Path
from typing import Any

from schemas.book import BookEvent
from schemas.effects import Effect
from schemas.envelope import Envelope
from schemas.events import EVENT_TYPES
from schemas.records import RecordsEvent

FOLDER = Path(__file__).parent / "json"


def exported_types() -> dict[str, type[Envelope]]:
    """All types of events and effects, of all topics."""
    types: list[type[Envelope]] = [*EVENT_TYPES.values(), *Effect.__args__, *BookEvent.__args__, *RecordsEvent.__args__]
    return {cls.model_fields["type"].default: cls for cls in types}


def schema_of(cls: type[Envelope]) -> dict[str, Any]:
    """The JSON Schema of one type, version 1."""
    name = cls.model_fields["type"].default
    schema = cls.model_json_schema()
    # The models have defaults for these, for Python's sake; a record on a topic must have them.
    schema["required"] = sorted({*schema["required"], "specversion", "type"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:prepaid-ledger:{name}:1",
        **schema,
    }


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    return {f"{name}.json": _text(schema_of(cls)) for name, cls in exported_types().items()}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
