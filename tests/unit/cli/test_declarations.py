"""A declaration read from a file: YAML and JSON alike, and what is said of one that is none."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.customer_base import incident
from services.cli.declarations import read
from services.cli.errors import CommandError

YAML = """
incident_id: aruba-2011-04-29
revision: 1
title: Black-out, Arezzo
drill: false
impact:
  starts_at: 2011-04-29T04:30:00+02:00
  ends_at: 2011-04-29 14:00:00+02:00
scope: {everyone: true}
policy: aruba-2011-04-29@1
declared_by: crisis-desk
declared_at: 2011-05-13T10:00:00+02:00
"""


def written(folder: Path, content: str | bytes, name: str = "incident.yaml") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("incident.yaml", YAML),
        ("quoted.yaml", YAML.replace("2011-05-13T10:00:00+02:00", '"2011-05-13T10:00:00+02:00"')),
        ("incident.json", json.dumps(incident())),
        ("indented.json", json.dumps(incident(), indent=4)),
        ("tabs.json", json.dumps(incident(), indent="\t")),
        ("mark.json", "\ufeff" + json.dumps(incident())),
        ("crlf.yaml", YAML.replace("\n", "\r\n")),
    ],
)
def test_yaml_and_json_say_the_same(tmp_path: Path, name: str, content: str) -> None:
    found = read(written(tmp_path, content, name))
    assert found.model_dump(mode="json") | {"impact": None} == {
        **incident(),
        "scope": {"everyone": True, "sites": [], "families": [], "contract_ids": []},
        "impact": None,
    }
    assert found.impact.starts_at == datetime.fromisoformat("2011-04-29T04:30:00+02:00")
    assert found.impact.ends_at == datetime.fromisoformat("2011-04-29T14:00:00+02:00")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"revision": "one"}, ["revision: Input should be a valid integer"]),
        ({"revision": 0}, ["revision: Input should be greater than or equal to 1"]),
        ({"drill": "no"}, ["drill: Input should be a valid boolean"]),
        ({"title": ""}, ["title: "]),
        ({"title": None}, ["title: Input should be a valid string"]),
        ({"declared_at": "2011-05-13T10:00:00"}, ["declared_at: Input should have timezone info"]),
        ({"declared_at": "soon"}, ["declared_at: "]),
        ({"impact": {"starts_at": "2011-04-29T04:30:00", "ends_at": None}}, ["impact.starts_at: ", "timezone"]),
        (
            {"impact": {"starts_at": "2011-04-29T14:00:00Z", "ends_at": "2011-04-29T04:00:00Z"}},
            ["impact: ", "is not after starts_at", "or null while it lasts"],
        ),
        ({"scope": {}}, ["scope: ", 'either {"everyone": true} or at least one of']),
        ({"scope": {"everyone": True, "sites": ["arezzo"]}}, ["scope: "]),
        ({"policy": "aruba"}, ["policy: "]),
        ({"incident_id": "two words"}, ["incident_id: "]),
        ({"impact": "yesterday"}, ["impact: "]),
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path: Path, changed: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        read(written(tmp_path, json.dumps(incident() | changed), "wrong.json"))
    for word in ["wrong.json: ", *words]:
        assert word in str(refused.value)


def test_every_missing_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as refused:
        read(written(tmp_path, "incident_id: x\nrevision: 1\n"))
    for field in ("title", "drill", "impact", "scope", "policy", "declared_by", "declared_at"):
        assert f"incident.yaml: {field}: Field required" in str(refused.value)


@pytest.mark.parametrize(
    "content",
    ["", "- a\n- list\n", "just text", "42", "null", "incident_id: &a [*a]", "? [a]\n: b", "a: .nan\n"],
    ids=["empty", "list", "text", "number", "null", "itself", "odd key", "not a number"],
)
def test_what_is_no_declaration_is_refused_by_name(tmp_path: Path, content: str) -> None:
    with pytest.raises(CommandError, match=r"incident\.yaml"):
        read(written(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [b"title: [unclosed", b"\xff\xfe\x00", b"a: b: c", b"title: \x00", b"!!python/object/apply:os.system [id]"],
    ids=["unclosed", "bytes", "colons", "nul", "tag"],
)
def test_what_is_neither_yaml_nor_json_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CommandError, match=r"incident\.yaml is neither YAML nor JSON"):
        read(written(tmp_path, content))


def test_a_misspelt_field_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    """Ignored, `end_at` would mean an impact without an end."""
    file = written(tmp_path, YAML.replace("  ends_at:", "  end_at:").replace("title:", "colour:"))
    with pytest.raises(CommandError) as refused:
        read(file)
    assert "incident.yaml: impact.end_at: there is no such field; did you mean ends_at?" in str(refused.value)
    assert "incident.yaml: colour: there is no such field; the fields are incident_id, revision" in str(refused.value)
