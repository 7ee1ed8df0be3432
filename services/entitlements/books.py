"""Entitlements' side of the books over HTTP: what was declared, who was considered, what is owed and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException

from schemas.statements import event, in_force
from schemas.values import plain
from services.entitlements.bells import PLANNED
from services.entitlements.catalogue import Catalogue
from services.entitlements.register import Register
from services.entitlements.reports import Step, tell
from services.entitlements.store import SQL
from services.entitlements.story import story
from services.runtime import bell, census
from services.runtime.database import Connection, Pool
from services.runtime.work import Transaction

_CENSUS = "SELECT customer_id AS member, entry_id AS item FROM granted WHERE incident_id = $1"
_LATEST = 20


def mount(app: FastAPI, pool: Pool, catalogue: Catalogue, operator: Any) -> None:
    """Serve the incidents, their books and census, one customer's story, and the repetition of a run."""
    census.mount(app, pool, _CENSUS)
    _mount_policies(app, pool, catalogue)

    @app.get("/incidents")
    async def incidents() -> list[dict[str, Any]]:
        return [dict(row) for row in await pool.fetch(SQL["incidents"], _LATEST)]

    @app.get("/incidents/{incident_id}")
    async def incident(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            known = await connection.fetchrow(SQL["incident"], incident_id)
            if known is None:
                raise HTTPException(404, f"no incident {incident_id}")
            return await _incident(connection, catalogue, known)

    @app.get("/incidents/{incident_id}/books")
    async def books(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            considered = dict(await connection.fetch(SQL["considered"], incident_id))
            granted = await connection.fetchrow(SQL["granted_totals"], incident_id)
            money = await connection.fetch(SQL["granted_money"], incident_id)
            known = await connection.fetchrow(SQL["incident"], incident_id)
            entitled = considered.pop(None, 0)
            return {
                "considered": entitled + sum(considered.values()),
                "entitled": entitled,
                "excluded": sum(considered.values()),
                "exclusions": considered,
                **granted,
                "money": {currency: plain(amount, currency) for currency, amount in money},
                "open_chunks": await connection.fetchval(SQL["open_chunks"], incident_id),
                "drill": known is not None and known["drill"],
            }

    @app.get("/incidents/{incident_id}/audit")
    async def audit(incident_id: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await pool.fetch(SQL["audit"], incident_id)]

    @app.get("/incidents/{incident_id}/customers/{customer_id}")
    async def customer(incident_id: str, customer_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return await story(connection, catalogue, incident_id, customer_id)

    @app.post("/incidents/{incident_id}/runs", dependencies=[operator])
    async def run_again(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction():
            register = Register(connection)
            if await register.hold(incident_id) is None:
                raise HTTPException(404, f"no incident {incident_id}")
            run = await register.plan(incident_id)
            if run is None:
                raise HTTPException(409, f"incident {incident_id} waits for its first revision: declare it")
            told = {"revision": run.revision, "run": run.run}
            await tell(Transaction(connection), incident_id, Step("rerun", told, "operator"))
            await bell.ring(connection, PLANNED)
        return {"incident_id": incident_id, **told}


def _mount_policies(app: FastAPI, pool: Pool, catalogue: Catalogue) -> None:
    @app.get("/policies")
    async def known_policies() -> list[str]:
        return [row["policy"] for row in await pool.fetch(SQL["policies"])]

    @app.get("/policies/{key}")
    async def policy(key: str) -> dict[str, Any]:
        async with pool.acquire() as connection:
            row = await catalogue.published(connection, key)
        if row is None:
            raise HTTPException(404, f"no policy {key}")
        return dict(row)


async def _incident(connection: Connection, catalogue: Catalogue, known: Mapping[str, Any]) -> dict[str, Any]:
    """An incident as people and programs want to see it: what is in force, and how far its last run has come."""
    declared = await connection.fetch(SQL["declarations"], known["incident_id"])
    events = [event(row["type"], row["body"]) for row in declared]
    statements = in_force(events)
    told: dict[str, Any] = {
        "incident_id": known["incident_id"],
        "revision": known["revision"],
        "declared": max((said.revision for said in events), default=0),
        "waits_for": len(statements) + 1 if known["held"] else None,
        "drill": known["drill"],
        "paused": known["paused"],
        "run": known["run"],
        "state": _state(known),
        "gate": known["gate"],
        "reason": known["reason"],
        "customers": known["customers"] or 0,
        "spent": known["spent"],
        "allowed": known["allowed"],
        "plan": _plan(known),
        "made_at": known["made_at"],
        "done_at": known["done_at"],
        "go_on_at": known["go_on_at"],
        "audit": {"entries": known["entries"], "head": known["head"]},
        **_said(declared),
    }
    if statements:
        statement = statements[-1]
        policy = await catalogue.named(connection, statement.policy)
        told |= {
            "title": statement.title,
            "policy": statement.policy,
            "letters": list(policy.letters),
            "retracted": statement.retracted,
            "impact": statement.impact.model_dump(mode="json"),
            "scope": statement.scope.model_dump(mode="json"),
            "declared_by": sorted({one.declared_by for one in statements}),
            "declared_at": statement.declared_at,
        }
    return told


def _state(known: Mapping[str, Any]) -> str:
    """Where the incident is: what stands in the way counts before where its run is."""
    if known["held"]:
        return "held"
    if known["paused"] and known["state"] not in ("done", "superseded"):
        return "paused"
    return known["state"] or "held"


def _plan(known: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a person may approve, or has approved."""
    if known["hash"] is None:
        return None
    return {
        "hash": known["hash"],
        "gate": known["gate"],
        "forecast": known["forecast"],
        "made_at": known["made_at"],
        "expires_at": known["expires_at"],
    }


def _said(declared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last statement, word for word, and every revision that was heard."""
    whole = [row for row in declared if row["type"] in ("incident.declared.v1", "incident.amended.v1")]
    return {
        "body": whole[-1]["body"] if whole else None,
        "revisions": [
            {"revision": row["revision"], "type": row["type"], "body": row["body"], "received_at": row["received_at"]}
            for row in declared
        ],
    }
