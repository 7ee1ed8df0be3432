"""The worked examples are what they say: good for every reader, or refused for the reason given."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from pydantic import ValidationError

from schemas.events import EVENTS, LetterKind, RunState, StandsBecause
from schemas.examples import FOLDER, Refused, examples, refused
from schemas.ids import entry_id, grant_id, letter_id, substitute_id, withdrawal_id
from schemas.json_schemas import json_schema

GOOD = [(kind, name, data) for kind in EVENTS for name, data in examples(kind).items()]
BAD = [(kind, name, example) for kind in EVENTS for name, example in refused(kind).items()]

FORMATS = FormatChecker()


# jsonschema checks `date-time` only with a further package; without one it would let everything pass.
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


FORMATS.checks("date-time", raises=ValueError)(_is_instant)


def ids(cases: list[Any]) -> list[str]:
    return [f"{kind}-{name}" for kind, name, _ in cases]


@pytest.mark.parametrize(("kind", "name", "data"), GOOD, ids=ids(GOOD))
def test_an_example_is_good_by_the_json_schema(kind: str, name: str, data: bytes) -> None:
    Draft202012Validator(json_schema(kind), format_checker=FORMATS).validate(json.loads(data))


@pytest.mark.parametrize(("kind", "name", "data"), GOOD, ids=ids(GOOD))
def test_an_example_survives_reading_and_writing(kind: str, name: str, data: bytes) -> None:
    event = EVENTS[kind].model_validate_json(data)
    assert EVENTS[kind].model_validate_json(event.model_dump_json()) == event
    assert EVENTS[kind].model_validate_json(data) == event
    # What was written is what stood there, but for fields that nobody knows.
    written = event.model_dump(mode="json", exclude_unset=True)
    read = json.loads(data)
    assert written == {key: value for key, value in read.items() if key in EVENTS[kind].model_fields}


@pytest.mark.parametrize(("kind", "name", "example"), BAD, ids=ids(BAD))
def test_a_bad_example_is_refused_for_its_reason(kind: str, name: str, example: Refused) -> None:
    with pytest.raises(ValidationError) as refusal:
        EVENTS[kind].model_validate_json(example.data)
    assert example.says in str(refusal.value), example.why
    with pytest.raises(ValidationError):
        EVENTS[kind].model_validate_json(example.data)


@pytest.mark.parametrize("kind", EVENTS)
def test_every_type_has_good_and_bad_examples(kind: str) -> None:
    assert len(examples(kind)) >= 2
    assert len(refused(kind)) >= 2


def test_every_folder_of_examples_is_an_event_type() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(EVENTS)


def test_the_instants_of_the_schemas_are_really_checked() -> None:
    """A format that nobody checks would make every example with a wrong instant pass."""
    validator = Draft202012Validator({"type": "string", "format": "date-time"}, format_checker=FORMATS)
    assert not validator.is_valid("2011-04-29T04:30:00")
    assert validator.is_valid("2011-04-29T04:30:00+02:00")


def shown(kind: str) -> list[dict[str, Any]]:
    return [json.loads(data) for data in examples(kind).values()]


def all_of(kind: str, field: str) -> list[dict[str, Any]]:
    return [entry for event in shown(kind) for entry in event[field]]


def test_examples_show_every_kind_reason_status_and_scope() -> None:
    kinds = {"extension", "addon", "voucher", "credit"}
    assert {remedy["kind"] for remedy in all_of("entitlement.granted.v1", "remedies")} == kinds
    outcomes = all_of("adjustment.applied.v1", "outcomes")
    assert {outcome["kind"] for outcome in outcomes} == kinds
    reasons = {outcome.get("reason") for outcome in outcomes}
    assert reasons == {None, "expired", "terminated", "open_ended", "unknown_contract"}
    letters = [json.loads(data) for data in examples("letter.settled.v1").values()]
    assert {letter["status"] for letter in letters} == {"sent", "failed", "in_doubt", "suppressed", "no_address"}
    assert {letter["kind"] for letter in letters} == {"announcement", "details", "correction"}
    declared = [json.loads(data) for data in examples("incident.declared.v1").values()]
    assert {incident["drill"] for incident in declared} == {True, False}
    assert {key for incident in declared for key, given in incident["scope"].items() if given} == {
        "everyone",
        "sites",
        "families",
        "contract_ids",
    }
    assert any(incident["impact"].get("ends_at", "") is None for incident in declared)


def test_examples_show_every_way_an_incident_can_go() -> None:
    kinds = {"extension", "addon", "voucher", "credit"}
    withdrawals = all_of("entitlement.withdrawn.v1", "withdrawals")
    assert {(one["kind"], one["honoured"]) for one in withdrawals} >= {(kind, False) for kind in kinds}
    assert any(one["honoured"] for one in withdrawals)
    reversals = all_of("adjustment.reversed.v1", "reversals")
    assert {one["kind"] for one in reversals if one["outcome"] == "applied"} == kinds
    assert {one["reason"] for one in reversals if one["outcome"] == "refused"} == set(get_args(StandsBecause))
    assert {run["state"] for run in shown("run.reported.v1")} == set(get_args(RunState))
    wanted = [tuple(policy["letters"]) for policy in shown("policy.published.v1")]
    assert set(wanted) == {("announcement", "details"), ("details",), ("announcement",)}
    written = {
        kind for policy in shown("policy.published.v1") for text in policy.get("texts", {}).values() for kind in text
    }
    assert written <= set(get_args(LetterKind))
    impacts = [event["impact"] for kind in ("incident.declared.v1", "incident.amended.v1") for event in shown(kind)]
    assert any(impact.get("also") for impact in impacts)


MAY_BE_A_DRILL = [kind for kind, model in EVENTS.items() if "drill" in model.model_fields]
MAY_WANT_LETTERS = [
    kind for kind, model in EVENTS.items() if "letters" in model.model_fields and kind != "policy.published.v1"
]


@pytest.mark.parametrize("kind", MAY_BE_A_DRILL)
def test_a_drill_is_marked_in_every_event_that_it_causes(kind: str) -> None:
    marked = {(event["incident_id"].startswith("drill-"), event.get("drill", False)) for event in shown(kind)}
    assert marked == {(True, True), (False, False)}


@pytest.mark.parametrize("kind", MAY_WANT_LETTERS)
def test_letters_stand_in_an_event_only_where_more_is_wanted_than_the_details(kind: str) -> None:
    letters = [event.get("letters") for event in shown(kind)]
    assert None in letters
    assert ["announcement", "details"] in letters
    assert ["details"] not in letters


def test_example_ids_are_derived_as_the_services_derive_them() -> None:
    for data in examples("entitlement.granted.v1").values():
        event = json.loads(data)
        for remedy in event["remedies"]:
            targets = (remedy.get("contract_id"), "customer", "K-0000007")
            grants = [grant_id(event["incident_id"], event["customer_id"], t, remedy["rule"]) for t in targets if t]
            assert remedy["grant_id"] in grants
            assert remedy["entry_id"] == entry_id(remedy["grant_id"], event["revision"])
    for data in examples("letter.settled.v1").values():
        letter = json.loads(data)
        wanted = letter_id(letter["incident_id"], letter["customer_id"], letter["kind"])
        assert letter["letter_id"] == wanted


def test_the_entry_of_an_example_outcome_is_its_grants() -> None:
    for data in examples("adjustment.applied.v1").values():
        event = json.loads(data)
        for outcome in event["outcomes"]:
            assert outcome["entry_id"] == entry_id(outcome["grant_id"], event["revision"])


def test_a_substitutes_ids_are_those_of_the_remedy_in_whose_place_it_stands() -> None:
    offered = [
        (event["revision"], remedy["grant_id"], substitute["remedy"])
        for kind in ("entitlement.granted.v1", "announcement.requested.v1")
        for event in shown(kind)
        for remedy in event["remedies"]
        for substitute in remedy.get("substitutes", ())
    ]
    assert offered
    for revision, grant, remedy in offered:
        assert remedy["grant_id"] == substitute_id(grant)
        assert remedy["entry_id"] == entry_id(remedy["grant_id"], revision)
    for event in shown("adjustment.applied.v1"):
        refused_grants = {outcome["entry_id"]: outcome["grant_id"] for outcome in event["outcomes"]}
        for outcome in event["outcomes"]:
            if "substitutes" in outcome:
                assert outcome["grant_id"] == substitute_id(refused_grants[outcome["substitutes"]])


def test_what_is_issued_has_the_id_of_its_entry() -> None:
    issued = [
        (outcome["entry_id"], outcome[name])
        for outcome in all_of("adjustment.applied.v1", "outcomes")
        for name in ("addon_id", "voucher_id", "credit_id")
        if name in outcome
    ]
    assert len(issued) >= 3
    assert all(entry == name for entry, name in issued)


def test_the_id_of_an_example_withdrawal_and_of_its_reversal_is_that_of_the_entry_withdrawn() -> None:
    for event in shown("entitlement.withdrawn.v1"):
        for withdrawal in event["withdrawals"]:
            assert withdrawal["entry_id"] == withdrawal_id(withdrawal["withdraws"], event["revision"])
    asked = {one["entry_id"]: one["withdraws"] for one in all_of("entitlement.withdrawn.v1", "withdrawals")}
    for reversal in all_of("adjustment.reversed.v1", "reversals"):
        assert asked[reversal["entry_id"]] == reversal["reverses"]


def test_an_unknown_type_has_no_examples() -> None:
    with pytest.raises(KeyError):
        examples("incident.forgotten.v1")
