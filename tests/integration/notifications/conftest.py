"""Notifications on the real database and broker; each test finds empty tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.notifications.builders import Notifications, published
from tests.integration.wire import reading


@pytest.fixture
async def notifications(
    foundation: Stack,
    database_of: Callable[[str], Awaitable[Pool]],
    workbench_on: Callable[[Pool], Workbench],
) -> AsyncIterator[Notifications]:
    """The service's parts, the case's policy known; its reader reads what is published from here on."""
    pool = await database_of("notifications")
    async with reading(foundation.kafka, topics.LETTERS, topics.PROGRESS) as reader:
        notifications = Notifications(pool, workbench_on, reader)
        await notifications.take(published())
        yield notifications
