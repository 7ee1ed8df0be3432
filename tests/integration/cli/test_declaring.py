"""`amends declare`: what is published, what is refused before anything is, and what is said when nobody listens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.customer_base import incident
from tests.e2e import outside
from tests.integration.cli.command import amends
from tests.integration.cli.conftest import INCIDENT, Town

NOBODY = "127.0.0.1:1"
"""A port on which nobody listens."""


def declared(town: Town, incident_id: str) -> list[outside.Record]:
    """What stands of an incident on the topic."""
    records = outside.read(town.stack.kafka, ["amends.incidents.v1"])["amends.incidents.v1"]
    return [record for record in records if record.key == incident_id]


@pytest.mark.parametrize("name", ["incident.yaml", "incident.json"])
def test_a_file_becomes_an_event_that_is_seen_through(town: Town, tmp_path: Path, name: str) -> None:
    incident_id = f"from-{name}"
    body = incident(incident_id=incident_id) | {"scope": {"families": ["adsl"]}}
    file = tmp_path / name
    text = json.dumps(body)
    if name == "incident.yaml":
        text = "\n".join(f"{field}: {json.dumps(value)}" for field, value in body.items())
        text = text.replace('"2011-05-13T10:00:00+02:00"', "2011-05-13T10:00:00+02:00")
    file.write_text(text)
    ran = amends("declare", file, "--output", "json", root=town.root)
    assert ran.exits == 0, ran.said
    assert ran.json == {"incident_id": incident_id, "revision": 1, "action": "declared", "waits_for": None}
    (event,) = declared(town, incident_id)
    assert event.data["declared_at"] == "2011-05-13T10:00:00+02:00"
    assert event.headers["ce_type"] == "incident.declared.v1"
    assert amends("watch", incident_id, root=town.root).exits == 0
    assert amends("reconcile", incident_id, root=town.root).exits == 0


def test_the_same_file_twice_is_the_same_event(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "twice.json"
    file.write_text(json.dumps(incident(incident_id="twice") | {"scope": {"families": ["housing"]}}))
    said = [amends("declare", file, root=town.root) for _ in range(2)]
    assert [ran.exits for ran in said] == [0, 0]
    assert said[0].out == "declared twice, revision 1; follow it with: amends watch twice\n"
    first, second = declared(town, "twice")
    assert first.event_id == second.event_id


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps(incident(incident_id="bad") | {"revision": "1"}), ["revision: Input should be a valid integer"]),
        (
            json.dumps(incident(incident_id="bad") | {"declared_at": "2011-05-13T10:00:00"}),
            ["declared_at: ", "timezone"],
        ),
        (
            json.dumps(
                incident(incident_id="bad")
                | {"impact": {"starts_at": "2011-04-29T14:00:00Z", "ends_at": "2011-04-29T04:00:00Z"}}
            ),
            ["impact: ", "is not after starts_at"],
        ),
        (
            json.dumps(incident(incident_id="bad") | {"policy": "aruba-2012@1"}),
            ["policy: there is no policy aruba-2012@1; known are aruba-2011-04-29@1"],
        ),
        ("title: [", ["is neither YAML nor JSON", "line 1"]),
        ("\x00", ["is neither YAML nor JSON"]),
        ("", ["the file: "]),
    ],
    ids=["type", "offset", "backwards", "policy", "yaml", "nul", "empty"],
)
def test_a_bad_file_is_explained_and_nothing_is_published(
    town: Town, tmp_path: Path, content: str, words: list[str]
) -> None:
    before = outside.ends(town.stack.kafka, "amends.incidents.v1")
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    ran = amends("declare", file, "--output", "json", root=town.root)
    assert (ran.exits, ran.out) == (1, "")
    for word in ["bad.yaml", *words]:
        assert word in ran.said
    assert outside.ends(town.stack.kafka, "amends.incidents.v1") == before


def test_a_missing_file_is_wrong_usage(town: Town, tmp_path: Path) -> None:
    ran = amends("declare", tmp_path / "missing.yaml", root=town.root)
    assert ran.exits == 2
    assert "does not exist" in ran.said


def test_another_body_under_a_known_revision_is_refused_before_it_is_published(town: Town, tmp_path: Path) -> None:
    before = outside.ends(town.stack.kafka, "amends.incidents.v1")
    file = tmp_path / "other.json"
    file.write_text(json.dumps(incident() | {"title": "Something else"}))
    ran = amends("declare", file, root=town.root)
    assert (ran.exits, ran.out) == (1, "")
    assert f"incident {INCIDENT} revision 1 was declared before with another body" in ran.said
    assert outside.ends(town.stack.kafka, "amends.incidents.v1") == before


# ── Nobody answers ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def deaf(town: Town, tmp_path: Path) -> Callable[..., Path]:
    """Call with what to change in the stack.json of another root: a stack of which something does not answer."""

    def make(**changed: Any) -> Path:
        root = tmp_path / ".amends"
        root.mkdir()
        for name in ("processes.json", "secrets.json"):
            shutil.copy(town.root / name, root)
        known = json.loads((town.root / "stack.json").read_text())
        for name, value in changed.items():
            known[name] = known[name] | value if isinstance(value, dict) else value
        (root / "stack.json").write_text(json.dumps(known))
        return root

    return make


def test_declare_says_so_when_kafka_does_not_answer(deaf: Callable[..., Path], tmp_path: Path) -> None:
    root = deaf(kafka=NOBODY)
    file = tmp_path / "incident.json"
    file.write_text(json.dumps(incident(incident_id="unheard")))
    ran = amends("declare", file, root=root)
    assert (ran.exits, ran.out) == (1, "")
    assert f"Kafka at {NOBODY} does not answer: is the stack up? (`amends status`)" in ran.said


def test_import_says_so_when_kafka_does_not_answer(deaf: Callable[..., Path], town: Town) -> None:
    ran = amends("import", "customers", town.base.customers_csv, root=deaf(kafka=NOBODY))
    assert (ran.exits, ran.out) == (1, "")
    assert f"Kafka at {NOBODY} does not answer" in ran.said


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("entitlements", ["watch", INCIDENT]),
        ("billing", ["watch", INCIDENT]),
        ("billing", ["reconcile", INCIDENT]),
        ("notifications", ["reconcile", INCIDENT]),
        ("notifications", ["explain", INCIDENT, "C0000001"]),
        ("notifications", ["letters", "C0000001"]),
        ("entitlements", ["rerun", INCIDENT]),
    ],
)
def test_a_service_that_is_down_is_named_with_what_to_do(
    deaf: Callable[..., Path], service: str, command: list[str]
) -> None:
    ran = amends(*command, "--output", "json", root=deaf(http={service: f"http://{NOBODY}"}))
    assert (ran.exits, ran.out) == (1, "")
    assert f"{service} at http://{NOBODY} does not answer" in ran.said
    assert "see `amends status`, and start what is missing with `amends up`" in ran.said
