"""Positions belong to one life of a log: where it is another one, or lost its head, it is read from its start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError

from deploy.local.stack import Stack
from services.runtime import broker, positions
from services.runtime.errors import Conflict, Transient
from services.runtime.positions import Extent, Step
from tests.integration.runtime.trial import SECONDS, Trial, parcels, running, until


@pytest.fixture
async def admin(foundation: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    """Whoever administers the broker."""
    client = AIOKafkaAdminClient(bootstrap_servers=foundation.kafka)
    await client.start()
    yield client
    await client.close()


async def make_anew(admin: AIOKafkaAdminClient, topic: str) -> None:
    """Delete a topic and make it again under the same name."""
    await admin.delete_topics([topic])

    async def is_made() -> bool:
        try:
            await admin.create_topics([NewTopic(topic, 1, 1)])
        except TopicAlreadyExistsError:
            return False  # its deletion is still under way
        return True

    await until(is_made)


@pytest.mark.parametrize(
    ("known", "extent", "stands_at"),
    [
        (None, Extent(0, 9), 0),
        (None, Extent(4, 9), 4),
        (None, Extent(0, 0), 0),
        ((5, "here"), Extent(0, 9), 5),
        ((5, "here"), Extent(5, 9), 5),
        ((5, "here"), Extent(0, 5), 5),
        ((5, "here"), Extent(0, 4), 0),  # it ends before our position: made anew
        ((5, "here"), Extent(0, 0), 0),
        ((5, "here"), Extent(6, 9), 6),  # its head is gone
        ((5, "there"), Extent(0, 9), 0),  # another cluster's offsets mean nothing
        ((5, "there"), Extent(5, 5), 5),
    ],
)
async def test_where_a_consumer_stands(
    trial: Trial, known: tuple[int, str] | None, extent: Extent, stands_at: int
) -> None:
    at = (trial.topic, 0)
    async with trial.pool.acquire() as connection, connection.transaction():
        if known:
            await connection.execute("INSERT INTO position VALUES ($1, 0, $2, $3)", trial.topic, *known)
        assert await positions.stand(connection, "here", {at: extent}) == {at: stands_at}
        await positions.claim(connection, "here", {at: Step(stands_at, stands_at + 1)})


async def test_who_stood_in_the_old_life_cannot_claim_in_the_new_one(trial: Trial) -> None:
    at = (trial.topic, 0)
    async with trial.pool.acquire() as connection:
        await positions.stand(connection, "old", {at: Extent(0, 9)})
        await positions.stand(connection, "new", {at: Extent(0, 9)})
        with pytest.raises(Conflict):
            await positions.claim(connection, "old", {at: Step(0, 5)})


async def test_many_who_begin_at_once_stand_at_one_place(trial: Trial) -> None:
    at = (trial.topic, 0)

    async def begin() -> int:
        async with trial.pool.acquire() as connection, connection.transaction():
            return (await positions.stand(connection, "here", {at: Extent(3, 9)}))[at]

    assert await asyncio.gather(*[begin() for _ in range(5)]) == [3] * 5


@pytest.mark.parametrize(("ends", "there"), [({0: 5}, True), ({0: 4}, True), ({0: 6}, False), ({0: 5, 1: 1}, False)])
async def test_whether_a_topic_has_been_read_up_to_an_end(trial: Trial, ends: dict[int, int], there: bool) -> None:
    await trial.pool.execute("INSERT INTO position VALUES ($1, 0, 5, 'here')", trial.topic)
    async with trial.pool.acquire() as connection:
        assert await positions.reached(connection, trial.topic, ends) is there


@pytest.mark.parametrize(("cluster", "another"), [("here", False), ("there", True)])
async def test_whether_offsets_are_of_another_life_of_a_topic(trial: Trial, cluster: str, another: bool) -> None:
    async with trial.pool.acquire() as connection:
        assert not await positions.is_another_log(connection, trial.topic, cluster)  # nobody reads it yet
        await positions.stand(connection, "here", {(trial.topic, 0): Extent(0, 9)})
        assert await positions.is_another_log(connection, trial.topic, cluster) is another


async def test_an_empty_partition_is_reached_before_anybody_stands_there(trial: Trial) -> None:
    async with trial.pool.acquire() as connection:
        assert await positions.reached(connection, trial.topic, await broker.end_offsets(trial.kafka, trial.topic))


async def test_a_topic_that_was_made_anew_is_read_from_its_start(trial: Trial, admin: AIOKafkaAdminClient) -> None:
    await trial.send(parcels(range(50)))
    await trial.follow(50)
    await make_anew(admin, trial.topic)
    await trial.send(parcels(range(100, 120)))
    await trial.follow(70)
    assert await trial.numbers() == [*range(50), *range(100, 120)]
    assert await trial.positions() == {0: 20}


async def test_a_topic_that_is_made_anew_while_it_is_followed_is_read_from_its_start(
    trial: Trial, admin: AIOKafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "_METADATA_MS", 500)
    await trial.send(parcels(range(50)))
    async with running(trial.consumer()):
        await trial.done(50)
        await make_anew(admin, trial.topic)
        await trial.publisher.close()  # a producer that knew the old topic
        await trial.send(parcels(range(100, 120)))
        await trial.done(70)
    assert await trial.numbers() == [*range(50), *range(100, 120)]


async def test_a_log_that_lost_its_head_is_read_from_what_is_left(trial: Trial, admin: AIOKafkaAdminClient) -> None:
    await trial.send(parcels(range(10)))
    await trial.follow(10)
    await trial.send(parcels(range(10, 40)))
    await admin.delete_records({TopicPartition(trial.topic, 0): RecordsToDelete(before_offset=30)})
    await trial.follow(20)
    assert await trial.numbers() == [*range(10), *range(30, 40)]
    assert await trial.positions() == {0: 40}


async def test_another_clusters_position_is_not_believed(trial: Trial) -> None:
    await trial.send(parcels(range(20)))
    await trial.follow(20)
    await trial.pool.execute("UPDATE position SET cluster = 'lost', next = 15")
    await trial.follow(40)
    assert await trial.numbers() == sorted([*range(20)] * 2)
    assert await trial.pool.fetchval("SELECT cluster FROM position") == await broker.cluster_id(trial.kafka)


async def test_ends_that_may_be_another_clusters_than_the_one_that_was_asked_first_are_not_believed(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster is lost between two questions: the id is the old one's, the ends are the new one's."""
    asked, now = 0, broker.cluster_id

    async def cluster_id(kafka: str) -> str:
        nonlocal asked
        asked += 1
        return "lost" if asked == 1 else await now(kafka)

    await trial.send(parcels(range(20)))
    await trial.pool.execute("INSERT INTO position VALUES ($1, 0, 15, 'lost')", trial.topic)
    monkeypatch.setattr(broker, "cluster_id", cluster_id)
    await trial.follow(20)
    assert await trial.numbers() == [*range(20)]


async def test_what_the_broker_remembers_of_the_group_does_not_matter(trial: Trial) -> None:
    """The group's committed offset is a hint for lag monitors: the database's position wins."""
    await trial.send(parcels(range(20)))
    await trial.follow(20)
    await trial.pool.execute("UPDATE position SET next = 15")
    await trial.follow(25)
    assert await trial.numbers() == sorted([*range(20), *range(15, 20)])


async def test_the_ends_of_a_topic_that_is_not_there_are_not_there_yet(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "_REQUEST_MS", 500)
    with pytest.raises(Transient, match="does not exist"):
        await asyncio.wait_for(broker.end_offsets(trial.kafka, "no-such-topic"), SECONDS)
