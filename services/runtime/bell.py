"""Waking a task when there is work for it, across processes: PostgreSQL's NOTIFY, rung within a transaction.

A bell may be missed (a connection that was lost); whoever waits looks again after a while anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from services.runtime.database import Connection, Pool


async def ring(connection: Connection, name: str) -> None:
    """Wake whoever waits for `name`, once the transaction is committed."""
    await connection.execute("SELECT pg_notify($1, '')", name)


class Bell:
    """What a waiting task holds."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when the bell has rung since the last wait, or after so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        self._rung.clear()

    def hear(self, *_: object) -> None:
        """The bell rings."""
        self._rung.set()


@asynccontextmanager
async def listening(pool: Pool, *names: str) -> AsyncIterator[Bell]:
    """A bell that hears these names, on a connection of its own for as long."""
    bell = Bell()
    async with pool.acquire() as connection:
        for name in names:
            await connection.add_listener(name, bell.hear)
        try:
            yield bell
        finally:
            with suppress(Exception):  # a lost connection has no listeners to remove
                for name in names:
                    await connection.remove_listener(name, bell.hear)
