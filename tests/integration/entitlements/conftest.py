"""Entitlements on the real database and broker; each test finds empty tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.entitlements.builders import Entitlements
from tests.integration.wire import reading


@pytest.fixture
async def entitlements(
    foundation: Stack,
    database_of: Callable[[str], Awaitable[Pool]],
    workbench_on: Callable[[Pool], Workbench],
) -> AsyncIterator[Entitlements]:
    """The service's parts; its reader reads what is published from here on."""
    pool = await database_of("entitlements")
    kafka = foundation.kafka
    async with reading(kafka, topics.ENTITLEMENTS, topics.PROGRESS, topics.dlq(topics.INCIDENTS)) as reader:
        yield Entitlements(pool, workbench_on, kafka, reader)
