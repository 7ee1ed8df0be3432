"""Striking in the middle of an incident, and finding in the end that nothing was lost and nothing happened twice."""

from __future__ import annotations

from tests.e2e import outside
from tests.e2e.comparing import granted, once, outcomes, standings
from tests.e2e.expected import Expected
from tests.e2e.world import World, another

SMTP_CONNECTIONS = 4
"""How many letters can be on the wire when a sender dies: as many as the services' settings have connections."""


def in_the_middle(world: World, incident_id: str, service: str) -> Expected:
    """Declare, and wait until this service has begun; returns what the incident must come to all the same."""
    counts = {"entitlements": "considered", "billing": "answers", "notifications": "letters"}
    before = world.stack.mailbox.stat().st_size
    world.declare(another(incident_id))
    expected = world.expect(another(incident_id))
    if service == "notifications":
        world.until(lambda: world.stack.mailbox.stat().st_size > before, "the first letters have come")
    else:
        world.until(lambda: world.tally(service, incident_id).get(counts[service], 0) > 0, f"{service} has begun")
    return expected


def seen_through(world: World, expected: Expected, *, in_doubt_at_most: int = 0) -> None:
    """Watch it to its end; then everything must be as if nothing had happened, but for so many letters in doubt."""
    world.watch(expected.incident_id)
    wanted, books = expected.books(), world.books(expected.incident_id)
    in_doubt = books["letters"]["details"]["in_doubt"]
    assert in_doubt <= in_doubt_at_most
    wanted["letters"]["details"] |= {"in_doubt": in_doubt, "sent": wanted["letters"]["details"]["sent"] - in_doubt}
    assert {name: value for name, value in books.items() if name in wanted} == wanted
    nothing_twice(world, expected)


def nothing_twice(world: World, expected: Expected) -> None:
    """The topics and the mailbox say what the promise says: once each, whatever was published again."""
    incident_id = expected.incident_id
    records = world.follow(
        "amends.entitlements.v1", "amends.adjustments.v1", "amends.contracts.v1", "amends.letters.v1"
    )
    entitled = {customer: owed for customer, owed in expected.customers.items() if owed.exclusion is None}
    assert granted(records["amends.entitlements.v1"], incident_id) == {c: o.granted() for c, o in entitled.items()}
    assert outcomes(records["amends.adjustments.v1"], incident_id) == {c: o.outcomes() for c, o in entitled.items()}
    assert standings(records["amends.contracts.v1"]) == expected.contracts
    received = outside.letter_ids(world.stack.mailbox)
    assert [letter for letter, times in received.items() if times > 1] == []
    letters = [r.data for r in once(records["amends.letters.v1"]) if r.data["incident_id"] == incident_id]
    assert len({letter["customer_id"] for letter in letters}) == len(letters) == len(entitled)
    sent = {letter["letter_id"] for letter in letters if letter["status"] == "sent"}
    assert sent <= received.keys()
    unsent = {letter["letter_id"] for letter in letters if letter["status"] == "no_address"}
    assert unsent.isdisjoint(received)
