"""Billing's side of the books over HTTP: what was applied and refused, what it is worth, is the ledger sound."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson
from fastapi import FastAPI

from schemas import topics
from schemas.values import plain
from services.billing.store import SQL
from services.runtime import census, quarantine
from services.runtime.database import Connection, Pool

_CENSUS = "SELECT customer_id AS member, entry_id AS item FROM entry WHERE incident_id = $1 AND substitutes IS NULL"
"""What entitlements has a row for too: what was granted and what was withdrawn, and not what took a remedy's place."""


def mount(app: FastAPI, pool: Pool) -> None:
    """Serve billing's books, its census, one customer's part of them, and his account."""
    census.mount(app, pool, _CENSUS)

    @app.get("/incidents/{incident_id}/books")
    async def books(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return await _books(connection, incident_id)

    @app.get("/incidents/{incident_id}/customers/{customer_id}")
    async def customer(incident_id: str, customer_id: str) -> dict[str, Any]:
        entries = await pool.fetch(SQL["customer_entries"], incident_id, customer_id)
        vouchers = await pool.fetch(SQL["customer_vouchers"], incident_id, customer_id)
        return {"entries": [_told(row) for row in entries], "vouchers": [_told(row) for row in vouchers]}

    @app.get("/customers/{customer_id}/account")
    async def account(customer_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            balances = await connection.fetch(SQL["balances"], customer_id)
            entries = await connection.fetch(SQL["account"], customer_id)
        return {"balances": _amounts(balances), "entries": [_told(row) for row in entries]}


async def _books(connection: Connection, incident_id: str) -> dict[str, Any]:
    numbers = await connection.fetchrow(SQL["books"], incident_id)
    effects = await connection.fetchrow(SQL["effects"], incident_id)
    stands = dict(await connection.fetch(SQL["reversals"], incident_id))
    not_applied = await quarantine.standing(connection, [topics.ENTITLEMENTS], orjson.dumps(incident_id))
    return {
        **numbers,
        "reversals": {"applied": stands.pop(None, 0), "refused": stands},
        "refusals": dict(await connection.fetch(SQL["refusals"], incident_id)),
        "liability": _amounts(await connection.fetch(SQL["liability"], incident_id)),
        "unsound": [
            *[_out_of_balance(*row) for row in await connection.fetch(SQL["out_of_balance"])],
            *_missing_effects(effects),
            *[_unbalanced(*row) for row in await connection.fetch(SQL["unbalanced_accounts"], incident_id)],
        ],
        "held": await connection.fetchval(SQL["held_of_incident"], incident_id),
        "quarantined": not_applied.waiting,
        "dropped": not_applied.dropped,
    }


def _told(row: Any) -> dict[str, Any]:
    """A row as JSON can tell it: money with its currency's decimals."""
    return {k: plain(v, row["currency"]) if isinstance(v, Decimal) else v for k, v in row.items()}


def _amounts(rows: Iterable[tuple[str, Decimal]]) -> dict[str, str]:
    return {currency: plain(amount, currency) for currency, amount in rows}


def _out_of_balance(contract_id: str, days: int | None, ledger_days: int) -> str:
    return f"contract {contract_id}: extended by {days} days, its ledger says {ledger_days}"


def _unbalanced(customer_id: str, currency: str, booked: Decimal, ledger: Decimal) -> str:
    return (
        f"customer {customer_id}: {plain(booked, currency)} {currency} on the account, "
        f"the ledger says {plain(ledger, currency)}"
    )


def _missing_effects(effects: Any) -> list[str]:
    """What the ledger says was issued or taken back and is not there, or the other way round."""
    return [
        f"{effects[name]} {name.replace('_', ' ')}, the ledger says {effects[f'{name}_entries']}"
        for name in ("addons", "withdrawn_addons", "vouchers", "void_vouchers", "credits")
        if effects[name] != effects[f"{name}_entries"]
    ]
