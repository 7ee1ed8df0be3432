"""What the database itself does not let happen, whoever writes to it, and what the sums find when somebody has."""

from __future__ import annotations

import asyncpg
import pytest

from services.billing.store import SQL
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.billing.case import CONTRACTS, EVENTS
from tests.integration.billing.world import granted, hold, read, take, tamper, written
from tests.unit.billing.builders import CODES


async def settle(workbench: Workbench) -> None:
    """The case, applied."""
    await hold(workbench.pool, CONTRACTS)
    await take(workbench, read(granted(EVENTS)))


@pytest.mark.parametrize(
    ("attack", "error"),
    [
        ("UPDATE contract SET ends_on = '2030-01-01'", asyncpg.GeneratedAlwaysError),
        ("UPDATE contract SET terminated_on = '2030-01-01'", asyncpg.GeneratedAlwaysError),
        ("UPDATE contract SET extension_days = -1", asyncpg.CheckViolationError),
        ("UPDATE contract SET extension_days = 15 WHERE base_ends_on IS NULL", asyncpg.CheckViolationError),
        ("UPDATE contract SET base_ends_on = NULL WHERE extension_days > 0", asyncpg.CheckViolationError),
        ("UPDATE contract SET currency = NULL", asyncpg.CheckViolationError),
        ("UPDATE contract SET customer_id = NULL", asyncpg.NotNullViolationError),
        ("INSERT INTO contract SELECT * FROM contract", asyncpg.GeneratedAlwaysError),
        (
            "INSERT INTO contract (contract_id, customer_id, family, product, starts_on)"
            " SELECT contract_id, customer_id, family, product, starts_on FROM contract",
            asyncpg.UniqueViolationError,
        ),
        ("UPDATE entry SET ends_on_after = ends_on_after + 1 WHERE outcome = 'applied' AND kind = 'extension'",
         asyncpg.CheckViolationError),
        ("UPDATE entry SET days = days + 1 WHERE outcome = 'applied' AND kind = 'extension'",
         asyncpg.CheckViolationError),
        ("UPDATE entry SET days = -days, ends_on_after = ends_on_before - days WHERE kind = 'extension'",
         asyncpg.CheckViolationError),
        ("UPDATE entry SET days = 0, ends_on_after = ends_on_before WHERE kind = 'extension'",
         asyncpg.CheckViolationError),
        ("UPDATE entry SET days = NULL WHERE kind = 'extension' AND outcome = 'applied'",
         asyncpg.CheckViolationError),
        ("UPDATE entry SET ends_on_after = NULL WHERE kind = 'extension' AND outcome = 'applied'",
         asyncpg.CheckViolationError),
        ("UPDATE entry SET reason = NULL WHERE outcome = 'refused'", asyncpg.CheckViolationError),
        ("UPDATE entry SET reason = 'expired' WHERE outcome = 'applied'", asyncpg.CheckViolationError),
        ("UPDATE entry SET kind = 'refund'", asyncpg.CheckViolationError),
        ("UPDATE entry SET reverses = entry_id WHERE kind = 'extension'", asyncpg.CheckViolationError),
        ("UPDATE entry SET reverses = entry_id WHERE kind = 'voucher'", asyncpg.CheckViolationError),
        ("UPDATE entry SET amount = -amount WHERE kind = 'credit'", asyncpg.CheckViolationError),
        ("UPDATE entry SET amount = 0 WHERE kind = 'voucher'", asyncpg.CheckViolationError),
        ("UPDATE entry SET currency = NULL WHERE kind = 'voucher'", asyncpg.CheckViolationError),
        ("UPDATE entry SET reverses = entry_id, substitutes = entry_id WHERE kind = 'addon'",
         asyncpg.CheckViolationError),
        ("UPDATE entry SET drill = NULL", asyncpg.NotNullViolationError),
        ("UPDATE entry SET reverses = '00000000-0000-0000-0000-000000000001' WHERE kind = 'addon'"
         " AND outcome = 'applied'", asyncpg.UniqueViolationError),  # taken back twice
        ("INSERT INTO entry SELECT * FROM entry", asyncpg.UniqueViolationError),
        ("UPDATE addon SET renews = true", asyncpg.CheckViolationError),
        ("UPDATE addon SET renews = NULL", asyncpg.NotNullViolationError),
        ("UPDATE addon SET ends_on = starts_on - 1", asyncpg.CheckViolationError),
        ("UPDATE addon SET ends_on = NULL", asyncpg.NotNullViolationError),
        ("INSERT INTO addon SELECT * FROM addon", asyncpg.UniqueViolationError),
        ("UPDATE voucher SET amount = 0", asyncpg.CheckViolationError),
        ("UPDATE voucher SET shipping_cap = -1", asyncpg.CheckViolationError),
        ("UPDATE addon SET addon_id = gen_random_uuid()", asyncpg.CheckViolationError),
        ("UPDATE voucher SET code_hash = NULL", asyncpg.NotNullViolationError),
        ("UPDATE voucher SET code_hash = 'x'", asyncpg.UniqueViolationError),
        ("UPDATE voucher SET voucher_id = gen_random_uuid()", asyncpg.CheckViolationError),
        ("UPDATE voucher SET redeemed_at = now(), voided_at = now()", asyncpg.CheckViolationError),
        ("INSERT INTO voucher SELECT * FROM voucher", asyncpg.UniqueViolationError),
        ("UPDATE credit SET amount = -1", asyncpg.CheckViolationError),
        ("UPDATE credit SET amount = 0", asyncpg.CheckViolationError),
        ("UPDATE credit SET reverses = credit_id", asyncpg.CheckViolationError),
        ("INSERT INTO credit SELECT * FROM credit", asyncpg.UniqueViolationError),
    ],
)  # fmt: skip
async def test_the_database_refuses(workbench: Workbench, pool: Pool, attack: str, error: type[Exception]) -> None:
    await settle(workbench)
    with pytest.raises(error):
        await tamper(pool, attack)


