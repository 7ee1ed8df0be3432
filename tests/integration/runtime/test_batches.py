"""One batch, one transaction: the position and the effects move together, for one owner of a partition at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import pytest

from services.runtime import positions
from services.runtime.consumer import Consumer
from services.runtime.envelope import Message
from services.runtime.errors import Conflict
from services.runtime.positions import Step
from services.runtime.work import Transaction
from tests.integration.runtime.trial import Trial, event_id, parcels, running, until

MakeTrial = Callable[..., Awaitable[Trial]]


async def test_a_batch_moves_its_position_with_its_effects_and_answers(make_trial: MakeTrial) -> None:
    trial = await make_trial(partitions=3)
    await trial.send(parcels(range(300)))
    await trial.follow(300)
    assert await trial.numbers() == list(range(300))
    assert await trial.positions() == await trial.ends()
    assert sorted(map(event_id, await trial.read(trial.answers))) == sorted(f"answer/{n}" for n in range(300))


async def test_an_error_in_a_handler_leaves_neither_position_nor_effect_nor_answer(trial: Trial) -> None:
    async def fail(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        raise ZeroDivisionError("a bug")

    await trial.send(parcels(range(10)))
    with pytest.raises(ZeroDivisionError):
        async with running(trial.consumer(handle=fail)) as task:
            await task
    assert await trial.effects() == []
    assert await trial.positions() == {0: 0}
    assert await trial.read(trial.answers) == []
    assert await trial.pool.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_bug_is_not_tried_again(trial: Trial) -> None:
    calls: list[int] = []

    async def fail(batch: Sequence[Message], _: Transaction) -> None:
        calls.append(len(batch))
        raise ZeroDivisionError("a bug")

    await trial.send(parcels(range(3)))
    with pytest.raises(ZeroDivisionError):
        async with running(trial.consumer(handle=fail)) as task:
            await task
    assert calls == [3]


async def at_its_place(consumer: Consumer) -> None:
    """Let the consumer join and find its position, without reading yet."""
    await consumer._open()

    async def stands() -> bool:
        await consumer._stand()
        return bool(consumer._standing)

    await until(stands)


async def test_of_two_who_hold_the_same_batch_the_second_finds_a_conflict_and_leaves_nothing(trial: Trial) -> None:
    await trial.send(parcels(range(50)))
    first, second = trial.consumer(group=f"{trial.group}-a"), trial.consumer(group=f"{trial.group}-b")
    try:
        batches = []
        for consumer in (first, second):
            await at_its_place(consumer)
            fetched = await consumer._consumer.getmany(timeout_ms=10_000, max_records=50)
            batches.append({(tp.topic, tp.partition): records for tp, records in fetched.items()})
        await first._process(batches[0])
        with pytest.raises(Conflict):
            await second._process(batches[1])
    finally:
        await first._close()
        await second._close()
    assert await trial.effects() == [(0, n) for n in range(50)]
    assert len(await trial.read(trial.answers)) == 50


async def test_of_many_claims_of_one_step_exactly_one_is_granted(trial: Trial) -> None:
    at = (trial.topic, 0)
    await trial.pool.execute("INSERT INTO position VALUES ($1, 0, 5, 'c')", trial.topic)

    async def claim() -> str:
        async with trial.pool.acquire() as connection:
            try:
                async with connection.transaction():
                    await positions.claim(connection, "c", {at: Step(5, 9)})
            except Conflict:
                return "refused"
            return "granted"

    assert sorted(await asyncio.gather(*[claim() for _ in range(5)])) == ["granted"] + ["refused"] * 4
    assert await trial.positions() == {0: 9}


@pytest.mark.parametrize(
    ("cluster", "steps"),
    [
        ("c", {0: Step(5, 9), 1: Step(4, 9)}),  # one of the two is not where we thought
        ("other", {0: Step(5, 9)}),  # offsets of another life of the log
        ("c", {7: Step(0, 1)}),  # a partition where nobody stands
    ],
)
async def test_a_claim_moves_all_positions_or_none(trial: Trial, cluster: str, steps: dict[int, Step]) -> None:
    await trial.pool.execute("INSERT INTO position VALUES ($1, 0, 5, 'c'), ($1, 1, 5, 'c')", trial.topic)
    async with trial.pool.acquire() as connection:
        with pytest.raises(Conflict):
            async with connection.transaction():
                await positions.claim(connection, cluster, {(trial.topic, p): step for p, step in steps.items()})
    assert await trial.positions() == {0: 5, 1: 5}


async def test_two_who_both_believe_that_they_own_everything_make_one_effect_per_record(make_trial: MakeTrial) -> None:
    trial = await make_trial(partitions=2)
    await trial.send(parcels(range(4_000)))
    rivals = [trial.consumer(group=f"{trial.group}-{name}", batch_records=100) for name in "ab"]
    async with running(rivals[0]), running(rivals[1]):
        await trial.done(4_000)
    ends = await trial.ends()
    assert await trial.effects() == [(p, n) for p in sorted(ends) for n in range(ends[p])]
    assert await trial.positions() == ends
    assert {event_id(a) for a in await trial.read(trial.answers)} == {f"answer/{n}" for n in range(4_000)}


async def test_a_partition_that_is_taken_away_while_its_batch_is_at_work_does_no_harm(make_trial: MakeTrial) -> None:
    trial = await make_trial(partitions=2)
    await trial.send(parcels(range(200)))
    async with AsyncExitStack() as joining:

        async def is_overtaken(batch: Sequence[Message], transaction: Transaction) -> None:
            await trial.handle(batch, transaction)
            if not first.done():
                first.set_result(None)
                await joining.enter_async_context(running(trial.consumer()))
                await until(one_is_taken_away)

        async def one_is_taken_away() -> bool:
            return len(consumer._consumer.assignment()) == 1

        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        consumer = trial.consumer(handle=is_overtaken)
        await trial.follow(200, consumer)
    ends = await trial.ends()
    assert await trial.effects() == [(p, n) for p in sorted(ends) for n in range(ends[p])]


async def test_members_join_and_leave_while_twenty_thousand_records_flow(make_trial: MakeTrial) -> None:
    trial = await make_trial(partitions=6)

    async def at_leisure(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        await asyncio.sleep(0.04)

    async def noted(count: int) -> None:
        async def so_many() -> bool:
            return bool(await trial.pool.fetchval("SELECT count(*) FROM parcel") >= count)

        await until(so_many)

    await trial.send(parcels(range(20_000)))
    async with AsyncExitStack() as one, AsyncExitStack() as other:
        await one.enter_async_context(running(trial.consumer(handle=at_leisure, batch_records=200)))
        await noted(1_000)
        await other.enter_async_context(running(trial.consumer(handle=at_leisure, batch_records=200)))
        await noted(5_000)
        await one.aclose()
        await noted(7_000)
        await one.enter_async_context(running(trial.consumer(handle=at_leisure, batch_records=200)))
        await noted(12_000)
        await other.aclose()
        await trial.done(20_000)
    ends = await trial.ends()
    assert await trial.effects() == [(p, n) for p in sorted(ends) for n in range(ends[p])]
    assert await trial.positions() == ends
    assert {event_id(a) for a in await trial.read(trial.answers)} == {f"answer/{n}" for n in range(20_000)}


async def test_a_worker_that_has_lost_all_its_partitions_meanwhile_has_nothing_to_hint_at(trial: Trial) -> None:
    await trial.send(parcels(range(3)))
    late = trial.consumer()
    await at_its_place(late)
    late._lost_sight()
    late._next_hint = 0.0
    await late._hint()
    await late._close()
