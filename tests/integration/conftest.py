"""A real Kafka, PostgreSQL and mail sink for the integration tests, started once; each test finds empty tables.

Tests run one after the other: a test has the databases to itself. Topics are made per test, so that offsets start at 0.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import stack as local
from deploy.local.stack import Stack
from services.billing.store import MIGRATIONS as BILLING
from services.entitlements.store import MIGRATIONS as ENTITLEMENTS
from services.notifications.store import MIGRATIONS as NOTIFICATIONS
from services.runtime import database
from services.runtime.database import Pool
from services.runtime.metrics import Metrics
from services.runtime.relay import Publisher, Relay
from services.runtime.service import MIGRATIONS as RUNTIME
from services.runtime.work import Workbench

_FOLDERS = {"entitlements": ENTITLEMENTS, "billing": BILLING, "notifications": NOTIFICATIONS}
_SECONDS = 20.0


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, PostgreSQL and the mail sink, without the services."""
    root = tmp_path_factory.mktemp("foundation") / ".amends"
    try:
        yield local.up(root, services=False)
    finally:
        local.down(root)


Database = Callable[[str], Awaitable[Pool]]


@pytest.fixture
async def database_of(foundation: Stack) -> AsyncIterator[Database]:
    """Call with a service's name: a pool on its database, migrated, with all tables empty."""
    pools: list[Pool] = []

    async def empty(service: str) -> Pool:
        pool = await database.connect(
            foundation.databases[service], size=6, deadline_seconds=_SECONDS, statement_seconds=_SECONDS
        )
        pools.append(pool)
        async with pool.acquire() as connection:
            await database.migrate(connection, [RUNTIME, _FOLDERS[service]])
            tables = await connection.fetch(
                "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'"
            )
            await connection.execute(f"TRUNCATE {', '.join(row[0] for row in tables)} RESTART IDENTITY CASCADE")
        return pool

    yield empty
    for pool in pools:
        await database.close(pool)


@pytest.fixture
async def publisher(foundation: Stack) -> AsyncIterator[Publisher]:
    """A producer on the real broker."""
    publisher = Publisher(foundation.kafka, delivery_seconds=_SECONDS, metrics=Metrics())
    yield publisher
    await publisher.close()


@pytest.fixture
async def new_topic(foundation: Stack) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Call to make a topic (and its `.dlq`) of its own; returns its name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=foundation.kafka)
    await admin.start()

    async def make(partitions: int = 1) -> str:
        name = f"test-{uuid.uuid4().hex[:12]}"
        await admin.create_topics(
            [NewTopic(name, partitions, 1), NewTopic(f"{name}.dlq", 1, 1)], timeout_ms=int(_SECONDS * 1000)
        )
        return name

    yield make
    await admin.close()


@pytest.fixture
def workbench_on(publisher: Publisher) -> Callable[[Pool], Workbench]:
    """Call with a pool: a workbench that publishes to the real broker."""

    def make(pool: Pool) -> Workbench:
        return Workbench(pool, Relay(pool, publisher), Metrics(), seconds=_SECONDS)

    return make


@pytest.fixture
def empty_folder(tmp_path: Path) -> Path:
    """A folder for a worker's state."""
    return tmp_path / "state"
