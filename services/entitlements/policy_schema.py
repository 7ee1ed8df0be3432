"""The JSON Schema of a policy file, for editors: what may stand where, as it is written, with a word on each field.

Made from the models and kept beside the policies; nobody edits it by hand. It knows less than the models do (an editor
cannot see that a rule names an earlier one), so `policy-check` has the last word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from services.entitlements.policy import SHIPPED, Policy

FILE = SHIPPED / "policy.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """Pydantic's generator for what people write: no null (a field is left out), no titles that repeat a name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """Without the default: it is Python's, not as it is written."""
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """Without null: whatever is optional is left out."""
        return self.generate_inner(schema["schema"])

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        made = super().generate(schema, mode=mode)
        return {"$schema": DIALECT, "$id": "urn:amends:schema:policy", **made, "title": "A policy of Amends"}


def policy_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a policy as it is written in YAML."""
    return Policy.model_json_schema(by_alias=True, mode="validation", schema_generator=_AsWritten)


def render() -> str:
    """The text of the file; sorted keys, so that the same models always give the same bytes."""
    return json.dumps(policy_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def generate(file: Path = FILE) -> bool:
    """Write the file if it differs from the models; returns whether it did."""
    if file.exists() and file.read_text(encoding="utf-8") == render():
        return False
    file.write_text(render(), encoding="utf-8")
    return True
