"""Waking a task when there is work for it, across processes: PostgreSQL's NOTIFY, rung within a transaction.

A bell may be missed (a connection that was lost); whoever waits looks again after a while anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from services.runtime.database import Connection, Pool


async def ring(connection: Connection, name: str) -> None:
    """Wake whoever waits for `name`, once the transaction is committed."""
    await connection.execute("SELECT pg_notify($1, '')", name)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait so many seconds, or until the event."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


class Bell:
    """What a waiting task holds."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when the bell has rung since the last wait, or after so many seconds."""
        await wait(self._rung, seconds)
        self._rung.clear()

    def hear(self, *_: object) -> None:
        """The bell rings."""
        self._rung.set()


@asynccontextmanager
async def listening(pool: Pool, name: str, stop: asyncio.Event) -> AsyncIterator[Bell]:
    """A bell that hears this name, on a connection of its own for as long; it rings at `stop` too."""
    bell = Bell()
    stopping = asyncio.ensure_future(stop.wait())
    stopping.add_done_callback(bell.hear)
    try:
        async with pool.acquire() as connection:
            await connection.add_listener(name, bell.hear)
            try:
                yield bell
            finally:
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # a lost connection has none
                    await connection.remove_listener(name, bell.hear)
    finally:
        stopping.cancel()
