"""The barrier: a plan starts when the projection has read the topic of contracts up to where it ended, not before.

On the real topics, with the real consumer: an event that was on its way when the incident was declared is not missed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas import topics
from services.entitlements.plan import Planner
from services.runtime.consumer import Consumer
from services.runtime.quarantine import Limit
from services.runtime.relay import Publisher
from tests.integration.entitlements.builders import INCIDENT, Entitlements, declared, dedicated, said
from tests.integration.wire import events, stand_at_the_ends, until

SECONDS = 30.0


@pytest.fixture
async def standing(entitlements: Entitlements) -> Entitlements:
    """What earlier tests left on the real topics counts as read."""
    await stand_at_the_ends(entitlements.pool, entitlements.kafka, topics.CONTRACTS, topics.INCIDENTS)
    return entitlements


def consumer(entitlements: Entitlements, batch_records: int) -> Consumer:
    return Consumer(
        entitlements.kafka,
        f"test-{uuid.uuid4().hex[:8]}",
        entitlements.routes,
        entitlements.workbench,
        batch_records=batch_records,
        patience_seconds=SECONDS,
        limit=Limit(1_000_000, 1.0, 1_000_000),
    )


@asynccontextmanager
async def running(*tasks: Callable[[asyncio.Event], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(task(stop))
        try:
            yield
        finally:
            stop.set()


async def state(entitlements: Entitlements) -> Any:
    return await entitlements.pool.fetchval("SELECT state FROM plan")


async def state_is(entitlements: Entitlements, wanted: str, planner: Planner | None = None) -> bool:
    if planner is not None:
        await planner.advance()
    return bool(await state(entitlements) == wanted)


async def publish_contracts(publisher: Publisher, site: str, numbers: range) -> None:
    contracts = [dedicated(f"{site}-{n}", f"{site}-C{n}", site=site) for n in numbers]
    triples = [(c["contract_id"], f"{site}-{c['contract_id']}", c) for c in contracts]
    await publisher.publish({topics.CONTRACTS: events("contract.changed.v1", *triples)})


def new_site() -> str:
    return f"s{uuid.uuid4().hex[:8]}"


async def test_a_plan_waits_until_what_was_published_is_read(standing: Entitlements, publisher: Publisher) -> None:
    site = new_site()
    await publish_contracts(publisher, site, range(50))
    await standing.take(declared(said(scope={"sites": [site]})))
    planner = standing.planner()
    for _ in range(4):
        assert await planner.advance()
        assert await state(standing) == "waiting"
    assert await standing.pool.fetchval("SELECT count(*) FROM chunk") == 0

    async with running(consumer(standing, 5_000).run):
        await until(lambda: state_is(standing, "running", planner))
    assert await state(standing) == "running"
    assert await standing.pool.fetchval("SELECT customers FROM plan") == 50


async def test_one_partition_that_is_behind_holds_the_plan(standing: Entitlements, publisher: Publisher) -> None:
    site = new_site()
    await publish_contracts(publisher, site, range(200))
    await standing.take(declared(said(scope={"sites": [site]})))
    planner = standing.planner()
    assert await planner.advance()
    behind = await standing.pool.fetchval(
        "SELECT next FROM position WHERE topic = $1 AND partition = 3", topics.CONTRACTS
    )
    await standing.pool.execute("DELETE FROM position WHERE topic = $1", topics.CONTRACTS)
    await stand_at_the_ends(standing.pool, standing.kafka, topics.CONTRACTS)
    await standing.pool.execute(
        "UPDATE position SET next = $2 WHERE topic = $1 AND partition = 3", topics.CONTRACTS, behind
    )
    assert await planner.advance()
    assert await state(standing) == "waiting"


async def test_a_plan_does_not_wait_for_what_is_published_after_its_barrier(
    standing: Entitlements, publisher: Publisher
) -> None:
    await standing.take(declared(said()))
    planner = standing.planner()
    assert await planner.advance()
    await publish_contracts(publisher, new_site(), range(50))
    assert not await planner.advance()
    assert await state(standing) != "waiting"


async def test_contracts_on_their_way_when_the_incident_was_declared_are_not_missed(
    standing: Entitlements, publisher: Publisher
) -> None:
    site, incident_id = new_site(), f"incident-{uuid.uuid4().hex[:8]}"
    body = said(incident_id=incident_id, scope={"sites": [site]})
    await publish_contracts(publisher, site, range(400))
    await publisher.publish({topics.INCIDENTS: events("incident.declared.v1", (incident_id, "declared", body))})
    await publish_contracts(publisher, new_site(), range(400, 500))

    # Small batches: the declaration is read long before the contracts are.
    follower = consumer(standing, 20)
    async with running(follower.run, standing.planner(50).run, standing.worker().run):
        await until(lambda: state_is(standing, "done"))

    assert await standing.exclusions(incident_id) == {f"{site}-C{n}": None for n in range(400)}
    told = await standing.events(incident_id)
    assert sorted(event["customer_id"] for event in told) == sorted(f"{site}-C{n}" for n in range(400))


async def test_a_plan_of_nobody_is_done_at_once(standing: Entitlements) -> None:
    await standing.take(declared(said(scope={"sites": [new_site()]})))
    planner = standing.planner()
    while await planner.advance():
        pass
    await planner.advance()
    assert await state(standing) == "done"
    assert await standing.exclusions(INCIDENT) == {}
