"""Entitlements' side of the books over HTTP: who was considered, what is owed, and why, for anyone who asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fastapi import FastAPI, HTTPException

from schemas.events import IncidentDeclared
from schemas.values import plain
from services.entitlements.domain import PriorGrant
from services.entitlements.explain import explain
from services.entitlements.facts import kept, kept_contract
from services.entitlements.handlers import PLANNED
from services.entitlements.policy import Policies
from services.entitlements.prepared import prepare
from services.entitlements.store import SQL, Store
from services.runtime import bell, census
from services.runtime.database import Connection, Pool

_CENSUS = "SELECT customer_id AS member, entry_id AS item FROM granted WHERE incident_id = $1"
_LATEST = 20


def mount(app: FastAPI, pool: Pool, policies: Policies, operator: Any) -> None:
    """Serve the incidents, their books and census, one customer's story, and the repetition of a run."""
    census.mount(app, pool, _CENSUS)

    @app.get("/policies")
    async def known_policies() -> list[str]:
        return sorted(policies)

    @app.get("/incidents")
    async def incidents() -> list[dict[str, Any]]:
        return [dict(row) for row in await pool.fetch(SQL["incidents"], _LATEST)]

    @app.get("/incidents/{incident_id}")
    async def incident(incident_id: str) -> dict[str, Any]:
        known = await pool.fetchrow(SQL["incident"], incident_id)
        if known is None:
            raise HTTPException(404, f"no incident {incident_id}")
        return dict(known)

    @app.get("/incidents/{incident_id}/books")
    async def books(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            considered = dict(await connection.fetch(SQL["considered"], incident_id))
            granted = await connection.fetchrow(SQL["granted_totals"], incident_id)
            entitled = considered.pop(None, 0)
            return {
                "considered": entitled + sum(considered.values()),
                "entitled": entitled,
                "excluded": sum(considered.values()),
                "exclusions": considered,
                "remedies": granted["remedies"],
                "days": granted["days"],
                "open_chunks": await connection.fetchval(SQL["open_chunks"], incident_id),
            }

    @app.get("/incidents/{incident_id}/customers/{customer_id}")
    async def customer(incident_id: str, customer_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return await _story(connection, policies, incident_id, customer_id)

    @app.post("/incidents/{incident_id}/runs", dependencies=[operator])
    async def run_again(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction():
            run = await Store(connection).plan(incident_id)
            if run is None:
                raise HTTPException(404, f"no incident {incident_id}")
            await bell.ring(connection, PLANNED)
        return {"incident_id": run.incident_id, "revision": run.revision, "run": run.run}


async def _story(connection: Connection, policies: Policies, incident_id: str, customer_id: str) -> dict[str, Any]:
    """What each run decided for a customer and why, from the facts as they were; reproducible at any time."""
    considered = await connection.fetchrow(SQL["consideration_of_customer"], incident_id, customer_id)
    grants = await connection.fetch(SQL["grants_of_customer"], incident_id, customer_id)
    runs = []
    for row in await connection.fetch(SQL["facts_of_customer"], incident_id, customer_id):
        incident = IncidentDeclared.model_validate(
            await connection.fetchval(SQL["declaration"], incident_id, row["revision"]), strict=False
        )
        facts = kept(row["facts"], customer_id)
        before = [grant for grant in grants if (grant["revision"], grant["run"]) < (row["revision"], row["run"])]
        prior = [PriorGrant(g["grant_id"], g["rule"], g["target"], g["choice"]) for g in before]
        prepared = prepare(policies.named(incident.policy), incident)
        decision = explain(prepared, customer_id, [kept_contract(fact) for fact in facts], prior)
        runs.append(
            {
                "revision": row["revision"],
                "run": row["run"],
                "policy": incident.policy,
                "facts": facts,
                "verdicts": [
                    {"rule": v.rule, "target": v.target, "granted": v.granted, "why": v.why, "sentence": v.sentence()}
                    for v in decision.verdicts
                ],
            }
        )
    return {
        "considered": considered is not None,
        "exclusion": considered and considered["exclusion"],
        "grants": [_told(grant) for grant in grants],
        "runs": runs,
    }


def _told(grant: Any) -> dict[str, Any]:
    """A grant's row as JSON can tell it: money with its currency's decimals."""
    return {k: plain(v, grant["currency"]) if isinstance(v, Decimal) else v for k, v in grant.items()}
