"""Running totals that move with the effects they count, and the bell that wakes whoever waits, across connections."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from services.runtime import bell, tally
from services.runtime.database import Pool
from services.runtime.work import Transaction
from tests.integration.conftest import Database
from tests.integration.runtime.trial import SECONDS, Trial

LONG = 3_600.0


@pytest.fixture
async def pool(database_of: Database) -> Pool:
    """Any service's database."""
    return await database_of("billing")


async def test_totals_run_on_from_batch_to_batch(pool: Pool) -> None:
    async with pool.acquire() as connection:
        lane = ("incident", "p0")
        assert await tally.add(connection, {lane: {"applied": 3, "refused": 0}}) == {lane: {"applied": 3, "refused": 0}}
        assert await tally.add(connection, {lane: {"applied": 2}}) == {lane: {"applied": 5}}
        assert await tally.totals(connection, "incident") == {"applied": 5, "refused": 0}


async def test_lanes_and_subjects_are_counted_apart_and_a_subjects_lanes_add_up(pool: Pool) -> None:
    async with pool.acquire() as connection:
        counts = {("a", "p0"): {"n": 1}, ("a", "p1"): {"n": 2}, ("b", "p0"): {"n": 4}}
        assert await tally.add(connection, counts) == counts
        assert await tally.totals(connection, "a") == {"n": 3}
        assert await tally.totals(connection, "b") == {"n": 4}
        assert await tally.totals(connection, "c") == {}


async def test_what_is_rolled_back_is_not_counted(pool: Pool) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await tally.add(connection, {("a", "p0"): {"n": 1}})
        await transaction.rollback()
        assert await tally.totals(connection, "a") == {}


async def test_many_who_count_in_one_lane_at_once_lose_nothing(pool: Pool) -> None:
    async def count(number: int) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await tally.add(connection, {("a", "p0"): {"n": number}, ("a", "p1"): {"n": 1}})

    await asyncio.gather(*[count(n) for n in range(20)])
    async with pool.acquire() as connection:
        assert await tally.totals(connection, "a") == {"n": sum(range(20)) + 20}


async def test_two_lanes_do_not_wait_for_each_other(pool: Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other, one.transaction():
        await tally.add(one, {("a", "p0"): {"n": 1}})
        await asyncio.wait_for(tally.add(other, {("a", "p1"): {"n": 1}}), SECONDS / 4)


# ── the bell ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def ring(pool: Pool, name: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await bell.ring(connection, name)


async def test_who_waits_is_woken_from_another_connection(pool: Pool) -> None:
    async with bell.listening(pool, "work", asyncio.Event()) as heard:
        await ring(pool, "work")
        await asyncio.wait_for(heard.wait(LONG), SECONDS)


async def test_a_bell_that_rang_before_the_wait_is_heard_and_only_once(pool: Pool) -> None:
    async with bell.listening(pool, "work", asyncio.Event()) as heard:
        await ring(pool, "work")
        await asyncio.wait_for(heard.wait(LONG), SECONDS)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.wait(LONG), 0.2)


async def test_a_bell_rings_only_when_its_work_is_committed_and_only_for_its_name(trial: Trial) -> None:
    async def fails(transaction: Transaction) -> None:
        await bell.ring(transaction.connection, "work")
        raise ZeroDivisionError

    stop = asyncio.Event()
    async with bell.listening(trial.pool, "work", stop) as heard, bell.listening(trial.pool, "other", stop) as other:
        with pytest.raises(ZeroDivisionError):
            await trial.workbench().run(fails)
        await ring(trial.pool, "other")
        await asyncio.wait_for(other.wait(LONG), SECONDS)  # by now the first would have come
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.wait(LONG), 0.2)


async def test_who_waits_looks_again_after_a_while_though_nothing_rang(pool: Pool) -> None:
    async with bell.listening(pool, "work", asyncio.Event()) as heard:
        await asyncio.wait_for(heard.wait(0.01), SECONDS)


async def test_who_waits_is_woken_when_the_service_stops(pool: Pool) -> None:
    stop = asyncio.Event()
    async with bell.listening(pool, "work", stop) as heard:
        stop.set()
        await asyncio.wait_for(heard.wait(LONG), SECONDS)


async def test_a_listener_gives_its_connection_back_in_silence(pool: Pool) -> None:
    """Whoever gets the connection next does not listen."""
    for _ in range(3):
        async with bell.listening(pool, "work", asyncio.Event()):
            pass
    assert await pool.fetchval("SELECT count(*) FROM pg_listening_channels()") == 0


async def test_a_listener_whose_connection_is_lost_ends_in_peace(pool: Pool) -> None:
    async with bell.listening(pool, "work", asyncio.Event()):
        cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%' AND pid <> $1"
        async with pool.acquire() as connection:
            assert await connection.fetchval(cut, connection.get_server_pid())
    with pytest.raises(asyncpg.UndefinedTableError):  # and the pool works
        await pool.execute("SELECT 1 FROM nothing")
