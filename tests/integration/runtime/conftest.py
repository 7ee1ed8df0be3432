"""The trial's topics and table, new for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from deploy.local.stack import Stack
from services.runtime import consumer
from services.runtime.relay import Publisher
from tests.integration.conftest import Database
from tests.integration.runtime.trial import TABLE, Trial


@pytest.fixture
async def make_trial(
    foundation: Stack,
    database_of: Database,
    publisher: Publisher,
    new_topic: Callable[..., Awaitable[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[..., Awaitable[Trial]]]:
    """Call with the numbers of partitions: a trial whose table is gone after the test."""
    monkeypatch.setattr(consumer, "_POLL_SECONDS", 0.1)  # a test's consumer is told to stop as soon as it is done
    async with AsyncExitStack() as cleaning:

        async def make(partitions: int = 1, answer_partitions: int = 1) -> Trial:
            pool = await database_of("billing")
            await pool.execute("DROP TABLE IF EXISTS parcel")
            await pool.execute(TABLE)
            cleaning.push_async_callback(pool.execute, "DROP TABLE IF EXISTS parcel")
            topics = await new_topic(partitions), await new_topic(answer_partitions)
            return Trial(foundation.kafka, pool, publisher, *topics)

        yield make


@pytest.fixture
async def trial(make_trial: Callable[..., Awaitable[Trial]]) -> Trial:
    """A trial with one partition each."""
    return await make_trial()
