"""The commands that look at an incident: what they print, for people and for programs, and how they end."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from deploy.local.customer_base import incident
from tests.e2e import outside
from tests.e2e.expected import Expected
from tests.e2e.oracle import read_promise
from tests.integration.cli.command import amends
from tests.integration.cli.conftest import INCIDENT, Town


@pytest.fixture(scope="module")
def promise(town: Town) -> Expected:
    return read_promise(town.base.customers_csv, town.base.contracts_csv, incident())


def test_status_says_that_everything_runs(town: Town) -> None:
    ran = amends("status", "--output", "json", root=town.root)
    assert ran.exits == 0
    names = [component["name"] for component in ran.json]
    assert names == ["kafka", "postgres", "mail", "entitlements", "billing", "notifications"]
    assert all(component["running"] and component["pid"] and component["port"] for component in ran.json)
    text = amends("status", root=town.root)
    assert all(name in text.out for name in names)


def test_watch_ends_at_once_when_all_is_done(town: Town, promise: Expected) -> None:
    ran = amends("watch", INCIDENT, "--output", "json", root=town.root)
    customers = promise.books()["customers"]
    assert ran.exits == 0
    assert ran.json == {
        "incident_id": INCIDENT,
        "revision": 1,
        "drill": False,
        "state": "done",
        "done": True,
        "waits_for": None,
        "considered": customers["considered"],
        "entitled": customers["entitled"],
        "adjusted": customers["adjusted"],
        "letters": customers["adjusted"],
        "settled": customers["adjusted"],
    }
    text = amends("watch", INCIDENT, root=town.root)
    assert f"{customers['considered']} customers considered, {customers['adjusted']} adjusted" in text.out


def test_reconcile_prints_the_books_and_ends_with_0_when_they_close(town: Town, promise: Expected) -> None:
    ran = amends("reconcile", INCIDENT, "--output", "json", root=town.root)
    wanted = promise.books()
    assert ran.exits == 0
    assert {name: value for name, value in ran.json.items() if name in wanted} == wanted
    text = amends("reconcile", INCIDENT, root=town.root)
    assert "The books close." in text.out
    assert "customers considered" in text.out


def test_explain_tells_an_entitled_customers_story(town: Town, promise: Expected) -> None:
    customer, owed = next((c, owed) for c, owed in promise.customers.items() if owed.told)
    ran = amends("explain", INCIDENT, customer, "--output", "json", root=town.root)
    assert ran.exits == 0
    assert ran.json["entitlement"]["exclusion"] is None
    extended = [entry for entry in ran.json["billing"]["entries"] if entry["ends_on_after"]]
    assert {entry["contract_id"]: entry["ends_on_after"] for entry in extended} == {
        contract: day.isoformat() for contract, day in owed.told.items()
    }
    text = amends("explain", INCIDENT, customer, root=town.root)
    assert text.exits == 0
    assert f"Customer {customer}: entitled" in text.out
    for contract, day in owed.told.items():
        assert f"extension on contract {contract}" in text.out
        assert f"+ 15 days = {day}" in text.out
    assert "extra-days, contract" in text.out
    assert "not redeemed" in text.out


def test_explain_tells_why_a_customer_was_excluded(town: Town, promise: Expected) -> None:
    customer, owed = next((c, owed) for c, owed in promise.customers.items() if owed.exclusion)
    ran = amends("explain", INCIDENT, customer, "--output", "json", root=town.root)
    assert ran.exits == 0
    assert ran.json["entitlement"]["exclusion"] == owed.exclusion
    assert ran.json["letters"] == []
    text = amends("explain", INCIDENT, customer, root=town.root)
    assert f"Customer {customer}: excluded, {owed.exclusion}" in text.out
    assert "not granted" in text.out


def test_a_kept_story_is_judged_again_without_a_stack(town: Town, promise: Expected, tmp_path: Path) -> None:
    customer = next(c for c, owed in promise.customers.items() if owed.told)
    file = tmp_path / "story.json"
    file.write_text(amends("explain", INCIDENT, customer, "--output", "json", root=town.root).out)
    ran = amends("explain", "--check", file)
    assert ran.exits == 0, ran.said
    assert "story.json is true to its facts" in ran.out


def test_a_kept_story_that_was_touched_up_is_found_out(town: Town, promise: Expected, tmp_path: Path) -> None:
    customer = next(c for c, owed in promise.customers.items() if owed.told)
    story = amends("explain", INCIDENT, customer, "--output", "json", root=town.root).json
    (run,) = story["entitlement"]["runs"]
    extended = next(fact for fact in run["facts"] if fact["contract_id"] in promise.customers[customer].told)
    extended["ends_on"] = "2011-04-01"  # it would not have been hit
    file = tmp_path / "story.json"
    file.write_text(json.dumps(story))
    ran = amends("explain", "--check", file, "--output", "json")
    assert (ran.exits, ran.json["true"]) == (1, False)
    assert "story.json is not true to its facts" in ran.said
    assert "the facts say" in ran.said


def test_the_incidents_are_listed_with_where_they_are(town: Town) -> None:
    ran = amends("incidents", "--output", "json", root=town.root)
    assert ran.exits == 0, ran.said
    (row,) = [row for row in ran.json if row["incident_id"] == INCIDENT]
    assert (row["state"], row["drill"], row["revision"], row["paused"]) == ("done", False, 1, False)
    text = amends("incidents", root=town.root).out
    assert any(INCIDENT in line and "is decided" in line for line in text.splitlines())


@pytest.mark.parametrize("customer", ["nobody", "C1?x=1", "C/1", ".."])
def test_explain_knows_who_was_not_considered(town: Town, customer: str) -> None:
    ran = amends("explain", INCIDENT, customer, root=town.root)
    assert ran.exits == 1
    assert f"incident {INCIDENT} did not consider customer {customer}: no contract of his" in ran.said
    assert ran.out == ""


def test_letters_lists_what_a_customer_was_written(town: Town, promise: Expected) -> None:
    customer = next(c for c, owed in promise.customers.items() if owed.letter and owed.letter.status == "sent")
    ran = amends("letters", customer, "--output", "json", root=town.root)
    assert ran.exits == 0
    (letter,) = ran.json
    assert (letter["incident_id"], letter["kind"], letter["state"]) == (INCIDENT, "details", "sent")
    assert "text" not in letter
    text = amends("letters", customer, root=town.root)
    assert f"{INCIDENT}: details {letter['letter_id']}: sent at " in text.out


def test_letters_shows_the_text_as_it_was_received(town: Town, promise: Expected) -> None:
    customer, owed = next(
        (c, o) for c, o in promise.customers.items() if o.letter and o.letter.status == "sent" and o.told
    )
    (letter,) = amends("letters", customer, "--text", "--output", "json", root=town.root).json
    (received,) = [one for one in outside.letters(town.stack.mailbox) if one.letter_id == letter["letter_id"]]
    assert letter["text"].strip() == received.text.strip()
    assert "\r" not in letter["text"]
    shown = amends("letters", customer, "--text", root=town.root)
    assert "Subject: " in shown.out
    for contract in owed.told:
        assert contract in shown.out


def test_letters_of_someone_who_got_none(town: Town) -> None:
    ran = amends("letters", "nobody", root=town.root)
    assert (ran.exits, ran.out) == (0, "no letter to customer nobody\n")
    assert amends("letters", "nobody", "--output", "json", root=town.root).json == []


@pytest.mark.parametrize(
    "command",
    [
        ["watch", "no-such"],
        ["reconcile", "no-such"],
        ["rerun", "no-such"],
        ["audit", "no-such"],
        ["reconcile", "no-such?latest"],
        ["reconcile", "a/b"],
    ],
)
def test_an_unknown_incident_is_answered_with_the_latest_ones(town: Town, command: list[str]) -> None:
    ran = amends(*command, "--output", "json", root=town.root)
    assert ran.exits == 1
    assert ran.out == ""
    said, _, latest = ran.said.partition("; the latest are ")
    assert said == f"no incident {command[1]}"
    assert INCIDENT in latest.split(", ")


@pytest.mark.parametrize(
    "command",
    [
        ["reconcile"],
        ["reconcile", INCIDENT, "--output", "xml"],
        ["no-such-command"],
        ["declare", "/no/such/file.yaml"],
        ["explain", INCIDENT],
        ["explain"],
        ["explain", INCIDENT, "C1", "--check", __file__],
        ["approve", INCIDENT, "--as", "anna"],
        ["preview", INCIDENT, "--letters", "many"],
        ["policy", "diff", "a@1", "b@1"],
        ["import", "contracts", "/no/such/file.csv"],
        ["import", "vouchers", "file.csv"],
        ["watch", INCIDENT, "--deadline", "0"],
        ["up", "--workers", "billing=two"],
        ["demo", "--customers", "1500001"],
    ],
)
def test_wrong_usage_ends_with_2(town: Town, command: list[str]) -> None:
    root = None if command[0] in ("no-such-command", "policy") or "vouchers" in command else town.root
    ran = amends(*command, root=root)
    assert (ran.exits, ran.out) == (2, "")
    assert ran.said


@pytest.mark.parametrize(
    "command",
    [
        ["watch", "i"],
        ["reconcile", "i"],
        ["explain", "i", "c"],
        ["letters", "c"],
        ["rerun", "i"],
        ["pause", "i", "--as", "a"],
        ["approve", "i", "--as", "a", "--plan", "ab" * 32],
        ["retract", "i", "--as", "a", "--reason", "x"],
        ["audit", "i"],
        ["preview", "i"],
        ["incidents"],
        ["policy", "list"],
        ["republish"],
        ["import", "customers", "FILE"],
        ["import", "contracts", "FILE"],
        ["status"],
    ],
)
def test_without_a_stack_a_command_says_how_to_get_one(town: Town, tmp_path: object, command: list[str]) -> None:
    root = town.root.parent / "nothing-here"
    arguments = [str(town.base.customers_csv) if word == "FILE" else word for word in command]
    ran = amends(*arguments, root=root)
    assert (ran.exits, ran.out) == (1, "")
    assert re.search(rf"no stack (is up|was ever started) at {root}", ran.said)
    assert "`amends up`" in ran.said
    assert not root.exists()


def test_down_without_a_stack_has_nothing_to_do(town: Town) -> None:
    assert amends("down", root=town.root.parent / "nothing-here").exits == 0


def test_help_names_every_command() -> None:
    ran = amends("--help")
    assert ran.exits == 0
    for command in (
        "up", "down", "status", "import", "declare", "watch", "reconcile", "explain", "letters", "rerun", "republish",
        "demo", "preview", "amend", "resolve", "retract", "approve", "pause", "resume", "incidents", "audit", "policy",
    ):  # fmt: skip
        assert f" {command} " in ran.out
    assert "--install-completion" in ran.out


def test_the_base_has_what_these_tests_look_for(town: Town) -> None:
    with town.base.customers_csv.open(encoding="utf-8", newline="") as lines:
        assert sum(1 for _ in csv.DictReader(lines)) == 400
