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
    read = (topics.ENTITLEMENTS, topics.ANNOUNCEMENTS, topics.POLICIES, topics.PROGRESS, topics.dlq(topics.INCIDENTS))
    async with reading(kafka, *read) as reader:
        service = Entitlements(pool, workbench_on, kafka, reader)
        await service.publish()
        yield service
