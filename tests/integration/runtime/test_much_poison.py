"""Much poison, or a slow batch: found in few repetitions, read again in smaller pieces, and resumed by a person."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from services.runtime.envelope import Message
from services.runtime.errors import Poison
from services.runtime.metrics import Metrics
from services.runtime.quarantine import Limit
from services.runtime.relay import Relay
from services.runtime.work import Transaction, Workbench
from tests.integration.runtime.trial import Trial, parcels, running, until


async def test_one_bad_record_among_many_is_found_in_few_repetitions(trial: Trial) -> None:
    sizes: list[int] = []

    async def refuses_one(batch: Sequence[Message], transaction: Transaction) -> None:
        sizes.append(len(batch))
        await trial.handle(batch, transaction)
        if any(message.data.number == 300 for message in batch):
            raise Poison("not this one")

    await trial.send(parcels(range(500)))
    await trial.follow(499, trial.consumer(handle=refuses_one))
    assert [row["record_offset"] for row in await trial.quarantined()] == [300]
    assert (len(sizes) < 30, sum(sizes) < 3 * 500) == (True, True), sizes
    assert await trial.effects() == [(0, n) for n in range(500) if n != 300]


async def test_the_good_ones_between_bad_ones_keep_their_order(trial: Trial) -> None:
    async def refuses_some(batch: Sequence[Message], transaction: Transaction) -> None:
        if any(message.data.number % 3 == 0 for message in batch):
            raise Poison("not these")
        await trial.handle(batch, transaction)

    await trial.send(parcels(range(50), key=lambda _: "p"))
    await trial.follow(33, trial.consumer(handle=refuses_some))
    rows = await trial.pool.fetch("SELECT number FROM parcel ORDER BY ctid")
    assert [row["number"] for row in rows] == [n for n in range(50) if n % 3]
    assert [row["record_offset"] for row in await trial.quarantined()] == list(range(0, 50, 3))


async def test_a_batch_that_takes_too_long_is_read_again_in_smaller_pieces(trial: Trial) -> None:
    sizes: list[int] = []

    async def slow(batch: Sequence[Message], transaction: Transaction) -> None:
        sizes.append(len(batch))
        await trial.handle(batch, transaction)
        await asyncio.sleep(0.02 * len(batch))  # 160 at once take longer than a transaction may

    workbench = Workbench(trial.pool, Relay(trial.pool, trial.publisher), Metrics(), seconds=2)
    await trial.send(parcels(range(160)))
    await trial.follow(160, trial.consumer(workbench, slow))
    assert max(sizes) == 160
    assert await trial.numbers() == list(range(160))


async def test_a_consumer_that_has_halted_goes_on_when_somebody_says_so(trial: Trial) -> None:
    mended = asyncio.Event()

    async def refuses(batch: Sequence[Message], transaction: Transaction) -> None:
        if not mended.is_set():
            raise Poison("a bad deploy")
        await trial.handle(batch, transaction)

    await trial.send(parcels(range(20)))
    consumer = trial.consumer(handle=refuses, limit=Limit(in_a_row=10, share=1.0, window=1_000))
    assert not consumer.resume()

    async def halted() -> bool:
        return consumer.halted is not None

    async with running(consumer):
        await until(halted)
        topic = trial.topic
        assert f"amends quarantine list --service {trial.group} --topic {topic}`" in str(consumer.halted)
        assert [tuple(fault) for fault in consumer.halted_over] == [(topic, "a bad deploy", 20, 0, 0)]
        assert consumer.resume()
        await until(halted)  # nothing was mended
        mended.set()
        assert consumer.resume()
        await trial.done(20)
    assert await trial.numbers() == list(range(20))
    assert await trial.quarantined() == []


async def test_another_record_at_the_place_of_one_that_is_set_aside_is_kept_too(trial: Trial) -> None:
    """A topic that is made anew in the same cluster counts from 0 again."""
    await trial.send([replace(parcels([1])[0], value=b"{"), *parcels([2])])
    await trial.follow(1)
    await trial.pool.execute("UPDATE quarantine SET value = 'of another life of the topic'")
    await trial.pool.execute("UPDATE position SET next = 0")
    await trial.follow(2)
    assert sorted(row["value"] for row in await trial.quarantined()) == [b"of another life of the topic", b"{"]