@pytest.mark.parametrize("table", ["entry", "credit"])
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE {0} SET customer_id = 'C-9' WHERE customer_id = 'C-4'",
        "UPDATE {0} SET amount = amount + 1",
        "DELETE FROM {0} WHERE customer_id = 'C-4'",
        "DELETE FROM {0}",
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT ON CONSTRAINT {0}_pkey DO UPDATE SET amount = 1",
    ],
)
async def test_an_entry_is_never_changed_and_never_deleted(
    workbench: Workbench, pool: Pool, table: str, attack: str
) -> None:
    await settle(workbench)
    before = await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
    with pytest.raises(asyncpg.RaiseError, match=f"{table} is append-only"):
        await pool.execute(attack.format(table))
    assert await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") == before


async def test_a_sound_ledger_is_in_balance(workbench: Workbench, pool: Pool) -> None:
    await settle(workbench)
    assert await pool.fetch(SQL["out_of_balance"]) == []


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE contract SET extension_days = extension_days + 1 WHERE contract_id = 'K-1'", ("K-1", 23, 22)),
        ("UPDATE contract SET extension_days = 15 WHERE contract_id = 'K-7'", ("K-7", 15, 0)),
        ("UPDATE contract SET extension_days = 0 WHERE contract_id = 'K-6'", ("K-6", 0, 23)),
        ("DELETE FROM contract WHERE contract_id = 'K-6'", ("K-6", None, 23)),
        ("DELETE FROM entry WHERE contract_id = 'K-1' AND days = 7", ("K-1", 22, 15)),
    ],
)
async def test_the_sums_find_a_contract_that_was_tampered_with(
    workbench: Workbench, pool: Pool, tampering: str, found: tuple[str, int | None, int]
) -> None:
    await settle(workbench)
    await tamper(pool, tampering)
    assert [tuple(row) for row in await pool.fetch(SQL["out_of_balance"])] == [found]


async def test_a_vouchers_code_stands_in_the_outbox_and_nowhere_else(workbench: Workbench, pool: Pool) -> None:
    await settle(workbench)
    codes = [CODES.code(str(entry_id)) for (entry_id,) in await pool.fetch("SELECT entry_id FROM voucher")]
    assert len(codes) == 4
    needles = [way for code in codes for way in (code, code.replace("-", ""))]
    needles += [needle.encode().hex() for needle in needles]
    for (table,) in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        rows = await pool.fetch(f"SELECT row_to_json(t)::text FROM {table} AS t")
        text = "\n".join(row[0] for row in rows).lower()
        assert not [needle for needle in needles if needle.lower() in text], table
    wire = b"".join(record.value or b"" for records in (await written(pool)).values() for record in records)
    assert all(code.encode() in wire for code in codes)
    hashes = {row[0] for row in await pool.fetch("SELECT code_hash FROM voucher")}
    assert hashes == {CODES.hashed(code) for code in codes}
