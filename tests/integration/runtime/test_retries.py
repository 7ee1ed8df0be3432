"""What passes is tried again, within a patience: a connection that is cut, a broker or a database that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest
from structlog.testing import capture_logs

from deploy.local import ports
from services.runtime import database
from services.runtime.consumer import Consumer
from services.runtime.envelope import Message
from services.runtime.errors import GaveUp, Transient
from services.runtime.handling import Route
from services.runtime.metrics import Metrics
from services.runtime.quarantine import Limit
from services.runtime.relay import Publisher
from services.runtime.work import Transaction
from tests.integration.runtime.trial import DECODER, SECONDS, Trial, answers, event_id, parcels, running


@pytest.fixture
def nowhere() -> str:
    """An address where nothing listens."""
    return f"{ports.HOST}:{ports.choose(())}"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_batch_whose_connection_is_cut_is_tried_again_and_effective_once(trial: Trial, when: str) -> None:
    cuts = iter(range(2))

    async def is_cut(batch: Sequence[Message], transaction: Transaction) -> None:
        if when == "after":
            await trial.handle(batch, transaction)
        if next(cuts, None) is not None:
            pid = transaction.connection.get_server_pid()
            assert await trial.pool.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
        if when == "before":
            await trial.handle(batch, transaction)

    await trial.send(parcels(range(100)))
    workbench = trial.workbench()
    await trial.follow(100, trial.consumer(workbench, is_cut))
    assert await trial.numbers() == list(range(100))
    assert [event_id(answer) for answer in await trial.read(trial.answers)] == [f"answer/{n}" for n in range(100)]
    (retries,) = workbench.metrics.retries.collect()
    assert sum(sample.value for sample in retries.samples if sample.name.endswith("_total")) == 2


async def test_a_transaction_that_takes_too_long_is_rolled_back_and_tried_again(trial: Trial) -> None:
    slow = iter([True])

    async def hangs_once(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        if next(slow, False):
            await transaction.connection.execute("SELECT pg_sleep(60)")

    workbench = trial.workbench()
    workbench._seconds = 0.5
    await trial.send(parcels(range(10)))
    await trial.follow(10, trial.consumer(workbench, hangs_once))
    assert await trial.numbers() == list(range(10))


async def test_a_lost_race_between_transactions_is_tried_again(trial: Trial) -> None:
    lost = iter([True])

    async def loses_once(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        if next(lost, False):
            raise asyncpg.DeadlockDetectedError("deadlock detected")

    await trial.send(parcels(range(10)))
    await trial.follow(10, trial.consumer(handle=loses_once))
    assert await trial.numbers() == list(range(10))


def impatient(trial: Trial, kafka: str) -> Consumer:
    """A consumer that gives up soon."""
    return Consumer(
        kafka,
        trial.group,
        {trial.topic: Route(DECODER, trial.handle)},
        trial.workbench(),
        batch_records=10,
        patience_seconds=0.5,
        limit=Limit(10, 1.0, 10),
    )


async def test_a_consumer_without_a_broker_says_so_and_gives_up_after_its_patience(trial: Trial, nowhere: str) -> None:
    with capture_logs() as logs, pytest.raises(GaveUp, match=r"no batch could be committed for .* s: KafkaConn"):
        await asyncio.wait_for(impatient(trial, nowhere).run(asyncio.Event()), SECONDS)
    assert {line["event"] for line in logs} == {"a batch is tried again"}


async def test_a_consumer_without_a_broker_ends_when_it_is_told_to(trial: Trial, nowhere: str) -> None:
    stop = asyncio.Event()
    consumer = impatient(trial, nowhere)
    consumer._patience = 3_600.0
    task = asyncio.ensure_future(consumer.run(stop))
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.wait_for(task, SECONDS)


async def test_a_consumer_whose_database_stays_away_gives_up(trial: Trial) -> None:
    async def always_cut(_: Sequence[Message], transaction: Transaction) -> None:
        await trial.pool.execute("SELECT pg_terminate_backend($1, 5000)", transaction.connection.get_server_pid())
        await transaction.connection.execute("SELECT 1")

    await trial.send(parcels(range(10)))
    consumer = trial.consumer(handle=always_cut)
    consumer._patience = 0.5
    with pytest.raises(GaveUp):
        await asyncio.wait_for(consumer.run(asyncio.Event()), SECONDS)
    assert await trial.positions() == {0: 0}


async def test_a_success_in_between_makes_patience_whole_again(trial: Trial) -> None:
    """Every batch fails at first; together that is far more than the patience, each alone is not."""
    tried: set[int] = set()

    async def fails_at_first(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        offset = batch[0].record.offset
        if offset not in tried:
            tried.add(offset)
            raise Transient("not yet")

    await trial.send(parcels(range(10)))
    consumer = trial.consumer(handle=fails_at_first, batch_records=1)
    consumer._patience = 0.2
    await trial.follow(10, consumer)
    assert await trial.numbers() == list(range(10))


async def test_without_a_database_a_service_says_so_and_gives_up_after_its_deadline(nowhere: str) -> None:
    with capture_logs() as logs, pytest.raises(GaveUp, match="the database does not answer"):
        await database.connect(
            f"postgresql://billing:secret@{nowhere}/billing", size=2, deadline_seconds=0.5, statement_seconds=1
        )
    assert {line["event"] for line in logs} == {"waiting for the database"}


async def test_a_publication_without_a_broker_fails_in_time_and_can_be_tried_again(trial: Trial, nowhere: str) -> None:
    publisher = Publisher(nowhere, delivery_seconds=0.5, metrics=Metrics())
    for _ in range(2):
        with pytest.raises(Transient, match="the broker has not acknowledged"):
            await publisher.publish({trial.answers: answers(range(3))})
    await publisher.close()


async def test_work_that_is_committed_and_not_published_is_not_lost(trial: Trial, nowhere: str) -> None:
    async def work(transaction: Transaction) -> None:
        transaction.publish(trial.answers, answers(range(3)))

    publisher = Publisher(nowhere, delivery_seconds=0.5, metrics=Metrics())
    with pytest.raises(Transient):
        await trial.workbench(publisher=publisher).run(work)
    assert await trial.pending() == 1
    assert await trial.workbench().relay.flush() == 1
    assert [event_id(answer) for answer in await trial.read(trial.answers)] == [f"answer/{n}" for n in range(3)]


async def test_a_stopped_consumer_leaves_its_group_in_good_order(trial: Trial) -> None:
    """The next member gets the partitions at once, not after the session has timed out."""
    await trial.send(parcels(range(10)))
    async with running(trial.consumer()):
        await trial.done(10)
    await trial.send(parcels(range(10, 20)))
    await trial.follow(20)
    assert await trial.numbers() == list(range(20))
