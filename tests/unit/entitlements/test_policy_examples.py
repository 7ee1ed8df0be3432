"""Examples kept beside a policy: what ships is true, and what is not true is said in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.entitlements.policy import SHIPPED, read_policy
from services.entitlements.policy_errors import PolicyError
from services.entitlements.policy_examples import Tried, try_policy
from services.entitlements.policy_facts import examples_beside, read_examples
from tests.unit.entitlements.builders import ARUBA

FILES = sorted(SHIPPED.glob("*.yaml"))
SHIPPED_TRIED = [tried for file in FILES for tried in try_policy(file)]

POLICY = """
name: draft
version: 1
title: Draft
time_zone: Europe/Rome
rules:
  - rule: days
    per: contract
    when: {families: [dedicated]}
    give:
      extension: {days: 1, per: started hour, at_most: 5}
    if_refused:
      - {reasons: [terminated], give: {credit: {same_worth: true}}}
  - rule: voucher
    per: customer
    give:
      voucher: {amount: {amount: "5.00", currency: EUR}, merchant: Shop, valid_for: 1 year}
"""
INCIDENT = """
incident:
  starts_at: 2026-06-01T10:00:00+02:00
  ends_at: 2026-06-01T12:30:00+02:00
  declared_at: 2026-06-02T10:00:00+02:00
examples:
"""
TRUE = """
  - example: Three hours begun
    contracts:
      - {contract: S1, family: dedicated, starts_on: 2025-01-01, monthly_fee: 30.00 EUR}
    gets:
      - {rule: days, contract: S1, extension: 3, since: 1, if_refused: {terminated: 3.00 EUR}}
      - {rule: voucher, voucher: 5.00 EUR, merchant: Shop, handling_covered: false, until: 2027-06-02}
    verdicts: {days: {S1: granted}, voucher: {customer: granted}}
    because: [3 started hours × 1 day = 3 days]
    then:
      - incident: {ends_at: 2026-06-01T14:00:00+02:00}
        gets:
          - {rule: days, contract: S1, extension: 1, since: 2}
      - incident: {retracted: true}
        gets: []
        no_longer:
          - {rule: days, contract: S1, honoured: true}
          - {rule: days, contract: S1, honoured: true}
          - {rule: voucher, honoured: true}
"""


def kept(folder: Path, examples: str, policy: str = POLICY) -> Path:
    """A policy with its examples beside it."""
    file = folder / "draft@1.yaml"
    file.write_text(policy, encoding="utf-8")
    examples_beside(file).parent.mkdir(exist_ok=True)
    examples_beside(file).write_text(examples, encoding="utf-8")
    return file


def tried(folder: Path, examples: str) -> Tried:
    (one,) = try_policy(kept(folder, INCIDENT + examples))
    return one


# ── what ships ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("one", SHIPPED_TRIED, ids=[f"{one.policy}: {one.example}" for one in SHIPPED_TRIED])
def test_every_example_that_ships_is_true(one: Tried) -> None:
    assert not one.problems


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_policy_that_ships_has_eight_examples_or_more_and_each_rule_is_in_one(file: Path) -> None:
    examples = read_examples(examples_beside(file)).examples
    assert len(examples) >= 8
    given = {line.rule for example in examples for step in example.steps for line in step.gets or ()}
    assert given == {rule.rule for rule in read_policy(file).rules}


# ── what is true ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_example_goes_on_with_what_is_in_the_books(tmp_path: Path) -> None:
    assert tried(tmp_path, TRUE) == Tried("draft@1", "Three hours begun", ())


def test_what_becomes_of_a_contract_meanwhile_is_a_fact_too(tmp_path: Path) -> None:
    later = (
        TRUE.split("    then:")[0]
        + """
    then:
      - incident: {declared_at: 2026-06-03T10:00:00+02:00}
        contracts:
          - {contract: S1, family: dedicated, starts_on: 2025-01-01, terminated_on: 2025-02-01}
          - {contract: S2, family: dedicated, starts_on: 2025-01-01}
        gets:
          - {rule: days, contract: S2, extension: 3}
