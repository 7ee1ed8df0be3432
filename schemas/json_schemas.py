"""The JSON Schemas of the events, made from the models and kept in `schemas/json` for those who speak no Python.

The models are the source: nobody edits the files by hand. Leaves to `compatibility` whether a change of a
schema may be made within its version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from schemas.events import EVENTS

FOLDER = Path(__file__).with_name("json")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_URN = "urn:amends:schema:"


def schema_id(event_type: str) -> str:
    """The `$id` of the type's schema, which an event names in `ce_dataschema`."""
    return f"{_URN}{event_type}"


def event_type_of(schema: dict[str, Any]) -> str:
    """The event type whose schema this is, by its `$id`; raises `ValueError` when it has none of ours."""
    identity = schema.get("$id", "")
    if not isinstance(identity, str) or not identity.startswith(_URN):
        raise ValueError(f"{identity!r} is not the $id of an event's schema: it starts with {_URN}")
    return identity.removeprefix(_URN)


class _Plain(GenerateJsonSchema):
    """Pydantic's generator without a title on every field that only repeats the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        made = super().generate(schema, mode=mode)
        # Pydantic writes JSON Schema 2020-12 but says so only when asked.
        return {"$schema": DIALECT, **made}


def json_schema(event_type: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what a reader accepts: unknown fields allowed, defaults not required."""
    made = EVENTS[event_type].model_json_schema(schema_generator=_Plain, mode="validation")
    return {"$id": schema_id(event_type), **made}


def render(event_type: str) -> str:
    """The text of the type's file; sorted keys, so that the same model always gives the same bytes."""
    return json.dumps(json_schema(event_type), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def generate(folder: Path = FOLDER) -> list[str]:
    """Writes the files that differ, removes those of types that are no more, and returns their names."""
    changed = differences(folder)
    folder.mkdir(exist_ok=True)
    for name in changed:
        event_type = name.removesuffix(".json")
        if event_type in EVENTS:
            (folder / name).write_text(render(event_type), encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def differences(folder: Path = FOLDER) -> list[str]:
    """The names of the files that are missing, out of date, or of no known type; sorted."""
    wanted = {f"{event_type}.json": event_type for event_type in EVENTS}
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    stale = [name for name, event_type in wanted.items() if there.get(name) != render(event_type)]
    return sorted([*stale, *(there.keys() - wanted.keys())])
