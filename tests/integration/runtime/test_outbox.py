"""The outbox: what was committed is published, whoever died; in order, never interleaved, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest

from deploy.local.stack import Stack
from services.runtime import http, outbox
from services.runtime import relay as relays
from services.runtime.envelope import Record
from services.runtime.errors import Transient
from services.runtime.metrics import Metrics
from services.runtime.relay import Publisher, Relay
from services.runtime.work import Transaction
from tests.integration.runtime.test_batches import at_its_place
from tests.integration.runtime.trial import SECONDS, PowerCut, Trial, answers, bare, event_id, parcels, running, until

MakeTrial = Callable[..., Awaitable[Trial]]


async def dies_when_committed(step: str) -> None:
    """A step hook: the worker's last deed is a commit."""
    if step == "committed":
        raise PowerCut(step)


async def leave_pending(trial: Trial, rows: int, records: int = 50) -> list[Record]:
    """Rows that were committed and not published; returns their records in the order of writing."""
    every: list[Record] = []
    for row in range(rows):
        share = answers(range(row * records, (row + 1) * records))
        async with trial.pool.acquire() as connection:
            await outbox.write(connection, {trial.answers: share})
        every += share
    return every


async def test_what_a_dead_worker_left_is_published_before_the_partitions_next_batch(trial: Trial) -> None:
    await trial.send(parcels(range(60)))
    with pytest.raises(PowerCut):
        async with running(trial.consumer(trial.workbench(dies_when_committed), batch_records=20)) as task:
            await asyncio.wait_for(asyncio.shield(task), SECONDS)
    assert await trial.read(trial.answers) == []
    await trial.follow(60, trial.consumer(batch_records=20))
    assert [event_id(answer) for answer in await trial.read(trial.answers)] == [f"answer/{n}" for n in range(60)]


class Overtaken(Relay):
    """A relay behind whose back somebody commits, just when it has looked for what is pending."""

    def __init__(self, trial: Trial, behind_its_back: Callable[[], Awaitable[None]]) -> None:
        super().__init__(trial.pool, trial.publisher)
        self._behind_its_back = behind_its_back

    async def flush(self, older_than: timedelta = timedelta(0)) -> int:
        """Publish what is pending, then let the other one commit."""
        sent = await super().flush(older_than)
        await self._behind_its_back()
        return sent


async def test_a_batch_committed_while_the_next_owner_looks_around_is_still_published_first(trial: Trial) -> None:
    await trial.send(parcels(range(40)))
    late = trial.consumer(trial.workbench(dies_when_committed), group=f"{trial.group}-late")
    await at_its_place(late)
    fetched = await late._consumer.getmany(timeout_ms=10_000, max_records=20)
    batches = [{(tp.topic, tp.partition): records for tp, records in fetched.items()}]

    async def commit_and_die() -> None:
        if batches:
            with pytest.raises(PowerCut):
                await late._process(batches.pop())
            await late._close()

    workbench = trial.workbench()
    workbench.relay = Overtaken(trial, commit_and_die)
    await trial.follow(40, trial.consumer(workbench, batch_records=20))
    assert await trial.numbers() == list(range(40))
    assert [event_id(answer) for answer in await trial.read(trial.answers)] == [f"answer/{n}" for n in range(40)]


async def test_a_publication_that_failed_is_made_up_for_before_the_next_batch(trial: Trial, foundation: Stack) -> None:
    """The topic of the answers is not there at first."""
    there, trial.answers = trial.answers, f"{trial.answers}-missing"
    hasty = Publisher(foundation.kafka, delivery_seconds=0.5, metrics=Metrics())
    await trial.send(parcels(range(20)))

    async def failed() -> bool:
        return await trial.pending() == 1

    try:
        async with running(trial.consumer(trial.workbench(publisher=hasty))):
            await until(failed)
            payload = outbox.pack({there: answers(range(20))})
            await trial.pool.execute("UPDATE outbox SET payload = $1", payload)
            await trial.done(20)
    finally:
        await hasty.close()
    assert await trial.numbers() == list(range(20))
    assert len(await trial.read(there)) == 20


@pytest.fixture
async def three_publishers(foundation: Stack) -> AsyncIterator[list[Publisher]]:
    """Three producers, as three processes would have them."""
    publishers = [Publisher(foundation.kafka, delivery_seconds=SECONDS, metrics=Metrics()) for _ in range(3)]
    yield publishers
    for publisher in publishers:
        await publisher.close()


