"""The committed JSON Schemas are those of the models, and the command that makes them says so when they are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas import __main__ as command
from schemas import json_schemas
from schemas.events import EVENTS
from schemas.json_schemas import DIALECT, FOLDER, differences, event_type_of, generate, json_schema, render


def test_the_committed_schemas_are_those_of_the_models() -> None:
    assert differences() == [], "run: python -m schemas generate"


@pytest.mark.parametrize("kind", EVENTS)
def test_a_schema_is_a_valid_schema_with_the_id_that_events_name(kind: str) -> None:
    schema = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:amends:schema:{kind}"
    assert schema["$schema"] == DIALECT
    assert event_type_of(schema) == kind


@pytest.mark.parametrize("kind", EVENTS)
def test_a_schema_allows_unknown_fields(kind: str) -> None:
    assert 'additionalProperties": false' not in render(kind)


@pytest.mark.parametrize("kind", EVENTS)
def test_the_same_model_gives_the_same_bytes(kind: str) -> None:
    text = render(kind)
    assert text == render(kind)
    assert text.endswith("}\n")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_generate_puts_right_what_is_missing_changed_or_too_much(tmp_path: Path) -> None:
    generate(tmp_path)
    (tmp_path / "letter.settled.v1.json").unlink()
    (tmp_path / "incident.declared.v1.json").write_text("{}\n", encoding="utf-8")
    (tmp_path / "incident.forgotten.v1.json").write_text("{}\n", encoding="utf-8")
    wrong = ["incident.declared.v1.json", "incident.forgotten.v1.json", "letter.settled.v1.json"]
    assert differences(tmp_path) == wrong
    assert generate(tmp_path) == wrong
    assert differences(tmp_path) == []


def test_check_names_the_file_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(tmp_path)
    assert command.main(["check"]) == 0
    (tmp_path / "letter.settled.v1.json").write_text(render("letter.settled.v1") + " ", encoding="utf-8")
    monkeypatch.setattr(command, "differences", lambda: json_schemas.differences(tmp_path))
    assert command.main(["check"]) == 1
    assert "schemas/json/letter.settled.v1.json differs" in capsys.readouterr().err


def test_a_schema_of_something_else_is_not_taken_for_an_events() -> None:
    with pytest.raises(ValueError, match="urn:amends:schema:"):
        event_type_of({"$id": "https://example.org/x"})
    assert event_type_of(json_schema("letter.settled.v1")) == "letter.settled.v1"
