"""What comes late: a contract after the plan, a profile after the remedy. Each with an incident of its own."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import Any

import pytest

from tests.e2e import outside, told
from tests.e2e.comparing import granted, last_of_each, outcomes, standings
from tests.e2e.expected import Expected
from tests.e2e.told import in_words
from tests.e2e.world import World, another

LATE = another("late", scope={"families": ["dedicated", "housing"]})
UNHEARD = another("unheard", scope={"contract_ids": ["L0000009-1"]})
_SERVER = {
    "family": "dedicated", "product": "dedicated-server", "site": "arezzo", "starts_on": "2010-03-01",
    "monthly_fee": "99.00", "currency": "EUR",
}  # fmt: skip


@pytest.fixture(scope="module")
def before(world: World) -> Expected:
    """The incident as it was before the late contracts came."""
    return world.see_through(LATE)


@pytest.fixture(scope="module")
def late(world: World, before: Expected) -> tuple[str, str, str]:
    """Late contracts of an entitled customer, an excluded one and a new one, imported and the plan run again."""
    entitled = next(c for c, owed in before.customers.items() if owed.letter and owed.letter.status == "sent")
    excluded = next(c for c, owed in before.customers.items() if owed.exclusion)
    profile = {"customer_id": "C9000001", "name": "Late Comer", "email": "late@example.com", "locale": "en"}
    world.amends("import", "customers", str(world.add(world.customers_csv, profile)))
    rows = [
        _SERVER | {"contract_id": f"L000000{number}-1", "customer_id": customer, "ends_on": "2012-02-14"}
        for number, customer in enumerate((entitled, excluded, "C9000001"), 1)
    ]
    world.amends("import", "contracts", str(world.add(world.contracts_csv, *rows)))
    world.amends("rerun", "late")
    world.watch("late")
    return entitled, excluded, "C9000001"


def test_a_late_contract_is_granted_what_is_missing_and_nothing_else(
    world: World, before: Expected, late: tuple[str, str, str]
) -> None:
    records = world.follow("amends.entitlements.v1", "amends.adjustments.v1", "amends.contracts.v1")
    after = world.expect_again(LATE)
    wanted = {customer: owed for customer, owed in after.customers.items() if owed.exclusion is None}
    assert granted(records["amends.entitlements.v1"], "late") == {c: owed.granted() for c, owed in wanted.items()}
    assert outcomes(records["amends.adjustments.v1"], "late") == {c: owed.outcomes() for c, owed in wanted.items()}
    assert standings(records["amends.contracts.v1"]) == after.contracts
    events = Counter(r.key for r in records["amends.entitlements.v1"] if r.data["incident_id"] == "late")
    assert [customer for customer, count in events.items() if count > 1] == [late[0]]
    assert len(events) == sum(1 for owed in before.customers.values() if owed.exclusion is None) + 2


def test_whoever_was_told_gets_a_letter_about_the_addition_alone(
    world: World, before: Expected, late: tuple[str, str, str]
) -> None:
    entitled, excluded, new = late
    kinds = {r.data["letter_id"]: r.data for r in world.follow("amends.letters.v1")["amends.letters.v1"]}
    written: dict[tuple[str, str], outside.Received] = {}
    for letter in world.letters():
        settled = kinds[letter.letter_id]
        if settled["incident_id"] == "late" and settled["customer_id"] in late:
            written[settled["customer_id"], settled["kind"]] = letter
    others = {key for key in written if key[0] != excluded}
    assert others == {(entitled, "details"), (entitled, "correction"), (new, "details")}
    assert {kind for customer, kind in written if customer == excluded} <= {"details"}
    correction = written[entitled, "correction"]
    language = correction.header("Content-Language")
    assert told.read(correction).extended == {"L0000001-1": in_words(language, date(2012, 2, 29))}
    assert told.read(correction).vouchers == {}
    assert told.read(written[new, "details"]).extended == {"L0000003-1": "29 February 2012"}


def test_the_books_after_a_late_contract_are_those_of_the_whole_promise(
    world: World, late: tuple[str, str, str]
) -> None:
    wanted = world.expect_again(LATE).books()
    books = world.books("late")
    assert books["letters"].pop("correction") == dict.fromkeys(books["letters"]["details"], 0) | {"sent": 1}
    assert {name: value for name, value in books.items() if name in wanted} == wanted


def test_a_run_with_nothing_missing_grants_nothing(world: World, late: tuple[str, str, str]) -> None:
    before, letters = outside.ends(world.stack.kafka, "amends.entitlements.v1"), len(world.letters())
    run = json.loads(world.amends("rerun", "late", "--output", "json"))
    assert run == {"incident_id": "late", "revision": 1, "run": 3}
    world.watch("late")
    assert outside.ends(world.stack.kafka, "amends.entitlements.v1") == before
    assert len(world.letters()) == letters
    assert world.books("late")["closed"]


@pytest.fixture(scope="module")
def unheard(world: World) -> Expected:
    """An incident of a customer whose contract has come and whose profile has not, answered by billing."""
    row = _SERVER | {"contract_id": "L0000009-1", "customer_id": "C9000009", "ends_on": "2011-12-20"}
    world.amends("import", "contracts", str(world.add(world.contracts_csv, row)))
    world.declare(UNHEARD)
    expected = world.expect(UNHEARD)
    answered = {"answers": 1, "letters": 1}
    world.until(lambda: world.tally("notifications", "unheard") == answered, "the answer has come")
    return expected


def test_a_remedy_is_applied_while_the_letter_waits_for_its_profile(world: World, unheard: Expected) -> None:
    assert _end_of(world, "L0000009-1") == "2012-01-04"
    books = world.books("unheard", exits=1)
    assert {name: value for name, value in books.items() if name in unheard.books()} == unheard.books() | {
        "gaps": ["letters wait for the profile of their customers: C9000009", "1 letters are not settled yet"]
    }
    assert not books["closed"]
    assert not [letter for letter in world.letters() if "C9000009" in letter.text]


def test_the_letter_goes_once_the_profile_has_come(world: World, unheard: Expected) -> None:
    profile = {"customer_id": "C9000009", "name": "Nora Later", "email": "nora@example.com", "locale": "it"}
    world.amends("import", "customers", str(world.add(world.customers_csv, profile)))
    world.watch("unheard")
    expected = world.expect_again(UNHEARD)
    (letter,) = [letter for letter in world.letters() if "C9000009" in letter.text]
    assert letter.recipients == ("nora@example.com",)
    assert told.read(letter).extended == {"L0000009-1": "4 gennaio 2012"}
    books = world.books("unheard")
    assert {name: value for name, value in books.items() if name in expected.books()} == expected.books()
    assert books["closed"]


def _end_of(world: World, contract_id: str) -> Any:
    return last_of_each(world.follow("amends.contracts.v1")["amends.contracts.v1"])[contract_id]["ends_on"]