"""
    )
    assert not tried(tmp_path, later).problems


# ── what is not ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("extension: 3", "extension: 4",
         "revision 1: does not get {rule: days, contract: S1, extension: 4, since: 1, "
         "if_refused: {terminated: 3.00 EUR}}"),
        ("extension: 3", "extension: 4",
         "revision 1: gets {rule: days, contract: S1, extension: 3, since: 1, "
         "if_refused: {terminated: 3.00 EUR}} as well"),
        ("terminated: 3.00 EUR", "terminated: 4.00 EUR",
         "revision 1: does not get {rule: days, contract: S1, extension: 3, since: 1, "
         "if_refused: {terminated: 4.00 EUR}}"),
        ("rule: voucher, voucher", "rule: voucher, contract: S1, voucher",
         "revision 1: does not get {rule: voucher, contract: S1, voucher: 5.00 EUR, until: 2027-06-02, "
         "merchant: Shop, handling_covered: false}"),
        ("rule: days, contract: S1, extension: 3", "rule: days, extension: 3",
         "revision 1: does not get {rule: days, extension: 3, since: 1, if_refused: {terminated: 3.00 EUR}}"),
        ("until: 2027-06-02", "until: 2027-06-01",
         "revision 1: gets {rule: voucher, voucher: 5.00 EUR, merchant: Shop, handling_covered: false, "
         "until: 2027-06-02, since: 1} as well"),
        ("{days: {S1: granted}", "{days: {S1: tenure}", "revision 1: verdicts.days.S1: is granted, not tenure"),
        ("{days: {S1: granted}", "{days: {S9: granted}", "revision 1: verdicts.days.S9: is not given, not granted"),
        ("      - incident: {retracted: true}\n        gets: []", "      - incident: {retracted: true}\n"
         "        excluded: nothing_due", "revision 3: excluded: is no exclusion, not nothing_due"),
        ("          - {rule: voucher, honoured: true}\n", "",
         "revision 3: no_longer: is [{rule: days, contract: S1, honoured: true}, "
         "{rule: days, contract: S1, honoured: true}, {rule: voucher, honoured: true}]"),
        ("{rule: voucher, honoured: true}", "{rule: voucher, honoured: false}",
         "revision 3: no_longer: is [{rule: days, contract: S1, honoured: true}, "
         "{rule: days, contract: S1, honoured: true}, {rule: voucher, honoured: true}]"),
        ("2026-06-01T14:00:00+02:00", "2026-06-01T09:00:00+02:00",
         "revision 2: incident: ends_at 2026-06-01T09:00:00+02:00 is not after starts_at 2026-06-01T10:00:00+02:00: "
         "write an end after the start, or null while it lasts"),
        ("incident: {ends_at: 2026-06-01T14:00:00+02:00}", "incident: {scope: {}}",
         'revision 2: incident: a scope is either {"everyone": true} or at least one of sites, families, contract_ids'),
    ],
)  # fmt: skip
def test_what_is_not_true_is_said(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert right in TRUE
    assert told in tried(tmp_path, TRUE.replace(right, wrong, 1)).problems


def test_a_sentence_that_nothing_says_is_told_with_what_is_said(tmp_path: Path) -> None:
    (problem,) = tried(tmp_path, TRUE.replace("3 started hours ×", "4 started hours ×")).problems
    assert problem.startswith(
        "revision 1: because: nothing says '4 started hours × 1 day = 3 days', but: days, contract"
    )


def test_nothing_is_expected_where_gets_is_empty(tmp_path: Path) -> None:
    example = "  - {example: A, contracts: [{contract: P1, family: pec, starts_on: 2025-01-01}], gets: []}"
    (problem,) = tried(tmp_path, example).problems
    assert problem.startswith("gets {rule: voucher, voucher: 5.00 EUR")


# ── what cannot be read ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("family: dedicated", "famly: dedicated",
         "examples[0].contracts[0].famly: is no field here: did you mean family? The fields here are contract, "
         "family, product, site, starts_on, ends_on, terminated_on, monthly_fee, addons, attributes, complimentary"),
        ("3.00 EUR}", "3 EURO}",
         "examples[0].gets[0].if_refused.terminated: '3 EURO' is no money: write it in quotes such as \"5.00 EUR\""),
        ("incident: {ends_at", "incident: {scope: {site: [arezzo]}, ends_at",
         "examples[0].then[0].incident.scope.site: is no field here: did you mean sites? "
         "The fields here are everyone, sites, families, contract_ids"),
        ("extension: 3, ", "", "examples[0].gets[0]: says nothing: write one of extension, addon, voucher, credit"),
        ("{days: {S1: granted}", "{days: {S1: given}", "examples[0].verdicts.days.S1: 'given' is not one of them: "),
        ("starts_on: 2025-01-01", "starts_on: 2025-02-30", "examples[0].contracts[0].starts_on: '2025-02-30' does"),
        ("  - example: Three hours begun", TRUE.split("    then:")[0] + "  - example: Three hours begun",
         "examples[1].example: 'Three hours begun' is taken: write another title"),
        ("        gets: []\n        no_longer", "        no_longer",
         "examples[0].then[1]: does not say what the customer gets: write gets, or excluded with the reason"),
        ("    because:", "    excluded: not_in_scope\n    because:",
         "examples[0]: gets something and is excluded: write one of the two"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_of_examples_is_told_as_in_a_policy(
    tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    assert right in TRUE
    with pytest.raises(PolicyError) as caught:
        try_policy(kept(tmp_path, INCIDENT + TRUE.replace(right, wrong, 1)))
    assert any(line.startswith(f"examples/draft@1.yaml: {told}") for line in caught.value.problems)


def test_a_policy_without_examples_is_told_where_to_write_them(tmp_path: Path) -> None:
    file = kept(tmp_path, "")
    with pytest.raises(PolicyError, match=r"^examples/draft@1.yaml: is empty: write examples$"):
        try_policy(file)
    examples_beside(file).unlink()
    with pytest.raises(PolicyError, match=r"^draft@1.yaml: has no examples: write some in examples/draft@1.yaml$"):
        try_policy(file)


def test_an_incident_of_which_too_little_is_said_is_told(tmp_path: Path) -> None:
    (one,) = try_policy(kept(tmp_path, "examples:" + TRUE))
    assert one.problems == ("revision 1: incident: starts_at and declared_at have to be said: write them",)


def test_the_case_ships_with_its_examples() -> None:
    assert {one.policy for one in SHIPPED_TRIED} >= {ARUBA, "sla-credit@1", "daily-rate-telecom@1"}