async def test_three_relays_at_once_publish_each_row_once_whole_and_in_order(
    trial: Trial, three_publishers: list[Publisher]
) -> None:
    expected = await leave_pending(trial, rows=25)
    sent = await asyncio.gather(*[Relay(trial.pool, publisher).flush() for publisher in three_publishers])
    assert sum(sent) == 25
    assert [bare(answer) for answer in await trial.read(trial.answers)] == expected
    assert await trial.pending() == 0


async def test_a_worker_and_a_relay_at_once_publish_a_row_once(trial: Trial, three_publishers: list[Publisher]) -> None:
    """The row is found by others as soon as it is committed, before its own worker has come to publish it."""
    others = [Relay(trial.pool, publisher) for publisher in three_publishers]

    async def the_others_look(step: str) -> None:
        if step == "committed":
            looking.append(asyncio.gather(*[relay.flush() for relay in others]))
            await asyncio.sleep(0.01)

    async def work(transaction: Transaction) -> None:
        transaction.publish(trial.answers, answers(range(30)))

    looking: list[asyncio.Future[list[int]]] = []
    await trial.workbench(the_others_look).run(work)
    await asyncio.gather(*looking)
    assert [bare(answer) for answer in await trial.read(trial.answers)] == answers(range(30))


async def test_the_sweep_publishes_what_is_stale_and_leaves_what_is_in_hand(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "_SWEEP_SECONDS", 0.05)
    await leave_pending(trial, rows=3)
    await trial.pool.execute("UPDATE outbox SET created_at = now() - interval '1 minute' WHERE outbox_id < 3")

    async def the_stale_are_out() -> bool:
        return await trial.pending() == 1

    stop = asyncio.Event()
    sweeping = asyncio.ensure_future(Relay(trial.pool, trial.publisher).sweep(stop))
    await until(the_stale_are_out)
    stop.set()
    await asyncio.wait_for(sweeping, SECONDS)
    assert [bare(answer) for answer in await trial.read(trial.answers)] == answers(range(100))


async def test_republish_sends_the_same_records_in_the_order_of_writing(trial: Trial) -> None:
    relay = Relay(trial.pool, trial.publisher)
    expected = await leave_pending(trial, rows=7)
    await relay.flush()
    assert [count async for count in relay.republish()] == [50 * n for n in range(1, 8)]
    published = [bare(answer) for answer in await trial.read(trial.answers)]
    assert published == expected * 2


async def test_republishing_goes_on_when_its_producer_is_cut_off(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is when a consumer finds that the cluster is another one: the producer is everybody's."""
    relay, publish, cut_off = Relay(trial.pool, trial.publisher), trial.publisher._publish_partition, list[Any]()
    expected = await leave_pending(trial, rows=4)

    async def cut_in(producer: Any, topic: str, partition: int, records: Sequence[Record]) -> None:
        if expected[100] in records and len(cut_off) < 2:
            cut_off.append(producer)
            await trial.publisher.close()
        await publish(producer, topic, partition, records)

    monkeypatch.setattr(trial.publisher, "_publish_partition", cut_in)
    assert [count async for count in relay.republish()] == [50, 100, 150, 200]
    assert len(cut_off) == 2
    assert [bare(answer) for answer in await trial.read(trial.answers)] == expected


async def test_republishing_that_cannot_go_on_says_why(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    await leave_pending(trial, rows=2)
    tried: list[int] = []

    async def away(_: object) -> None:
        tried.append(1)
        raise Transient("the broker is away")

    monkeypatch.setattr(relays, "_AGAIN_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(trial.publisher, "publish", away)
    lines = [orjson.loads(line) async for line in http._lines(Relay(trial.pool, trial.publisher).republish())]
    assert lines == [{"broke_off": "the broker is away"}]
    assert len(tried) == 5


async def test_a_row_that_is_published_is_not_published_again(trial: Trial) -> None:
    relay = Relay(trial.pool, trial.publisher)
    await leave_pending(trial, rows=1)
    assert [await relay.flush(), await relay.flush()] == [1, 0]


async def test_work_that_publishes_nothing_leaves_no_row(trial: Trial) -> None:
    async def work(transaction: Transaction) -> None:
        transaction.publish(trial.answers, [])

    await trial.workbench().run(work)
    assert await trial.pool.fetchval("SELECT count(*) FROM outbox") == 0
