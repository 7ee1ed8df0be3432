"""More incidents on a stack that has seen one: repeated, contradicted, a second one over the same customers."""

from __future__ import annotations

import json

import pytest

from deploy.local.customer_base import incident
from tests.e2e import outside, told
from tests.e2e.comparing import granted, outcomes, standings
from tests.e2e.expected import Expected
from tests.e2e.outside import Record
from tests.e2e.told import in_words
from tests.e2e.world import DEAD_LETTERS, TOPICS, World, another

CASE = "aruba-2011-04-29"
JULY = another(
    "aruba-2011-07-08",
    title="Second black-out, Arezzo",
    impact={"starts_at": "2011-07-08T12:00:00+02:00", "ends_at": "2011-07-08T12:30:00+02:00"},
    declared_at="2011-07-15T10:00:00+02:00",
)


def _ends(world: World) -> outside.Positions:
    """Where every topic ends that an incident is answered on."""
    return outside.ends(world.stack.kafka, *(topic for topic in TOPICS if topic != "amends.incidents.v1"))


def _heard(world: World, service: str) -> float:
    return world.metric(service, "amends_records_consumed_total", topic="amends.incidents.v1")


def test_the_same_declaration_twice_changes_nothing(world: World) -> None:
    before, letters, books = _ends(world), len(world.letters()), world.books(CASE)
    heard = {service: _heard(world, service) for service in ("entitlements", "notifications")}
    world.declare(incident())
    for service, count in heard.items():
        world.until(lambda service=service, count=count: _heard(world, service) > count, f"{service} has heard it")  # type: ignore[misc]
    assert _ends(world) == before
    assert len(world.letters()) == letters
    assert world.books(CASE) == books


def test_the_same_revision_with_another_body_is_refused_and_set_aside(world: World) -> None:
    before, books = _ends(world), world.books(CASE)
    counted = world.metric("entitlements", "amends_records_quarantined_total", topic="amends.incidents.v1")
    event_id = world.declare(incident() | {"title": "Black-out, Arezzo and Bergamo"})

    def dead() -> list[Record]:
        records = world.follow("amends.incidents.v1.dlq")["amends.incidents.v1.dlq"]
        return [record for record in records if record.event_id == event_id]

    world.until(lambda: bool(dead()), "the declaration is in the .dlq")
    (letter,) = dead()
    assert letter.data["title"] == "Black-out, Arezzo and Bergamo"
    assert letter.headers["ce_source"] == "urn:monitoring:pipeline"
    assert f"incident {CASE} revision 1 was declared before with another body" in letter.headers["amends_reason"]
    assert world.metric("entitlements", "amends_records_quarantined_total", topic="amends.incidents.v1") == counted + 1
    assert _ends(world) == before
    assert world.books(CASE) == books


@pytest.fixture(scope="module")
def july(world: World) -> Expected:
    """The second incident over the same customers, seen through."""
    return world.see_through(JULY)


def test_a_second_incident_adds_to_the_first_contract_by_contract(world: World, july: Expected) -> None:
    expected = july
    records = world.follow("amends.entitlements.v1", "amends.adjustments.v1", "amends.contracts.v1")
    wanted = {customer: owed for customer, owed in expected.customers.items() if owed.exclusion is None}
    found = granted(records["amends.entitlements.v1"], expected.incident_id)
    assert found == {customer: owed.granted() for customer, owed in wanted.items()}
    found = outcomes(records["amends.adjustments.v1"], expected.incident_id)
    assert found == {customer: owed.outcomes() for customer, owed in wanted.items()}
    assert standings(records["amends.contracts.v1"]) == expected.contracts
    books = expected.books()
    assert {name: value for name, value in world.books(expected.incident_id).items() if name in books} == books
    assert world.books(CASE)["closed"]


def test_the_second_letter_tells_the_second_date_and_the_other_gift(world: World, july: Expected) -> None:
    records = world.follow("amends.letters.v1")["amends.letters.v1"]
    whose = {
        r.data["letter_id"]: r.data["customer_id"] for r in records if r.data["incident_id"] == JULY["incident_id"]
    }
    letters = {whose[letter.letter_id]: letter for letter in world.letters() if letter.letter_id in whose}
    twice = 0
    for customer, owed in july.customers.items():
        if owed.letter is None or owed.letter.status != "sent":
            continue
        said = told.read(letters[customer])
        assert said.extended == {c: in_words(owed.letter.language, day) for c, day in owed.told.items()}
        assert {(contract, gift) for contract, gift, _ in said.gifts} == {
            (a.contract_id, a.product) for a in owed.addons
        }
        twice += any(addon.product == "gigamail" for addon in owed.addons)
    assert twice > 1_000, "those who got business-mail for the first incident get gigamail for the second"


def test_a_declaration_in_structured_mode_is_taken(world: World) -> None:
    expected = world.see_through(
        another("structured", scope={"families": ["housing"], "sites": ["arezzo"]}), structured=True
    )
    entitled = [customer for customer, owed in expected.customers.items() if owed.exclusion is None]
    assert 0 < len(entitled) <= len(expected.customers) < 200
    books = world.books("structured")
    assert {name: value for name, value in books.items() if name in expected.books()} == expected.books()
    records = world.follow("amends.entitlements.v1", "amends.contracts.v1")
    assert granted(records["amends.entitlements.v1"], "structured").keys() == set(entitled)
    assert standings(records["amends.contracts.v1"]) == expected.contracts


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"\xff\x00 no JSON", [("ce_type", b"incident.declared.v1")], "not a valid incident.declared.v1"),
        (b"{", [], "not JSON"),
        (b'{"incident_id": "x"}', [("ce_type", b"incident.declared.v1")], "revision: Field required"),
        (b"{}", [("ce_type", b"incident.invented.v1")], "unknown event type 'incident.invented.v1'"),
        (
            json.dumps(
                another("backwards", impact={"starts_at": "2011-04-29T14:00:00Z", "ends_at": "2011-04-29T04:00:00Z"})
            ).encode(),
            [("ce_type", b"incident.declared.v1")],
            "is not after starts_at",
        ),
        (
            json.dumps(another("no-offset", declared_at="2011-05-13T10:00:00")).encode(),
            [("ce_type", b"incident.declared.v1")],
            "declared_at: ",
        ),
        (
            json.dumps(another("unknown-policy", policy="aruba-2012@1")).encode(),
            [("ce_type", b"incident.declared.v1")],
            "aruba-2012@1",
        ),
    ],
    ids=["bytes", "half", "fields", "type", "backwards", "offset", "policy"],
)
def test_what_is_no_declaration_is_set_aside_with_its_bytes_and_the_reason(
    world: World, value: bytes, headers: list[tuple[str, bytes]], reason: str
) -> None:
    marked = [*headers, ("ce_specversion", b"1.0"), ("ce_id", b"x"), ("ce_source", b"test")] if headers else []

    def dead() -> list[Record]:
        """What was set aside with these bytes: by entitlements, and by notifications where it cannot read them."""
        found = world.follow("amends.incidents.v1.dlq")["amends.incidents.v1.dlq"]
        return [record for record in found if record.value == value]

    assert dead() == []
    outside.publish(world.stack.kafka, "amends.incidents.v1", b"a key", value, marked)
    world.until(lambda: any(reason in record.headers["amends_reason"] for record in dead()), f"{reason} in the .dlq")
    assert {record.key for record in dead()} == {"a key"}


def test_only_declarations_that_are_none_have_been_set_aside(world: World) -> None:
    dead = world.read(*DEAD_LETTERS)
    assert [topic for topic, records in dead.items() if records] in ([], ["amends.incidents.v1.dlq"])
