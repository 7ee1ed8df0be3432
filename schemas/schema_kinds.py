"""What a JSON Schema allows at one place: references followed, unions taken apart, kinds of value named.

Pure. Leaves to `schema_changes` what it means when two schemas differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

MEANINGLESS = {"$comment", "$defs", "$id", "$ref", "$schema", "deprecated", "description", "discriminator"} | {
    "default", "examples", "format", "readOnly", "title", "type", "writeOnly",
}  # fmt: skip
"""Keywords that allow or refuse nothing by themselves, or that are looked at before all others."""


def as_schema(schema: Any) -> Schema:
    """A schema as a mapping: `true` allows all, `false` nothing."""
    if isinstance(schema, bool):
        return {} if schema else {"type": "nothing"}
    return schema  # type: ignore[no-any-return]


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema without `$ref` and `allOf` at its top; what stands beside a `$ref` is kept."""
    while "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")] if part else target
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    if len(schema.get("allOf", ())) == 1:
        own = {key: value for key, value in schema.items() if key != "allOf"}
        return _resolved({**schema["allOf"][0], **own}, root)
    return schema


def alternatives(schema: Schema, root: Schema) -> dict[str, Schema]:
    """The members of a union under names that tell them apart ("null" is null); one, if it is no union."""
    flat: list[Schema] = []
    _flatten(_resolved(schema, root), root, flat)
    named: dict[str, Schema] = {}
    for member in flat:
        name = _name(member) if len(flat) > 1 else kind_of(member)
        while name in named:
            name += "'"
        named[name] = member
    return named


def _flatten(schema: Schema, root: Schema, into: list[Schema]) -> None:
    members = schema.get("anyOf") or schema.get("oneOf")
    allowed = allowed_values(schema)
    if members:
        # What stands beside a union holds for each of its members.
        not_shared = (MEANINGLESS | {"anyOf", "oneOf"}) - {"type", "format"}
        beside = {key: value for key, value in schema.items() if key not in not_shared}
        for member in members:
            _flatten({**beside, **_resolved(as_schema(member), root)}, root, into)
    elif isinstance(schema.get("type"), list):
        into.extend({**schema, "type": kind} for kind in schema["type"])
    elif allowed is not None and None in allowed and len(allowed) > 1:
        rest = {key: value for key, value in schema.items() if key != "const"}
        into.extend([{**rest, "enum": [value for value in allowed if value is not None]}, {"type": "null"}])
    else:
        into.append(schema)


def _name(member: Schema) -> str:
    """How a member of a union is called: by its constant fields, else its title, else its kind."""
    if member.get("type") != "object":
        return kind_of(member)
    fixed = [
        str(schema["const"])
        for schema in member.get("properties", {}).values()
        if isinstance(schema, dict) and "const" in schema
    ]
    return "/".join(fixed) or str(member.get("title", "object"))


def kind_of(schema: Schema) -> str:
    """What type of value a schema is of, in words: string (date), integer, list."""
    kind = schema.get("type")
    allowed = allowed_values(schema)
    if kind is None and allowed:
        kinds = {_JSON_TYPES.get(type(value), "object") for value in allowed}
        kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None:
        return "any value"
    if kind == "array":
        return "list"
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "list"}


def allowed_values(schema: Schema) -> list[Any] | None:
    """The values that are listed one by one; None where they are not."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def listed(values: list[Any]) -> str:
    """The values in words; empty for none."""
    return ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
