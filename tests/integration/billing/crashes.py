"""Crashes in the middle of a batch: the connection is cut before each of its statements in turn."""

from __future__ import annotations

from collections.abc import Sequence

from services.runtime.database import Pool
from services.runtime.envelope import Message
from services.runtime.work import Transaction, Workbench
from tests.integration.billing.world import HANDLERS, books_of
from tests.integration.mortal import Death, Mortal, MortalConnection


async def cut_before_each_statement(workbench: Workbench, pool: Pool, batch: Sequence[Message]) -> int:
    """Take a batch in once it is cut nowhere, and find the books untouched by each try before; how many there were."""
    before = await books_of(pool)
    for statements in range(100):

        async def work(transaction: Transaction, statements: int = statements) -> None:
            transaction.connection = MortalConnection(transaction.connection, Mortal(dies_before=statements))
            await HANDLERS.entitlements(batch, transaction)

        try:
            await workbench.run(work)
        except Death:
            assert await books_of(pool) == before
            continue
        return statements
    raise AssertionError("a batch has fewer statements than that")
