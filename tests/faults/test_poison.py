"""Mutated records by the thousand among good ones: every bad one is set aside, every good one applied, nobody falls.

AMENDS_FAULTS_RECORDS says how many (10,000 unless told), AMENDS_FAULTS_SEED which.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from deploy.local import stack as local
from deploy.local.customer_base import incident
from deploy.local.services import SERVICES
from tests.e2e.comparing import standings
from tests.e2e.expected import Expected
from tests.e2e.world import TOPICS, World
from tests.faults.judgement import Sent
from tests.faults.mutations import mutated
from tests.faults.poison import (
    NEVER_HALT,
    caught_up,
    contracts_of_billing,
    dead_letters,
    poison,
    send,
    set_aside,
    with_limits,
)

RECORDS = int(os.environ.get("AMENDS_FAULTS_RECORDS", "10000"))
SEED = int(os.environ.get("AMENDS_FAULTS_SEED", "20110429"))
pytestmark = pytest.mark.timeout(300 + RECORDS / 10)

CUSTOMERS = 400
GOOD = incident() | {"scope": {"sites": ["arezzo"]}}


@dataclass(frozen=True)
class Besieged:
    """What was sent, what must be set aside of it by whom, what the incident in the midst of it must have come to."""

    world: World
    sent: list[Sent]
    poison: dict[str, dict[int, str]]
    expected: Expected
    pids: dict[str, int]


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """Half of the mutated records before the incident is declared, half while it is worked off."""
    folder = tmp_path_factory.mktemp("poison")
    try:
        world = World(folder, CUSTOMERS)
        world.stack = with_limits(world.stack, NEVER_HALT)
        sent = list(mutated(SEED, RECORDS, world.customers_csv.parent))
        pids = dict(world.stack.pids)
        send(world.stack.kafka, sent[: RECORDS // 2])
        world.declare(GOOD)
        send(world.stack.kafka, sent[RECORDS // 2 :])
        expected = world.expect(GOOD)
        for _ in range(2):  # what the incident comes to is read too
            world.until(lambda: caught_up(world.stack), "every service has read all", seconds=120 + RECORDS / 100)
            world.watch(expected.incident_id)
        yield Besieged(world, sent, poison(sent), expected, pids)
    finally:
        local.down(folder / ".amends")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_sets_aside_what_nobody_could_process_and_nothing_else(besieged: Besieged, service: str) -> None:
    made = {one.number: one for one in besieged.sent}
    wanted, found = besieged.poison[service], set_aside(besieged.world.stack, service)
    assert len(wanted) > len(besieged.sent) // 20
    missed = Counter((made[n].topic, made[n].mutation, wanted[n]) for n in wanted.keys() - found.keys())
    wrongly = Counter((made[n].topic, made[n].mutation, found[n]) for n in found.keys() - wanted.keys())
    assert (missed.most_common(20), wrongly.most_common(20)) == ([], [])


@pytest.mark.parametrize("topic", TOPICS)
def test_the_dead_letters_are_the_records_that_were_set_aside(besieged: Besieged, topic: str) -> None:
    made = {one.number: one for one in besieged.sent if one.topic == topic}
    wanted = Counter(number for faults in besieged.poison.values() for number in faults if number in made)
    found = dead_letters(besieged.world.stack, topic)
    assert found.keys() == wanted.keys()
    assert found == wanted


def test_nobody_has_fallen_or_stands_still(besieged: Besieged) -> None:
    stack = besieged.world.stack
    for service in SERVICES:
        assert stack.is_running(service)
        answer = httpx.get(f"{stack.http[service]}/readyz")
        assert (answer.status_code, answer.json()["wrong"]) == (200, {})
    assert {name: stack.load(stack.root).pids[name] for name in SERVICES} == {
        name: besieged.pids[name] for name in SERVICES
    }


def test_the_incident_in_the_midst_of_it_is_seen_through(besieged: Besieged) -> None:
    books = besieged.world.books(besieged.expected.incident_id)
    assert books["closed"]
    wanted = besieged.expected.books()
    assert {name: value for name, value in books.items() if name in wanted} == wanted
    assert standings(contracts_of_billing(besieged.world.stack)) == besieged.expected.contracts


def test_with_its_own_limits_a_service_halts_before_it_drains_a_topic_and_says_what_to_do(besieged: Besieged) -> None:
    world, topic = besieged.world, "amends.customers.v1"
    world.stack.stop("notifications")
    world.stack = world.stack.start("notifications")  # with the limits that it comes with
    pid, before = world.stack.pids["notifications"], len(set_aside(world.stack, "notifications"))
    noise = [
        Sent(RECORDS + n, topic, b"M-noise", b"{", [("mutant", b"%d" % (RECORDS + n))], "noise") for n in range(600)
    ]
    send(world.stack.kafka, noise)

    def wrong() -> dict[str, str]:
        told: dict[str, str] = httpx.get(f"{world.stack.http['notifications']}/readyz").json()["wrong"]
        return told

    world.until(lambda: bool(wrong()), "it has halted")
    said = wrong()["consumer"]
    assert "records in a row cannot be processed" in said
    assert f"`amends quarantine list --service notifications --topic {topic}`" in said
    log = (world.root / "logs" / "notifications.log").read_text()
    assert "halted: too much is set aside" in log
    assert f"amends quarantine list --service notifications --topic {topic}" in log
    assert world.stack.is_running("notifications")
    assert world.stack.load(world.stack.root).pids["notifications"] == pid
    assert len(set_aside(world.stack, "notifications")) < before + 500

    world.stack.stop("notifications")
    world.stack = world.stack.start("notifications", environment=NEVER_HALT)
    world.until(lambda: caught_up(world.stack), "what is poison indeed is set aside")
    assert len(set_aside(world.stack, "notifications")) == before + 600
