"""What goes down in the middle of an incident comes back, and nothing is lost and nothing happens twice.

Each test has an incident of its own over the same customers, so every contract's end says how often it was moved.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import psutil
import pytest

from deploy.local import stack as local
from tests.e2e import outside
from tests.e2e.comparing import granted, once, outcomes, standings
from tests.e2e.expected import Expected
from tests.e2e.world import TOPICS, World, another

CUSTOMERS = 6_000
SMTP_CONNECTIONS = 4
SERVICES = ("entitlements", "billing", "notifications")
OWNED = tuple(topic for topic in TOPICS if topic not in ("amends.incidents.v1", "amends.customers.v1"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack of its own: the faults of one test must not be another file's."""
    folder = tmp_path_factory.mktemp("faults")
    try:
        yield World(folder, CUSTOMERS)
    finally:
        local.down(folder / ".amends")


def _in_the_middle(world: World, incident_id: str, service: str) -> Expected:
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


def _seen_through(world: World, expected: Expected, *, in_doubt_at_most: int = 0) -> None:
    """Watch it to its end; then everything must be as if nothing had happened, but for so many letters in doubt."""
    world.watch(expected.incident_id)
    wanted, books = expected.books(), world.books(expected.incident_id)
    in_doubt = books["letters"]["details"]["in_doubt"]
    assert in_doubt <= in_doubt_at_most
    wanted["letters"]["details"] |= {"in_doubt": in_doubt, "sent": wanted["letters"]["details"]["sent"] - in_doubt}
    assert {name: value for name, value in books.items() if name in wanted} == wanted
    _nothing_twice(world, expected)


def _nothing_twice(world: World, expected: Expected) -> None:
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


def _ids(world: World, topic: str) -> set[str]:
    return {record.event_id for record in world.read(topic)[topic]}


def _consumed(world: World) -> dict[str, float]:
    """How many records each topic's reader has seen through in its life."""
    readers = {"entitlements": "billing", "contracts": "entitlements", "adjustments": "notifications"}
    return {
        f"amends.{topic}.v1": world.metric(service, "amends_records_consumed_total", topic=f"amends.{topic}.v1")
        for topic, service in readers.items()
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_killed_goes_on_where_it_was(world: World, service: str) -> None:
    expected = _in_the_middle(world, f"killed-{service}", service)
    world.stack.kill(service)
    world.stack.start(service)
    doubtful = SMTP_CONNECTIONS if service == "notifications" else 0
    _seen_through(world, expected, in_doubt_at_most=doubtful)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_told_to_end_does_so_and_leaves_nothing_in_doubt(world: World, service: str) -> None:
    process = psutil.Process(local.Stack.load(world.root).pids[service])
    expected = _in_the_middle(world, f"ended-{service}", service)
    process.terminate()
    process.wait(10)
    world.stack.start(service)
    _seen_through(world, expected)


@pytest.mark.parametrize("part", ["postgres", "kafka", "mail"])
def test_the_services_wait_for_what_they_stand_on_and_go_on(world: World, part: str) -> None:
    expected = _in_the_middle(world, f"killed-{part}", "notifications" if part == "mail" else "billing")
    world.stack.kill(part)
    world.stack.start(part)
    _seen_through(world, expected, in_doubt_at_most=0 if part == "kafka" else SMTP_CONNECTIONS)


def test_lost_topics_are_rebuilt_from_the_outboxes_and_the_replay_changes_nothing(world: World) -> None:
    expected = world.see_through(another("before-the-loss"))
    before = {topic: _ids(world, topic) for topic in OWNED}
    letters, consumed = outside.letter_ids(world.stack.mailbox), _consumed(world)
    world.stack.kill("kafka")
    data = world.root / "data"
    shutil.rmtree(data / "kafka")
    (data / "kafka.formatted").unlink()
    world.forget()
    world.amends("up")
    assert not any(world.read(*OWNED).values())
    world.amends("republish")
    assert {topic: _ids(world, topic) for topic in OWNED} == before
    wanted = {topic: consumed[topic] + len(records) for topic, records in world.read(*consumed).items()}
    world.until(lambda: all(_consumed(world)[topic] >= wanted[topic] for topic in wanted), "all is read again", 60.0)
    _nothing_twice(world, expected)
    assert outside.letter_ids(world.stack.mailbox) == letters
    assert world.books(expected.incident_id)["closed"]


def test_after_the_loss_another_incident_runs_as_ever(world: World) -> None:
    _seen_through(world, _in_the_middle(world, "after-the-loss", "billing"))
