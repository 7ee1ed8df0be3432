"""A worker dies between any two steps of a batch, and the next one takes over: effects once, answers never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deploy.local.stack import Stack
from services.runtime.metrics import Metrics
from services.runtime.outbox import Outgoing
from services.runtime.relay import Publisher
from tests.integration.runtime.trial import SECONDS, PowerCut, Trial, bare, event_id, parcels, running

BATCHES = 3
STEPS = ("claimed", "worked", "written", "committed", "published")


def stops_the_world(at: str, how: str) -> Callable[[str], Awaitable[None]]:
    """A step hook that ends the worker in its second batch, after the step of this name."""
    seen: list[str] = []

    async def step(name: str) -> None:
        seen.append(name)
        if name != at or seen.count(at) != 2:
            return
        if how == "raise":
            raise PowerCut(at)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    return step


async def all_is_well(trial: Trial, count: int) -> None:
    """Every effect once, every answer at least once and always the same, positions at the end of the log."""
    ends = await trial.ends()
    assert await trial.effects() == [(p, n) for p in sorted(ends) for n in range(ends[p])]
    assert await trial.numbers() == list(range(count))
    assert await trial.positions() == ends
    assert await trial.pending() == 0
    answers = await trial.read(trial.answers)
    assert {event_id(answer) for answer in answers} == {f"answer/{n}" for n in range(count)}
    said = {event_id(answer): bare(answer) for answer in answers}
    assert all(bare(answer) == said[event_id(answer)] for answer in answers)


@pytest.mark.parametrize("how", ["raise", "cancel"])
@pytest.mark.parametrize("at", STEPS)
async def test_a_crash_after_any_step_is_recovered_from(
    make_trial: Callable[..., Awaitable[Trial]], at: str, how: str
) -> None:
    trial = await make_trial(partitions=2)
    await trial.send(parcels(range(90)))
    doomed = trial.consumer(trial.workbench(stops_the_world(at, how)), batch_records=30)
    with pytest.raises(PowerCut if how == "raise" else asyncio.CancelledError):
        async with running(doomed) as task:
            await asyncio.wait_for(asyncio.shield(task), SECONDS)
    # What was committed is there in full, and nothing else.
    assert len(await trial.effects()) == sum((await trial.positions()).values())
    await trial.follow(90)
    await all_is_well(trial, 90)


async def test_nothing_is_heard_of_a_batch_that_was_not_committed(trial: Trial) -> None:
    async def dies_before_the_commit(name: str) -> None:
        if name == "written":
            raise PowerCut(name)

    await trial.send(parcels(range(20)))
    with pytest.raises(PowerCut):
        async with running(trial.consumer(trial.workbench(dies_before_the_commit))) as task:
            await asyncio.wait_for(asyncio.shield(task), SECONDS)
    assert await trial.read(trial.answers) == []


class LosesItsMemory(Publisher):
    """Delivers, and dies before anybody can note it."""

    async def publish(self, outgoing: Outgoing) -> None:
        """Publish, then die."""
        await super().publish(outgoing)
        raise PowerCut("acknowledged")


async def test_a_crash_between_the_acknowledgement_and_its_note_repeats_the_same_events(
    trial: Trial, foundation: Stack
) -> None:
    forgetful = LosesItsMemory(foundation.kafka, delivery_seconds=SECONDS, metrics=Metrics())
    await trial.send(parcels(range(20)))
    try:
        with pytest.raises(PowerCut):
            async with running(trial.consumer(trial.workbench(publisher=forgetful))) as task:
                await asyncio.wait_for(asyncio.shield(task), SECONDS)
    finally:
        await forgetful.close()
    assert await trial.pending() == 1
    await trial.follow(20)
    await all_is_well(trial, 20)
    answers = await trial.read(trial.answers)
    assert [bare(answer) for answer in answers[:20]] == [bare(answer) for answer in answers[20:]]
