"""Kafka loses everything: the outboxes rebuild the topics, and the services read a log that is another one now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from deploy.local import stack as local
from tests.e2e import outside
from tests.e2e.faults import in_the_middle, nothing_twice, seen_through
from tests.e2e.world import TOPICS, World, another

CUSTOMERS = 2_000
OWNED = tuple(topic for topic in TOPICS if topic not in ("amends.incidents.v1", "amends.customers.v1"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack of its own, for no other test could go on with what is left of it."""
    folder = tmp_path_factory.mktemp("loss")
    try:
        yield World(folder, CUSTOMERS)
    finally:
        local.down(folder / ".amends")


def _ids(world: World, topic: str) -> set[str]:
    return {record.event_id for record in world.read(topic)[topic]}


def _consumed(world: World) -> dict[str, float]:
    """How many records each topic's reader has seen through in its life."""
    readers = {"entitlements": "billing", "contracts": "entitlements", "adjustments": "notifications"}
    return {
        f"amends.{topic}.v1": world.metric(service, "amends_records_consumed_total", topic=f"amends.{topic}.v1")
        for topic, service in readers.items()
    }


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
    nothing_twice(world, expected)
    assert outside.letter_ids(world.stack.mailbox) == letters
    assert world.books(expected.incident_id)["closed"]


def test_after_the_loss_another_incident_runs_as_ever(world: World) -> None:
    seen_through(world, in_the_middle(world, "after-the-loss", "billing"))
