"""What a person says of an incident: published, answered from the audit trail, or refused with the reason."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.customer_base import incident
from tests.e2e import outside
from tests.integration.cli.command import Ran, amends
from tests.integration.cli.conftest import INCIDENT, Town

END = "2011-04-29T14:00:00+02:00"
OTHER = "ab" * 32


def stated(folder: Path, incident_id: str, policy: str = "aruba-2011-04-29@1", **changed: Any) -> Path:
    """A file that states an incident of the housing families, so that it is small."""
    body = incident(incident_id=incident_id) | {"policy": policy, "declared_by": "anna"} | changed
    file = folder / f"{incident_id}-{body['revision']}.json"
    file.write_text(json.dumps(body))
    return file


def declared(town: Town, folder: Path, incident_id: str, policy: str = "aruba-2011-04-29@1", **changed: Any) -> None:
    """Declare an incident by the command."""
    ran = amends("declare", stated(folder, incident_id, policy, **changed), root=town.root)
    assert ran.exits == 0, ran.said


def events(town: Town) -> outside.Positions:
    return outside.ends(town.stack.kafka, "amends.incidents.v1")


def waiting_plan(ran: Ran) -> str:
    """The hash of the plan that a watch ended at."""
    found = re.search(r"amends approve \S+ --plan ([0-9a-f]{64}) --as NAME", ran.said)
    assert found, ran.said
    return found.group(1)


def said(town: Town, *command: str | Path) -> Ran:
    return amends(*command, root=town.root)


# ── revisions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_incident_is_declared_amended_resolved_retracted_and_reopened(town: Town, tmp_path: Path) -> None:
    lasting = incident()["impact"] | {"ends_at": None}
    scope = {"families": ["housing"]}
    declared(town, tmp_path, "life", impact=lasting, scope=scope)
    wider = stated(tmp_path, "life", impact=lasting, scope={"families": ["housing", "virtual"]}, revision=2)
    ran = amends("amend", wider, "--output", "json", root=town.root)
    assert ran.exits == 0, ran.said
    assert ran.json == {"incident_id": "life", "revision": 2, "action": "amended", "waits_for": None}
    ran = said(town, "resolve", "life", "--at", END, "--as", "anna")
    assert ran.out == "resolved life, revision 3; follow it with: amends watch life\n"
    ran = said(town, "retract", "life", "--reason", "a false alarm", "--as", "anna")
    assert ran.out == "retracted life, revision 4; follow it with: amends watch life\n"
    assert (
        "taken back already, as revision 4, by anna" in said(town, "retract", "life", "--reason", "x", "--as", "a").said
    )
    assert "to reopen it, state it anew" in said(town, "resolve", "life", "--at", END, "--as", "anna").said
    assert said(town, "amend", stated(tmp_path, "life", scope=scope, revision=5)).exits == 0
    trail = amends("audit", "life", "--output", "json", root=town.root).json["entries"]
    actions = [entry["action"] for entry in trail if "event_id" in entry["detail"]]
    assert actions == ["declared", "amended", "resolved", "retracted", "amended"]
    assert said(town, "watch", "life").exits == 0
    assert said(town, "reconcile", "life").exits == 0


def test_what_counts_as_now_can_be_said(town: Town, tmp_path: Path) -> None:
    declared(town, tmp_path, "dated", scope={"families": ["adsl"]})
    ran = said(town, "resolve", "dated", "--at", END, "--as", "anna", "--declared-at", "2011-05-14T10:00:00+02:00")
    assert ran.exits == 0, ran.said
    *_, entry = [
        e for e in amends("audit", "dated", "-o", "json", root=town.root).json["entries"] if e["actor"] == "anna"
    ]
    assert (entry["action"], entry["at"]) == ("resolved", "2011-05-14T10:00:00+02:00")


def test_a_revision_that_comes_early_waits_and_is_said_to(town: Town, tmp_path: Path) -> None:
    declared(town, tmp_path, "early", scope={"families": ["adsl"]})
    third = stated(tmp_path, "early", scope={"families": ["adsl"]}, revision=3)
    ran = said(town, "amend", third)
    assert (ran.exits, "revision: 3 is not the next one of early: write 2" in ran.said) == (1, True)
    assert "it waits for revision 2: declare that one too" in said(town, "declare", third).out
    ran = amends("watch", "early", "--output", "json", root=town.root)
    assert ran.exits == 1
    assert ran.json["waits_for"].startswith("waits for revision 2, which has not come: `amends amend FILE`")
    assert "gap: the incident waits for revision 2" in said(town, "reconcile", "early").out
    assert said(town, "amend", stated(tmp_path, "early", scope={"families": ["adsl"]}, revision=2)).exits == 0
    assert said(town, "watch", "early").exits == 0


@pytest.mark.parametrize(
    ("command", "exits", "words"),
    [
        (["amend", {"revision": 1, "title": "x"}], 1, "revision: 1 is not the next one"),
        (["amend", {"incident_id": "never", "revision": 2}], 1, "nobody declared incident never yet"),
        (["amend", {"revision": 2, "policy": "sla-credit@1"}], 1, "the incident was declared under aruba-2011-04-29@1"),
        (["amend", {"revision": 2, "drill": True}], 1, "declared with drill False: declare another one"),
        (["resolve", INCIDENT, "--at", "2011-04-28T00:00:00Z", "--as", "a"], 1, "is not after the start"),
        (["resolve", INCIDENT, "--at", "noon", "--as", "a"], 2, "--at: "),
        (["resolve", INCIDENT, "--at", "2011-04-29T14:00:00", "--as", "a"], 2, "write an offset too"),
        (["resolve", "never", "--at", END, "--as", "a"], 1, "no incident never"),
        (["retract", INCIDENT, "--reason", "x", "--as", "two words"], 2, "--as: "),
        (["retract", INCIDENT, "--reason", "x"], 2, "--as"),
        (["pause", "never", "--as", "a"], 1, "no incident never"),
        (["resume", INCIDENT, "--as", "a"], 1, "is not paused"),
        (["approve", INCIDENT, "--plan", OTHER, "--as", "b"], 1, "no plan of aruba-2011-04-29 waits for an approval"),
        (["approve", INCIDENT, "--plan", "abc", "--as", "b"], 2, "write the 64 characters of the hash"),
    ],
)
def test_what_cannot_count_is_said_and_nothing_is_published(
    town: Town, tmp_path: Path, command: list[Any], exits: int, words: str
) -> None:
    before = events(town)
    if isinstance(command[1], dict):
        file = tmp_path / "said.json"
        file.write_text(json.dumps(incident() | command[1]))
        command = [command[0], file]
    ran = said(town, *command)
    assert (ran.exits, ran.out) == (exits, "")
    assert words in " ".join(ran.said.replace("│", " ").split())
    assert events(town) == before


# ── gates ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_waits_for_a_second_person_and_goes_on_when_he_has_approved_it(town: Town, tmp_path: Path) -> None:
    declared(town, tmp_path, "asks", "budget@1")
    watched = said(town, "watch", "asks")
    assert watched.exits == 1
    assert "waits for approval: the incident would come to" in watched.said
    assert "(anybody but anna)" in watched.said
    plan = waiting_plan(watched)
    assert "asks: waits for approval" not in said(town, "reconcile", "asks").out
    assert "gap: the incident waits for approval" in said(town, "reconcile", "asks").out
    before = events(town)
    assert (
        "anna cannot approve it: anna declared asks"
        in said(town, "approve", "asks", "--plan", plan, "--as", "anna").said
    )
    assert "is not the one that waits" in said(town, "approve", "asks", "--plan", OTHER, "--as", "berta").said
    assert events(town) == before
    ran = amends("approve", "asks", "--plan", plan, "--as", "berta", "--output", "json", root=town.root)
    assert (ran.exits, ran.json["action"]) == (0, "approved"), ran.said
    assert said(town, "watch", "asks").exits == 0
    assert said(town, "reconcile", "asks").exits == 0
    assert "berta: approved" in said(town, "audit", "asks").out
    assert "no plan of asks waits" in said(town, "approve", "asks", "--plan", plan, "--as", "berta").said


def test_a_run_halts_at_the_ceiling_and_says_how_to_go_on(town: Town, tmp_path: Path) -> None:
    declared(town, tmp_path, "much", "ceiling@1")
    assert (
        said(town, "approve", "much", "--plan", waiting_plan(said(town, "watch", "much")), "--as", "berta").exits == 0
    )
    watched = said(town, "watch", "much")
    assert watched.exits == 1
    assert "is halted at the ceiling, nothing granted of 300.00 EUR allowed" in watched.said
    assert said(town, "approve", "much", "--plan", waiting_plan(watched), "--as", "berta").exits == 0
    assert said(town, "watch", "much").exits == 0
    assert said(town, "reconcile", "much").exits == 0


def test_the_rest_follows_the_canary_when_it_is_approved_and_is_taken_back_by_a_retraction(
    town: Town, tmp_path: Path
) -> None:
    declared(town, tmp_path, "bird", "canary@1")
    watched = said(town, "watch", "bird")
    assert watched.exits == 1
    assert "the first 50 customers are done: look at them, and approve the rest" in watched.said
    assert said(town, "approve", "bird", "--plan", waiting_plan(watched), "--as", "berta").exits == 0
    assert said(town, "watch", "bird").exits == 0
    granted = amends("reconcile", "bird", "--output", "json", root=town.root).json
    assert (granted["closed"], granted["reversals"]["asked"]) == (True, 0)
    assert said(town, "retract", "bird", "--reason", "a false alarm", "--as", "anna").exits == 0
    assert said(town, "watch", "bird").exits == 0
    books = amends("reconcile", "bird", "--output", "json", root=town.root).json
    assert books["closed"], books["gaps"]
    assert books["reversals"]["asked"] == books["reversals"]["applied"] == granted["remedies"]["granted"]
    assert set(books["liability"].values()) <= {"0.00"}


def test_a_paused_incident_stands_still_until_it_is_resumed(town: Town, tmp_path: Path) -> None:
    declared(town, tmp_path, "still", "budget@1")
    ran = said(town, "pause", "still", "--as", "carla", "--reason", "look first")
    assert ran.exits == 0, ran.said
    assert "is paused already" in said(town, "pause", "still", "--as", "carla").said
    watched = said(town, "watch", "still")
    assert watched.exits == 1
    assert "still is paused: `amends resume still --as NAME` lets it go on" in watched.said
    assert "carla: paused" in said(town, "audit", "still").out
    assert said(town, "resume", "still", "--as", "carla").exits == 0
    assert waiting_plan(said(town, "watch", "still"))


def test_a_drill_is_marked_wherever_it_is_shown(town: Town, tmp_path: Path) -> None:
    declared(town, tmp_path, "practice", drill=True, scope={"families": ["housing", "virtual"]})
    watched = said(town, "watch", "practice")
    assert watched.exits == 0
    assert "DRILL" in watched.said
    assert "DRILL" in watched.out
    books = amends("reconcile", "practice", "--output", "json", root=town.root)
    assert (books.exits, books.json["drill"]) == (0, True), books.said
    assert books.json["letters"]["details"]["sent"] == 0
    assert "DRILL" in said(town, "reconcile", "practice").out
    (row,) = [r for r in amends("incidents", "-o", "json", root=town.root).json if r["incident_id"] == "practice"]
    assert row["drill"]
    assert any("practice" in line and "drill" in line for line in said(town, "incidents").out.splitlines())
    record = next(r for r in _adjustments(town) if r.data["incident_id"] == "practice")
    customer = record.data["customer_id"]
    assert "DRILL" in said(town, "explain", "practice", customer).out
    assert "[drill]" in next(line for line in said(town, "letters", customer).out.splitlines() if "practice" in line)


def _adjustments(town: Town) -> list[outside.Record]:
    return outside.read(town.stack.kafka, ["amends.adjustments.v1"])["amends.adjustments.v1"]


# ── audit ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_trail_is_verified(town: Town) -> None:
    ran = amends("audit", INCIDENT, "--verify", "--output", "json", root=town.root)
    assert (ran.exits, ran.json["whole"], ran.json["flaws"]) == (0, True, [])
    assert ran.json["entries"][0]["action"] == "declared"
    assert "The chain is whole" in said(town, "audit", INCIDENT, "--verify").out


def test_a_byte_that_somebody_changed_in_the_database_is_named(town: Town, tmp_path: Path) -> None:
    declared(town, tmp_path, "forged", scope={"families": ["adsl"]})
    assert said(town, "watch", "forged").exits == 0
    asyncio.run(_forge(town.stack.databases["entitlements"]))
    ran = amends("audit", "forged", "--verify", "--output", "json", root=town.root)
    assert ran.exits == 1
    assert ran.json["flaws"] == ["entry 1 was changed: its hash is not of what it says"]
    assert "entry 1 was changed" in ran.said
    assert said(town, "audit", "forged").exits == 0


async def _forge(dsn: str) -> None:
    """Change who declared an incident, past what keeps the table as it is."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("ALTER TABLE audit DISABLE TRIGGER append_only")
        await connection.execute("UPDATE audit SET actor = 'Anna' WHERE incident_id = 'forged' AND number = 1")
        await connection.execute("ALTER TABLE audit ENABLE TRIGGER append_only")
    finally:
        await connection.close()
