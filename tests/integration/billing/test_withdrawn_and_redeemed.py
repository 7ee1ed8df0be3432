"""A voucher that is redeemed and withdrawn in the same moment: one of the two has it, and the ledger says which."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from services.billing.store import SQL, Store
from services.runtime.database import Pool
from services.runtime.errors import Conflict
from services.runtime.work import Transaction, Workbench
from tests.integration.billing.test_two_at_once import until_somebody_waits
from tests.integration.billing.world import HANDLERS, come, granted, read, reversals
from tests.unit.billing.builders import CODES, event, reversal, voucher, withdrawal, withdrawn

JUNE = datetime(2011, 6, 1, 12, 0, tzinfo=UTC)


async def redeem(pool: Pool) -> Any:
    return await pool.fetchval(SQL["redeem_voucher"], CODES.hashed(CODES.code(voucher().entry_id)), JUNE, "UTC")


async def test_a_redemption_that_comes_first_keeps_the_voucher(workbench: Workbench, pool: Pool) -> None:
    await come(workbench, event(voucher()))
    async with pool.acquire() as merchant:
        transaction = merchant.transaction()
        await transaction.start()
        assert await redeem(merchant)
        taking = asyncio.create_task(come(workbench, withdrawn(withdrawal(voucher()))))
        await until_somebody_waits(pool)
        await transaction.commit()
    await taking
    (told,) = await reversals(pool)
    assert [one.reason for one in told.reversals] == ["redeemed"]
    assert tuple(await pool.fetchrow("SELECT redeemed_at, voided_at FROM voucher")) == (JUNE, None)
    assert await pool.fetchval("SELECT sum(amount) FROM entry WHERE outcome = 'applied'") == 5


async def test_a_withdrawal_that_comes_first_leaves_nothing_to_redeem(workbench: Workbench, pool: Pool) -> None:
    await come(workbench, event(voucher()))
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await HANDLERS.entitlements(read(granted([withdrawn(withdrawal(voucher()))])), Transaction(connection))
        merchant = asyncio.create_task(redeem(pool))
        await until_somebody_waits(pool)
        await transaction.commit()
    assert await merchant is None
    assert await pool.fetchval("SELECT redeemed_at FROM voucher") is None
    assert await pool.fetchval("SELECT voided_at FROM voucher") is not None


async def test_a_redemption_that_gives_up_leaves_the_voucher_to_the_withdrawal(
    workbench: Workbench, pool: Pool
) -> None:
    await come(workbench, event(voucher()))
    async with pool.acquire() as merchant:
        transaction = merchant.transaction()
        await transaction.start()
        assert await redeem(merchant)
        taking = asyncio.create_task(come(workbench, withdrawn(withdrawal(voucher()))))
        await until_somebody_waits(pool)
        await transaction.rollback()
    await taking
    (told,) = await reversals(pool)
    assert [one.outcome for one in told.reversals] == ["applied"]
    assert await redeem(pool) is None


@pytest.mark.parametrize(
    "meanwhile",
    ["UPDATE voucher SET redeemed_at = now()", "UPDATE voucher SET voided_at = now()", "TRUNCATE voucher"],
)
async def test_what_was_decided_of_a_voucher_that_is_another_by_now_is_decided_anew(
    workbench: Workbench, pool: Pool, meanwhile: str
) -> None:
    """Whoever decided without the lock would be found out by the conditional UPDATE."""
    await come(workbench, event(voucher()))
    entry, _ = reversal(event(voucher()), withdrawn(withdrawal(voucher())))
    await pool.execute(meanwhile)
    async with pool.acquire() as connection:
        with pytest.raises(Conflict):
            async with connection.transaction():
                await Store(connection).record([entry])
    assert await pool.fetchval("SELECT count(*) FROM entry") == 1
