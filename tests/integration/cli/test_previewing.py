"""Previews and policies: what a run would come to, and comes to; what policies are checked, tried and compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local.customer_base import incident
from services.entitlements.policy import SHIPPED
from tests.e2e import outside
from tests.integration.cli.command import amends
from tests.integration.cli.conftest import INCIDENT, POLICIES, Town

ARUBA = "aruba-2011-04-29@1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A declaration that nobody has published."""
    file = tmp_path / "draft.json"
    file.write_text(json.dumps(incident(incident_id="draft")))
    return file


@pytest.fixture(scope="module")
def ran(town: Town, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An incident that was declared and run just now, over the customers as they are now."""
    file = tmp_path_factory.mktemp("ran") / "ran.json"
    file.write_text(json.dumps(incident(incident_id="ran-just-now")))
    assert amends("declare", file, root=town.root).exits == 0
    assert amends("watch", "ran-just-now", root=town.root).exits == 0
    return "ran-just-now"


def test_a_preview_comes_to_what_the_run_comes_to_and_changes_nothing(town: Town, file: Path, ran: str) -> None:
    before = outside.ends(town.stack.kafka, "amends.incidents.v1", "amends.entitlements.v1", "amends.adjustments.v1")
    shown = amends("preview", file, "--output", "json", root=town.root)
    assert shown.exits == 0, shown.said
    preview = shown.json
    books = amends("reconcile", ran, "--output", "json", root=town.root).json
    assert preview["customers"] == {n: books["customers"][n] for n in ("considered", "entitled", "excluded")}
    assert preview["exclusions"] == books["exclusions"]
    assert sum(rule["remedies"] for rule in preview["rules"]) == books["remedies"]["granted"]
    assert (preview["days"], preview["money"]) == (books["days_granted"], books["liability"])
    assert outside.ends(town.stack.kafka, *{tp.topic for tp in before}) == before
    assert amends("watch", "draft", root=town.root).exits == 1


def test_a_preview_shows_each_rule_and_a_letter_as_the_customer_would_get_it(town: Town, file: Path) -> None:
    ran = amends("preview", file, "--language", "it", root=town.root)
    assert ran.exits == 0, ran.said
    for words in ("draft, revision 1, under aruba-2011-04-29@1", "extra-days", "photo-voucher", "5,00", "plan "):
        assert words in ran.out
    assert "details letter to C" in ran.out
    assert "Subject: " in ran.out
    assert "Fotoaruba" in ran.out
    none = amends("preview", file, "--letters", "0", root=town.root)
    assert "Subject: " not in none.out


def test_each_kind_of_letter_that_the_policy_wants_is_shown(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "sla.json"
    file.write_text(json.dumps(incident(incident_id="sla") | {"policy": "sla-credit@1"}))
    ran = amends("preview", file, "--letters", "2", "--output", "json", root=town.root)
    assert ran.exits == 0, ran.said
    kinds = [letter["kind"] for letter in ran.json["letters"]]
    shown = min(2, len(ran.json["samples"]))
    assert kinds == ["announcement"] * shown + ["details"] * shown
    assert all(letter["subject"] and letter["text"] for letter in ran.json["letters"])


def test_an_incident_that_was_run_has_nothing_left_to_preview(town: Town, ran: str) -> None:
    shown = amends("preview", ran, "--output", "json", root=town.root)
    assert shown.exits == 0, shown.said
    assert (shown.json["incident_id"], shown.json["rules"], shown.json["letters"]) == (ran, [], [])


def test_a_preview_under_a_policy_that_nobody_published(town: Town, file: Path, tmp_path: Path) -> None:
    policy = tmp_path / "draft@7.yaml"
    policy.write_text(POLICIES["budget@1"].replace("name: budget\nversion: 1", "name: draft\nversion: 7"))
    ran = amends("preview", file, "--policy", policy, "--output", "json", root=town.root)
    assert ran.exits == 0, ran.said
    assert ran.json["policy"] == "draft@7"
    assert [rule["rule"] for rule in ran.json["rules"]] == ["voucher"]
    assert ran.json["budget"]["needs_approval"]
    assert "it needs approval: 600.00 EUR does not" in amends("preview", file, "--policy", policy, root=town.root).out


@pytest.mark.parametrize(
    ("what", "words"),
    [("never", "never is neither a file nor an incident that was declared: see `amends incidents`")],
)
def test_what_cannot_be_previewed_is_said(town: Town, what: str, words: str) -> None:
    ran = amends("preview", what, root=town.root)
    assert (ran.exits, ran.out) == (1, "")
    assert words in ran.said


# ── policies ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_published_policies_are_listed_and_shown(town: Town) -> None:
    listed = amends("policy", "list", "--output", "json", root=town.root)
    assert {ARUBA, *POLICIES} <= set(listed.json)
    shown = amends("policy", "show", ARUBA, "--output", "json", root=town.root).json
    assert (shown["policy"], shown["body"]["name"]) == (ARUBA, "aruba-2011-04-29")
    assert "photo-voucher" in amends("policy", "show", ARUBA, root=town.root).out
    ran = amends("policy", "show", "aruba@9", root=town.root)
    assert (ran.exits, f"no policy aruba@9; known are {ARUBA}" in ran.said) == (1, True)


def test_two_policies_are_compared_on_the_same_customers(town: Town, ran: str) -> None:
    compared = amends("policy", "diff", ARUBA, "budget@1", "--incident", ran, "--output", "json", root=town.root)
    assert compared.exits == 0, compared.said
    found = compared.json
    books = amends("reconcile", ran, "--output", "json", root=town.root).json
    assert (found["a"], found["b"]) == (ARUBA, "budget@1")
    assert found["gain"] + found["lose"] + found["mixed"] + found["same"] == found["customers"]
    assert (found["days"]["a"], found["money"]["a"]) == (books["days_granted"], books["liability"])
    assert found["lose"] > 0
    text = amends("policy", "diff", ARUBA, "budget@1", "--incident", INCIDENT, root=town.root).out
    assert f"{found['lose']} of {found['customers']} customers lose by B" in text
    assert found["samples"]["lose"][0]["customer_id"] in text


def test_a_policy_is_compared_with_a_draft_of_its_next_version(town: Town, tmp_path: Path) -> None:
    draft = tmp_path / "budget@2.yaml"
    draft.write_text(POLICIES["budget@1"].replace("version: 1", "version: 2").replace('"5.00"', '"6.00"'))
    ran = amends("policy", "diff", "budget@1", draft, "--incident", INCIDENT, "--output", "json", root=town.root)
    assert ran.exits == 0, ran.said
    assert (ran.json["lose"], ran.json["mixed"], ran.json["gain"] > 0) == (0, 0, True)


def test_a_policy_that_does_not_exist_cannot_be_compared(town: Town) -> None:
    ran = amends("policy", "diff", ARUBA, "aruba-2012@1", "--incident", INCIDENT, root=town.root)
    assert (ran.exits, ran.out) == (1, "")
    assert "there is no policy aruba-2012@1" in ran.said


def test_policies_are_checked_without_a_stack(tmp_path: Path) -> None:
    assert amends("policy", "check", *sorted(SHIPPED.glob("*.yaml"))).exits == 0
    bad = tmp_path / "bad@1.yaml"
    bad.write_text("name: bad\nversion: one\n")
    ran = amends("policy", "check", bad)
    assert (ran.exits, ran.out) == (1, "")
    assert "bad@1.yaml: version: 'one' is not a whole number: write one such as 1" in ran.said
    told = amends("policy", "check", bad, "--output", "json")
    assert (told.exits, told.json["well"], bool(told.json["problems"])) == (1, False, True)
    assert amends("policy", "check").exits == 2


def test_the_examples_beside_the_policies_hold() -> None:
    ran = amends("policy", "test", "--output", "json")
    assert (ran.exits, ran.json["well"]) == (0, True)
    assert len(ran.json["told"]) > 20


def test_the_schema_of_a_policy_is_for_editors() -> None:
    ran = amends("policy", "schema")
    assert ran.exits == 0
    assert ran.json["properties"]["rules"]
