"""Crashes in the middle of a batch: the connection is cut before each of its statements in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.runtime.database import Pool
from services.runtime.envelope import Message
from services.runtime.work import Transaction, Workbench
from tests.integration.billing.world import HANDLERS, books_of


class CrashError(Exception):
    """The process dies here."""


class Interrupted:
    """A connection that is cut before one of its statements."""

    STATEMENTS = frozenset({"fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table"})

    def __init__(self, connection: Any, statements: int) -> None:
        self._connection, self._left = connection, statements

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)
        if name not in self.STATEMENTS:
            return method

        async def statement(*arguments: Any, **named: Any) -> Any:
            if self._left == 0:
                raise CrashError
            self._left -= 1
            return await method(*arguments, **named)

        return statement


async def cut_before_each_statement(workbench: Workbench, pool: Pool, batch: Sequence[Message]) -> int:
    """Take a batch in once it is cut nowhere, and find the books untouched by each try before; how many there were."""
    before = await books_of(pool)
    for statements in range(100):

        async def work(transaction: Transaction, statements: int = statements) -> None:
            transaction.connection = Interrupted(transaction.connection, statements)
            await HANDLERS.entitlements(batch, transaction)

        try:
            await workbench.run(work)
        except CrashError:
            assert await books_of(pool) == before
            continue
        return statements
    raise AssertionError("a batch has fewer statements than that")
