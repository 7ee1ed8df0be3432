"""Billing's database, a workbench on it, and the topics as seen from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from deploy.local.stack import Stack
from schemas import topics
from services.billing import books
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.billing.world import Log


@pytest.fixture
async def pool(database_of: Callable[[str], Awaitable[Pool]]) -> Pool:
    """Billing's database, empty."""
    return await database_of("billing")


@pytest.fixture
def workbench(workbench_on: Callable[[Pool], Workbench], pool: Pool) -> Workbench:
    """Where pieces of work are committed and published."""
    return workbench_on(pool)


@pytest.fixture
async def log(foundation: Stack) -> Log:
    """What comes to billing's outgoing topics from now on."""
    log = Log(foundation.kafka)
    await log.follow(topics.ADJUSTMENTS, topics.CONTRACTS, topics.PROGRESS)
    return log


@pytest.fixture
async def http(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    """A client of billing's books."""
    app = FastAPI()
    books.mount(app, pool)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing") as client:
        yield client
