"""A worker that dies before a step that the test chooses: a statement, or what the workbench does between two."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.runtime.database import Pool
from services.runtime.work import Workbench

STATEMENTS = ("fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table")


class Death(BaseException):
    """The worker's end."""


class Mortal:
    """Counts the steps of a piece of work, statements and the workbench's own, and dies before one of them."""

    def __init__(self, dies_before: int) -> None:
        self.steps = 0
        self._dies_before = dies_before

    def live(self) -> None:
        self.steps += 1
        if self.steps > self._dies_before:
            raise Death

    async def step(self, _: str) -> None:
        self.live()

    def workbench(self, like: Workbench) -> Workbench:
        """A workbench like this one, at which every statement and every step between them is one of his."""
        return Workbench(MortalPool(like.pool, self), like.relay, like.metrics, seconds=20, step=self.step)


class MortalPool:
    """A pool whose connections' statements are the mortal's steps."""

    def __init__(self, pool: Pool, mortal: Mortal) -> None:
        self._pool, self._mortal = pool, mortal

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as connection:
            yield MortalConnection(connection, self._mortal)


class MortalConnection:
    """A connection whose statements are the mortal's steps."""

    def __init__(self, connection: Any, mortal: Mortal) -> None:
        self._connection, self._mortal = connection, mortal

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._connection, name)
        if name not in STATEMENTS:
            return real

        async def counted(*arguments: Any, **named: Any) -> Any:
            self._mortal.live()
            return await real(*arguments, **named)

        return counted
