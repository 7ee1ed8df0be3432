"""The broker, then the database, is killed in the middle of a flow and comes back: nothing lost, nothing twice.

On a stack of its own, which may be broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import stack as local
from deploy.local.stack import Stack
from services.runtime import database
from services.runtime.database import Pool
from services.runtime.envelope import Message
from services.runtime.metrics import Metrics
from services.runtime.relay import Publisher
from services.runtime.service import MIGRATIONS
from services.runtime.work import Transaction
from tests.integration.runtime.trial import SECONDS, TABLE, Trial, event_id, parcels, running, until

RECORDS = 3_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that nobody else uses."""
    root = tmp_path_factory.mktemp("fragile") / ".amends"
    try:
        yield local.up(root, services=False)
    finally:
        local.down(root)


async def connect(stack: Stack) -> Pool:
    """A pool on one of its databases."""
    dsn = stack.databases["billing"]
    return await database.connect(dsn, size=6, deadline_seconds=SECONDS, statement_seconds=SECONDS)


@pytest.fixture
async def trial(stack: Stack) -> AsyncIterator[Trial]:
    """A trial on that stack, with records to be read."""
    pool = await connect(stack)
    publisher = Publisher(stack.kafka, delivery_seconds=SECONDS / 4, metrics=Metrics())
    try:
        async with pool.acquire() as connection:
            await database.migrate(connection, [MIGRATIONS])
            await connection.execute(f"DROP TABLE IF EXISTS parcel; {TABLE}; TRUNCATE outbox, position, quarantine")
        trial = Trial(stack.kafka, pool, publisher, *await make_topics(stack))
        await trial.send(parcels(range(RECORDS)))
        yield trial
    finally:
        await publisher.close()
        await database.close(pool)


async def make_topics(stack: Stack) -> list[str]:
    """A topic for the parcels and one for the answers."""
    topics = [f"{name}-{uuid4().hex[:8]}" for name in ("parcels", "answers")]
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 4, 1) for topic in topics], timeout_ms=int(SECONDS * 1000))
    finally:
        await admin.close()
    return topics


@pytest.mark.parametrize("component", ["kafka", "postgres"])
async def test_a_component_that_is_killed_mid_flow_and_comes_back_costs_nothing_but_time(
    stack: Stack, trial: Trial, component: str
) -> None:
    noted = 0

    async def at_leisure(batch: Sequence[Message], transaction: Transaction) -> None:
        nonlocal noted
        await trial.handle(batch, transaction)
        noted += len(batch)
        await asyncio.sleep(0.02)

    async def in_the_middle() -> bool:
        return noted >= RECORDS // 4

    workbench = trial.workbench()
    async with running(trial.consumer(workbench, at_leisure, batch_records=50)) as task:
        await until(in_the_middle)
        await asyncio.to_thread(stack.kill, component)
        assert noted < RECORDS
        await asyncio.sleep(1.5)
        assert not task.done()
        await asyncio.to_thread(stack.start, component)
        watcher = replace(trial, pool=await connect(stack))  # the worker's connections are its own trouble
        await watcher.done(RECORDS)
        await trial.send(parcels(range(RECORDS, RECORDS + 100)))
        await watcher.done(RECORDS + 100)
    await database.close(watcher.pool)
    assert await trial.numbers() == list(range(RECORDS + 100))
    assert await trial.positions() == await trial.ends()
    assert {event_id(answer) for answer in await trial.read(trial.answers)} == {
        f"answer/{n}" for n in range(RECORDS + 100)
    }
