"""Migrations: each once, in order, in a transaction of its own; what was applied is never changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.runtime import database
from services.runtime.database import Pool
from services.runtime.errors import AmendsError
from tests.integration.conftest import Database


@pytest.fixture
async def pool(database_of: Database) -> AsyncIterator[Pool]:
    """A database in which nothing is left of these migrations afterwards."""
    pool = await database_of("billing")
    yield pool
    await pool.execute("DROP TABLE IF EXISTS apple, pear; DELETE FROM migration WHERE name LIKE 'orchard/%'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations of a service that is called orchard."""
    folder = tmp_path / "orchard" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_apple.sql").write_text("CREATE TABLE apple (n integer); INSERT INTO apple VALUES (1);")
    (folder / "0002_more.sql").write_text("INSERT INTO apple SELECT n + 1 FROM apple;")
    return folder


async def migrate(pool: Pool, folder: Path) -> list[str]:
    """Apply what is missing; returns what that was."""
    steps: list[str] = []
    async with pool.acquire() as connection:
        await database.migrate(connection, [folder], steps.append)
    return steps


async def apples(pool: Pool) -> list[int]:
    return [row[0] for row in await pool.fetch("SELECT n FROM apple ORDER BY n")]


async def test_each_is_applied_once_and_in_order(pool: Pool, folder: Path) -> None:
    assert await migrate(pool, folder) == ["orchard/0001_apple.sql", "orchard/0002_more.sql"]
    assert await migrate(pool, folder) == []
    assert await apples(pool) == [1, 2]


async def test_a_later_one_is_applied_alone(pool: Pool, folder: Path) -> None:
    await migrate(pool, folder)
    (folder / "0003_pear.sql").write_text("CREATE TABLE pear (n integer)")
    assert await migrate(pool, folder) == ["orchard/0003_pear.sql"]


async def test_one_that_was_changed_after_it_had_been_applied_is_refused(pool: Pool, folder: Path) -> None:
    await migrate(pool, folder)
    (folder / "0001_apple.sql").write_text("CREATE TABLE apple (n bigint)")
    (folder / "0003_pear.sql").write_text("CREATE TABLE pear (n integer)")
    with pytest.raises(AmendsError, match=r"orchard/0001_apple\.sql was changed after it had been applied"):
        await migrate(pool, folder)
    assert await pool.fetchval("SELECT to_regclass('pear')") is None


async def test_two_at_once_apply_each_once(pool: Pool, folder: Path) -> None:
    (folder / "0001_apple.sql").write_text(
        "CREATE TABLE apple (n integer); INSERT INTO apple SELECT 1 FROM pg_sleep(0.2)"
    )
    first, second = await asyncio.gather(migrate(pool, folder), migrate(pool, folder))
    assert sorted([*first, *second]) == ["orchard/0001_apple.sql", "orchard/0002_more.sql"]
    assert await apples(pool) == [1, 2]


async def test_one_that_fails_leaves_nothing_of_itself_and_can_be_mended(pool: Pool, folder: Path) -> None:
    more = folder / "0002_more.sql"
    good = more.read_text()
    more.write_text(f"{good} SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(pool, folder)
    assert await apples(pool) == [1]
    more.write_text(good)
    assert await migrate(pool, folder) == ["orchard/0002_more.sql"]
    assert await apples(pool) == [1, 2]


async def test_one_that_cannot_be_noted_is_not_applied(pool: Pool, folder: Path) -> None:
    (folder / "0002_more.sql").write_text(
        "INSERT INTO apple VALUES (2); INSERT INTO migration (name, digest) VALUES ('orchard/0002_more.sql', 'taken')"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(pool, folder)
    assert await apples(pool) == [1]
