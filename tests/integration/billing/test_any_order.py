"""Any order and any repetition of what was granted and withdrawn, in any batches: the same ledger, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.billing.domain import Contract
from services.billing.store import SQL
from services.runtime.database import Pool
from services.runtime.work import Transaction
from tests.integration.billing.world import HANDLERS, granted, hold, read
from tests.unit.billing.strategies import Event, contracts, cut, lives

_TABLES = ("contract", "entry", "addon", "voucher", "credit", "held_withdrawal", "tally")
_DEPENDS = {"entry": ("recorded_at", "ends_on_before", "ends_on_after"), "credit": ("booked_at",)}
"""What says when something came, and from which date to which it moved a contract then."""


async def ledger_after(
    pool: Pool, held: dict[str, Contract], batches: Sequence[Sequence[Event]]
) -> dict[str, list[dict[str, Any]]]:
    """All of billing's tables, byte for byte as PostgreSQL tells them, after these batches over these contracts."""
    await pool.execute(f"TRUNCATE {', '.join(_TABLES)}")
    await hold(pool, held.values())
    async with pool.acquire() as connection:
        for batch in batches:
            if batch:
                async with connection.transaction():
                    await HANDLERS.entitlements(read(granted(batch)), Transaction(connection))
        assert await connection.fetch(SQL["out_of_balance"]) == []
        found = {}
        for table in (name for name in _TABLES if name != "tally"):
            rows = [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3")]
            found[table] = [{k: v for k, v in row.items() if k not in _DEPENDS.get(table, ())} for row in rows]
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=contracts, events=lives(), data=st.data())
async def test_any_order_and_any_repetition_give_the_same_ledger(
    pool: Pool, held: dict[str, Contract], events: list[Event], data: st.DataObject
) -> None:
    plain = await ledger_after(pool, held, [[one] for one in events])
    shuffled = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=6))]))
    otherwise = await ledger_after(pool, held, cut(shuffled, data.draw(st.lists(st.integers(1, 5), max_size=4))))
    for table, rows in plain.items():
        assert otherwise[table] == rows, table
    assert plain["held_withdrawal"] == []
