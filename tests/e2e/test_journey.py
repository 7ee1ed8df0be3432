"""The whole journey of the case's incident, for every customer, compared with the oracle and read from the outside."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tests.e2e.comparing import granted, last_of_each, outcomes, standings, without
from tests.e2e.conftest import Journey
from tests.e2e.outside import Record

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def test_every_customer_is_granted_what_was_promised(journey: Journey) -> None:
    found = granted(journey.records["amends.entitlements.v1"], journey.expected.incident_id)
    wanted = {c: owed.granted() for c, owed in journey.expected.customers.items() if owed.exclusion is None}
    assert found == wanted


def test_every_remedy_is_applied_or_refused_with_its_reason(journey: Journey) -> None:
    found = outcomes(journey.records["amends.adjustments.v1"], journey.expected.incident_id)
    wanted = {c: owed.outcomes() for c, owed in journey.expected.customers.items() if owed.exclusion is None}
    assert found == wanted


def test_what_billing_answers_is_what_was_granted_entry_by_entry(journey: Journey) -> None:
    def ids(topic: str, items: str) -> dict[str, tuple[str, str, str]]:
        found = [
            (item["entry_id"], (record.data["customer_id"], item["grant_id"], item["kind"]))
            for record in journey.records[topic]
            for item in record.data[items]
        ]
        assert len(dict(found)) == len(found), "an entry stands twice"
        return dict(found)

    assert ids("amends.entitlements.v1", "remedies") == ids("amends.adjustments.v1", "outcomes")


def test_every_contract_stands_as_it_must(journey: Journey) -> None:
    assert standings(journey.records["amends.contracts.v1"]) == journey.expected.contracts


def test_a_remedy_changes_nothing_else_of_a_contract(journey: Journey) -> None:
    moving = ("ends_on", "terminated_on", "complimentary", "version")
    first: dict[str, Any] = {}
    for record in journey.records["amends.contracts.v1"]:
        first.setdefault(record.key, without(record.data, moving))
    last = {key: without(data, moving) for key, data in last_of_each(journey.records["amends.contracts.v1"]).items()}
    assert last == first


def test_a_contract_that_no_remedy_changed_is_not_published_again(journey: Journey) -> None:
    changed = {
        outcome["contract_id"]
        for record in journey.records["amends.adjustments.v1"]
        for outcome in record.data["outcomes"]
        if outcome["outcome"] == "applied" and outcome.get("contract_id")
    }
    again = Counter(record.key for record in journey.records["amends.contracts.v1"])
    assert {key for key, times in again.items() if times > 1} == changed


def test_voucher_codes_are_unique_well_formed_and_never_on_two_vouchers(journey: Journey) -> None:
    vouchers = [
        outcome
        for record in journey.records["amends.adjustments.v1"]
        for outcome in record.data["outcomes"]
        if outcome["kind"] == "voucher"
    ]
    assert len({v["code"] for v in vouchers}) == len({v["voucher_id"] for v in vouchers}) == len(vouchers)
    assert [v["code"] for v in vouchers if not _well_formed(v["code"])] == []


def _well_formed(code: str) -> bool:
    """Three groups of six of the unambiguous letters, the last of them Luhn's check character in base 32."""
    if not re.fullmatch(rf"(?:[{ALPHABET}]{{6}}-){{2}}[{ALPHABET}]{{6}}", code):
        return False
    total = 0
    for place, letter in enumerate(reversed(code.replace("-", ""))):
        digit = ALPHABET.index(letter) * (1 + place % 2)
        total += digit // 32 + digit % 32
    return total % 32 == 0


# ── The record of it ─────────────────────────────────────────────────────────────────────────────────────────────


def test_there_is_one_settled_record_per_letter_and_no_more(journey: Journey) -> None:
    settled = [record.data for record in journey.records["amends.letters.v1"]]
    assert {letter["kind"] for letter in settled} == {"details"}
    assert len({letter["letter_id"] for letter in settled}) == len(settled)
    wanted = {c: owed.letter.status for c, owed in journey.expected.customers.items() if owed.letter is not None}
    assert {letter["customer_id"]: letter["status"] for letter in settled} == wanted
    assert len(settled) == len(wanted)


def test_progress_ends_at_the_numbers_of_the_promise(journey: Journey) -> None:
    books = journey.expected.books()
    customers, remedies, letters = books["customers"], books["remedies"], books["letters"]["details"]
    assert _totals(journey.records["amends.progress.v1"]) == {
        "entitlements": {name: customers[name] for name in ("considered", "entitled", "excluded")}
        | {"remedies": remedies["granted"]},
        "billing": {"answers": customers["adjusted"], "applied": remedies["applied"], "refused": remedies["refused"]},
        "notifications": {
            "answers": customers["adjusted"],
            "letters": customers["adjusted"],
            "sent": letters["sent"],
            "no_address": letters["no_address"],
        },
    }


def _totals(records: Iterable[Record]) -> Mapping[str, Mapping[str, int]]:
    """The last totals of each lane, added up per stage; they never go back."""
    lanes: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for record in records:
        if record.headers["ce_type"] != "progress.reported.v1":
            continue
        lane = lanes[record.data["stage"], record.data["lane"]]
        for name, total in record.data["totals"].items():
            lane[name] = max(total, lane.get(name, 0))
    stages: dict[str, Counter[str]] = defaultdict(Counter)
    for (stage, _), totals in lanes.items():
        stages[stage].update(totals)
    return {stage: dict(totals) for stage, totals in stages.items()}


def test_the_books_are_those_of_the_promise_and_close(journey: Journey) -> None:
    wanted = journey.expected.books()
    assert {name: journey.books[name] for name in wanted} == wanted
    assert journey.books["closed"]
    assert journey.books["days_applied"] == journey.expected.days_applied


def test_the_books_say_why_customers_were_excluded_and_remedies_refused(journey: Journey) -> None:
    promised = journey.expected.customers.values()
    assert journey.books["exclusions"] == Counter(owed.exclusion for owed in promised if owed.exclusion)
    reasons = Counter(outcome["reason"] for owed in promised for outcome in owed.outcomes() if "reason" in outcome)
    assert journey.books["refusals"] == reasons
