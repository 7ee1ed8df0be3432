"""Billing behind its consumer: records on a real topic, positions in the database, crashes, poison beside the good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.billing import messages
from services.runtime.consumer import Consumer
from services.runtime.database import Pool
from services.runtime.envelope import Record
from services.runtime.handling import Route
from services.runtime.metrics import Metrics
from services.runtime.quarantine import Limit
from services.runtime.relay import Publisher
from services.runtime.work import Workbench
from tests.integration.billing.case import CONTRACTS, ENDS, EVENTS
from tests.integration.billing.world import HANDLERS, Log, books_of, ends_of, granted, heads, hold, read, take, written
from tests.unit.billing.builders import credit, euros, event, extension

SECONDS = 20.0
STEPS = ["claimed", "worked", "written", "committed", "published"]
NewTopic = Callable[..., Awaitable[str]]


class CrashError(Exception):
    """The process dies here."""


def consumer_on(stack: Stack, topic: str, workbench: Workbench, batch: int = 100) -> Consumer:
    route = Route(messages.ENTITLEMENTS, HANDLERS.entitlements)
    limit = Limit(in_a_row=50, share=1.0, window=1_000)
    return Consumer(
        stack.kafka, f"billing-{topic}", {topic: route}, workbench, batch_records=batch, patience_seconds=SECONDS,
        limit=limit,
    )  # fmt: skip


async def settle(consumer: Consumer, pool: Pool, topic: str, records: int) -> None:
    """Let the consumer work until it stands behind so many records; raises what ended it before."""
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    try:
        async with asyncio.timeout(SECONDS):
            while await pool.fetchval('SELECT sum(next) FROM "position" WHERE topic = $1', topic) != records:
                if running.done():
                    break
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await running


def dying_once_at(step: str, workbench: Workbench) -> Workbench:
    left = [step]

    async def die(done: str) -> None:
        if done in left:
            left.remove(done)
            raise CrashError

    return Workbench(workbench.pool, workbench.relay, Metrics(), seconds=SECONDS, step=die)


@pytest.mark.parametrize("step", STEPS)
async def test_a_worker_that_dies_between_two_steps_is_followed_by_one_that_finishes(
    foundation: Stack, workbench: Workbench, pool: Pool, publisher: Publisher, new_topic: NewTopic, log: Log, step: str
) -> None:
    topic, records = await new_topic(2), granted(EVENTS)
    await hold(pool, CONTRACTS)
    await publisher.publish({topic: [*records, *records]})  # every event twice
    with pytest.raises(CrashError):
        await settle(consumer_on(foundation, topic, dying_once_at(step, workbench), 5), pool, topic, 2 * len(records))
    await settle(consumer_on(foundation, topic, workbench, 5), pool, topic, 2 * len(records))
    assert await ends_of(pool) == ENDS
    once = await books_of(pool)
    await take(workbench, read(records))
    assert await books_of(pool) == once
    said = (await written(pool))[topics.ADJUSTMENTS]
    assert len(said) == len(EVENTS)
    assert set(heads(await log.since(topics.ADJUSTMENTS))) == set(heads(said))


def without_a_value(record: Record) -> Record:
    return Record(record.key, None, record.headers)


def with_bytes(value: bytes) -> Callable[[Record], Record]:
    return lambda record: Record(record.key, value, record.headers)


def with_type(name: bytes) -> Callable[[Record], Record]:
    return lambda r: Record(r.key, r.value, [(k, name if k == "ce_type" else v) for k, v in r.headers])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (with_bytes(b"\xff\x00not json"), "not a valid entitlement.granted.v1"),
        (with_bytes(b"{}"), "incident_id"),
        (with_bytes(b'{"incident_id": "x"}'), "customer_id"),
        (without_a_value, "without a value"),
        (with_type(b"entitlement.granted.v9"), "entitlement.granted.v9"),
        (with_type(b"adjustment.applied.v1"), "adjustment.applied.v1"),
    ],
)
async def test_what_cannot_be_read_is_set_aside_and_its_neighbours_are_applied(
    foundation: Stack, workbench: Workbench, pool: Pool, publisher: Publisher, new_topic: NewTopic,
    spoil: Callable[[Record], Record], reason: str,
) -> None:  # fmt: skip
    topic, records = await new_topic(1), granted(EVENTS)
    await hold(pool, CONTRACTS)
    bad = spoil(granted([event(extension("K-7"), customer_id="C-7")])[0])
    await publisher.publish({topic: [*records[:3], bad, *records[3:]]})
    await settle(consumer_on(foundation, topic, workbench), pool, topic, len(records) + 1)
    assert await ends_of(pool) == ENDS
    (kept,) = await pool.fetch("SELECT record_offset, key, value, reason FROM quarantine")
    assert (kept["record_offset"], kept["key"], kept["value"]) == (3, bad.key, bad.value)
    assert reason in kept["reason"]


async def test_what_the_database_cannot_hold_is_set_aside_and_its_neighbours_are_applied(
    foundation: Stack, workbench: Workbench, pool: Pool, publisher: Publisher, new_topic: NewTopic
) -> None:
    """A credit of nothing keeps to the schema, and is no credit."""
    topic = await new_topic(1)
    await hold(pool, CONTRACTS)
    nothing = event(extension("K-7"), credit(euros("0.00"), "C-7"), customer_id="C-7")
    events = [*EVENTS[:3], nothing, *EVENTS[3:]]
    await publisher.publish({topic: granted(events)})
    await settle(consumer_on(foundation, topic, workbench), pool, topic, len(events))
    assert await ends_of(pool) == ENDS
    kept: list[Any] = await pool.fetch("SELECT key FROM quarantine")
    assert [row["key"] for row in kept] == [b"C-7"]
    assert await pool.fetchval("SELECT count(*) FROM entry WHERE customer_id = 'C-7'") == 0
