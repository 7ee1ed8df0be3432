"""Billing's side of the books over HTTP: what was applied and refused, what it is worth, is the ledger sound."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fastapi import FastAPI

from schemas import topics
from schemas.values import plain
from services.billing.store import SQL
from services.runtime import census
from services.runtime.database import Pool

_CENSUS = "SELECT customer_id AS member, entry_id AS item FROM entry WHERE incident_id = $1"


def mount(app: FastAPI, pool: Pool) -> None:
    """Serve billing's books, its census, and one customer's part of them."""
    census.mount(app, pool, _CENSUS)

    @app.get("/incidents/{incident_id}/books")
    async def books(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            numbers = await connection.fetchrow(SQL["books"], incident_id)
            effects = await connection.fetchrow(SQL["effects"], incident_id)
            return {
                **numbers,
                "refusals": dict(await connection.fetch(SQL["refusals"], incident_id)),
                "liability": {c: plain(a, c) for c, a in await connection.fetch(SQL["liability"], incident_id)},
                "unsound": [
                    *[_out_of_balance(*row) for row in await connection.fetch(SQL["out_of_balance"])],
                    *_missing_effects(effects),
                ],
                "quarantined": [row[0] for row in await connection.fetch(SQL["quarantined"], topics.ENTITLEMENTS)],
            }

    @app.get("/incidents/{incident_id}/customers/{customer_id}")
    async def customer(incident_id: str, customer_id: str) -> dict[str, Any]:
        entries = await pool.fetch(SQL["customer_entries"], incident_id, customer_id)
        vouchers = await pool.fetch(SQL["customer_vouchers"], incident_id, customer_id)
        return {"entries": [_told(row) for row in entries], "vouchers": [_told(row) for row in vouchers]}


def _told(row: Any) -> dict[str, Any]:
    """A row as JSON can tell it: money with its currency's decimals."""
    return {k: plain(v, row["currency"]) if isinstance(v, Decimal) else v for k, v in row.items()}


def _out_of_balance(contract_id: str, days: int | None, ledger_days: int) -> str:
    return f"contract {contract_id}: extended by {days} days, its ledger says {ledger_days}"


def _missing_effects(effects: Any) -> list[str]:
    """What the ledger says was issued and is not there, or the other way round."""
    return [
        f"{effects[plural]} {plural}, the ledger says {effects[f'{singular}_entries']}"
        for singular, plural in (("addon", "addons"), ("voucher", "vouchers"), ("credit", "credits"))
        if effects[plural] != effects[f"{singular}_entries"]
    ]
