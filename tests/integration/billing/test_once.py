"""Nothing is lost, nothing happens twice: repeated, shuffled, cut anyhow, after a crash between any two steps."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.runtime.database import Pool
from services.runtime.envelope import Message
from services.runtime.metrics import Metrics
from services.runtime.outbox import Outgoing
from services.runtime.relay import Publisher, Relay
from services.runtime.work import Workbench
from tests.integration.billing.case import CONTRACTS, ENDS, EVENTS, VERSIONS
from tests.integration.billing.crashes import cut_before_each_statement
from tests.integration.billing.world import (
    Books,
    Log,
    books_of,
    ends_of,
    granted,
    heads,
    hold,
    read,
    take,
    written,
)
from tests.integration.mortal import Death

SECONDS = 20.0
STEPS = ["worked", "written", "committed", "published"]
OUTGOING = [topics.ADJUSTMENTS, topics.CONTRACTS, topics.PROGRESS]


def batches(messages: Sequence[Message], size: int) -> list[Sequence[Message]]:
    return [messages[at : at + size] for at in range(0, len(messages), size)]


async def plainly(workbench: Workbench) -> Books:
    """The books after every event came once, in order, in one batch."""
    await hold(workbench.pool, CONTRACTS)
    await take(workbench, read(granted(EVENTS)))
    return await books_of(workbench.pool)


async def begin_anew(pool: Pool) -> None:
    await pool.execute("TRUNCATE contract, entry, addon, voucher, credit, held_withdrawal, tally, outbox")
    await hold(pool, CONTRACTS)


def dying_at(step: str, workbench: Workbench) -> Workbench:
    async def die(done: str) -> None:
        if done == step:
            raise Death

    return Workbench(workbench.pool, workbench.relay, Metrics(), seconds=SECONDS, step=die)


async def test_the_case_as_worked_out_by_hand(workbench: Workbench, pool: Pool) -> None:
    books = await plainly(workbench)
    assert await ends_of(pool) == ENDS
    assert {row[0]: row[4] for row in books["contract"]} == VERSIONS


async def test_every_event_twice_changes_nothing_and_says_nothing(workbench: Workbench, pool: Pool) -> None:
    once, said = await plainly(workbench), await written(pool)
    await take(workbench, read(granted(EVENTS)))
    assert await books_of(pool) == once
    assert await written(pool) == said


async def test_every_event_twice_in_one_batch_is_one_event(workbench: Workbench, pool: Pool) -> None:
    once, said = await plainly(workbench), await written(pool)
    await begin_anew(pool)
    await take(workbench, read(granted([e for e in EVENTS for _ in range(2)])))
    assert await books_of(pool) == once
    assert len((await written(pool))[topics.ADJUSTMENTS]) == len(said[topics.ADJUSTMENTS])


@pytest.mark.parametrize("seed", range(6))
async def test_shuffled_and_repeated_events_make_the_same_books(workbench: Workbench, pool: Pool, seed: int) -> None:
    once = await plainly(workbench)
    await begin_anew(pool)
    shuffle = random.Random(seed)
    events = [*EVENTS, *shuffle.sample(EVENTS, 4)]
    shuffle.shuffle(events)
    for batch in batches(read(granted(events)), 1 + seed):
        await take(workbench, batch)
    assert await books_of(pool) == once
    assert await ends_of(pool) == ENDS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
async def test_batches_of_any_size_make_the_same_books_and_answers(workbench: Workbench, pool: Pool, size: int) -> None:
    once, said = await plainly(workbench), await written(pool)
    await begin_anew(pool)
    for batch in batches(read(granted(EVENTS)), size):
        await take(workbench, batch)
    assert await books_of(pool) == once
    assert heads((await written(pool))[topics.ADJUSTMENTS]) == heads(said[topics.ADJUSTMENTS])


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_between_two_steps_and_a_redelivery_make_the_same_books(
    workbench: Workbench, pool: Pool, log: Log, step: str
) -> None:
    once = await plainly(workbench)
    said = {topic: set(heads(records)) for topic, records in (await written(pool)).items()}
    await begin_anew(pool)
    for topic in OUTGOING:
        await log.follow(topic)
    dying = dying_at(step, workbench)
    for batch in batches(read(granted(EVENTS)), 3):
        with pytest.raises(Death):
            await take(dying, batch)
        await workbench.relay.flush()  # what whoever takes over does first
        await take(workbench, batch)
    assert await books_of(pool) == once
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0
    assert set(heads(await log.since(topics.ADJUSTMENTS))) == said[topics.ADJUSTMENTS]


@pytest.mark.parametrize("step", STEPS[:2])
async def test_a_crash_before_the_commit_leaves_nothing_behind(workbench: Workbench, pool: Pool, step: str) -> None:
    await hold(pool, CONTRACTS)
    before = await books_of(pool)
    with pytest.raises(Death):
        await take(dying_at(step, workbench), read(granted(EVENTS)))
    assert await books_of(pool) == before
    assert await written(pool) == {}


async def test_a_cut_before_any_statement_leaves_nothing_behind(workbench: Workbench, pool: Pool) -> None:
    once = await plainly(workbench)
    await begin_anew(pool)
    assert await cut_before_each_statement(workbench, pool, read(granted(EVENTS))) >= 4
    assert await books_of(pool) == once


async def test_what_was_sent_and_not_marked_is_sent_again_byte_for_byte(
    foundation: Stack, workbench: Workbench, pool: Pool, log: Log
) -> None:
    class DiesAfterSending(Publisher):
        async def publish(self, outgoing: Outgoing) -> None:
            await super().publish(outgoing)
            raise Death

    await hold(pool, CONTRACTS)
    dying = DiesAfterSending(foundation.kafka, delivery_seconds=SECONDS, metrics=Metrics())
    with pytest.raises(Death):
        await take(Workbench(pool, Relay(pool, dying), Metrics(), seconds=SECONDS), read(granted(EVENTS)))
    await dying.close()
    assert await workbench.relay.flush() == 1
    for topic in OUTGOING:
        sent = heads((await written(pool))[topic])
        assert sorted(heads(await log.since(topic))) == sorted([*sent, *sent])


async def test_a_batch_without_anything_new_publishes_nothing(workbench: Workbench, log: Log) -> None:
    await plainly(workbench)
    for topic in OUTGOING:
        await log.follow(topic)
    await take(workbench, read(granted(EVENTS[:3])))
    assert [await log.since(topic) for topic in OUTGOING] == [[], [], []]
