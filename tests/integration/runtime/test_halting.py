"""Too much poison is no poison: the consumer stands still before the batch, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from structlog.testing import capture_logs

from deploy.local.stack import Stack
from services.runtime import service
from services.runtime.consumer import Consumer
from services.runtime.envelope import Record
from services.runtime.handling import Route
from services.runtime.quarantine import Limit
from services.runtime.settings import RuntimeSettings
from tests.integration.runtime.trial import DECODER, Trial, parcels, running, until


def broken(numbers: range) -> list[Record]:
    """Records that are no events."""
    return [replace(record, value=b"{") for record in parcels(numbers)]


def alternating(numbers: range) -> list[Record]:
    """Every other record is no event."""
    return [
        record if n % 2 else replace(record, value=b"{") for n, record in zip(numbers, parcels(numbers), strict=True)
    ]


@asynccontextmanager
async def until_halted(consumer: Consumer) -> AsyncIterator[asyncio.Task[None]]:
    """The consumer, once it stands still."""

    async def halted() -> bool:
        return consumer.halted is not None or task.done()

    async with running(consumer) as task:
        await until(halted)
        yield task


@pytest.mark.parametrize(
    ("records", "limit", "said"),
    [
        (broken(range(20)), Limit(in_a_row=10, share=1.0, window=1_000), "10 records in a row"),
        (alternating(range(20)), Limit(in_a_row=10, share=0.5, window=20), "10 of the last 20 records"),
    ],
)
async def test_a_halted_consumer_stands_before_the_batch_and_has_set_nothing_aside(
    trial: Trial, records: list[Record], limit: Limit, said: str
) -> None:
    await trial.send(parcels(range(100, 110)))
    await trial.follow(10)
    await trial.send(records)
    workbench = trial.workbench()
    consumer = trial.consumer(workbench, limit=limit)
    async with until_halted(consumer) as task:
        assert not task.done()  # it keeps its process, so that it can be looked at
    assert said in str(consumer.halted)
    assert await trial.positions() == {0: 10}
    assert await trial.numbers() == list(range(100, 110))
    assert await trial.quarantined() == []
    assert await trial.read(f"{trial.topic}.dlq") == []
    assert workbench.metrics.registry.get_sample_value("amends_consumer_halted") == 1


async def test_poison_is_counted_across_batches(trial: Trial) -> None:
    await trial.send(broken(range(20)))
    consumer = trial.consumer(batch_records=4, limit=Limit(in_a_row=10, share=1.0, window=1_000))
    async with until_halted(consumer):
        pass
    assert await trial.positions() == {0: 8}
    assert len(await trial.quarantined()) == 8


async def test_a_halted_consumer_goes_on_once_the_reason_is_gone(trial: Trial) -> None:
    """A bad deploy is taken back: the same records are processed, none was lost."""
    await trial.send(broken(range(20)))
    async with until_halted(trial.consumer(limit=Limit(in_a_row=10, share=1.0, window=1_000))):
        pass
    await trial.send(parcels([20]))
    await trial.follow(1)  # with a higher limit
    assert len(await trial.quarantined()) == 20
    assert await trial.numbers() == [20]


async def test_the_service_is_not_ready_while_its_consumer_stands_still(trial: Trial, foundation: Stack) -> None:
    settings = RuntimeSettings.model_validate(
        {
            "kafka": foundation.kafka,
            "database": foundation.databases["billing"],
            "http": "127.0.0.1:1",
            "operator_token": "a-token-of-the-trial",
            "quarantine_in_a_row": 10,
        }
    )
    await trial.send(broken(range(20)))
    async with service.parts(f"trial-{trial.group}", settings) as parts:
        consumer = parts.consumer({trial.topic: Route(DECODER, trial.handle)})
        transport = httpx.ASGITransport(parts.api())
        async with httpx.AsyncClient(transport=transport, base_url="http://trial") as client:
            assert (await client.get("/readyz")).status_code == 200
            with capture_logs() as logs:
                async with until_halted(consumer):
                    answer = await client.get("/readyz")
            assert (await client.get("/livez")).status_code == 200
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["wrong"]["consumer"].startswith("halted: 10 records in a row cannot be processed")
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["halted: too much is set aside"]
