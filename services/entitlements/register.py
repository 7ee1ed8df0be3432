"""The register of incidents: what was declared of each, what is in force, which run is where.

Works within the transaction of its connection. Locks are taken in one order everywhere: chunks, the incident, the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.events import IncidentApproved
from schemas.statements import IncidentEvent, Statement, event, in_force
from services.entitlements.forecast import Forecast
from services.entitlements.store import SQL, Run, identity
from services.runtime.database import Connection


class Register:
    """Reads and writes within the transaction of its connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    # ── incidents and their revisions ─────────────────────────────────────────────────────────────────────────────

    async def meet(self, incident_id: str, drill: bool) -> Mapping[str, Any]:
        """An incident, made known if it was not, held until the transaction ends; nobody decides about it meanwhile."""
        await self.connection.execute(SQL["meet_incident"], incident_id, drill)
        await self.connection.fetch(SQL["hold_open_chunks"], incident_id)
        held: Mapping[str, Any] = await self.connection.fetchrow(SQL["hold_incident"], incident_id)
        return held

    async def hold(self, incident_id: str) -> Mapping[str, Any] | None:
        """An incident held until the transaction ends; None when nobody declared it."""
        held: Mapping[str, Any] | None = await self.connection.fetchrow(SQL["hold_incident"], incident_id)
        return held

    async def declare(self, said: IncidentEvent, event_type: str, digest: str, body: Mapping[str, Any]) -> str | None:
        """Keep what was declared for a revision; None when it is new, else the digest of what was said first."""
        identity = (said.incident_id, said.revision)
        if await self.connection.fetchval(SQL["declare"], *identity, digest, body, event_type):
            return None
        first: str = await self.connection.fetchval(SQL["declared_digest"], *identity)
        return first

    async def events(self, incident_id: str) -> dict[int, IncidentEvent]:
        """What was declared of an incident, by revision."""
        rows = await self.connection.fetch(SQL["declarations"], incident_id)
        return {row["revision"]: event(row["type"], row["body"]) for row in rows}

    async def statements(self, incident_id: str, revision: int | None = None) -> list[Statement]:
        """The statements in force, up to a revision."""
        events = await self.events(incident_id)
        return in_force(said for number, said in events.items() if revision is None or number <= revision)

    async def drop(self, incident_id: str, revision: int) -> None:
        """Forget a revision that turned out to be impossible."""
        await self.connection.execute(SQL["drop_declaration"], incident_id, revision)

    async def put_in_force(self, statement: Statement, held: bool) -> None:
        """The incident is by now what this statement says; `held`: a later revision waits for one that has not come."""
        await self.connection.execute(
            SQL["put_in_force"], statement.incident_id, statement.revision, held, statement.drill
        )

    async def hold_back(self, incident_id: str) -> None:
        """A revision waits for one that has not come, and none is in force yet."""
        await self.connection.execute(SQL["hold_back"], incident_id)

    async def kin(self, statement: Statement) -> list[Statement]:
        """Other incidents under any version of the same policy, as they are in force; drills among drills."""
        name = statement.policy.partition("@")[0]
        rows = await self.connection.fetch(SQL["kin"], statement.incident_id, name, statement.drill)
        return [in_force(event(*said) for said in events)[-1] for _, _, events in rows]

    # ── plans ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def plan(self, incident_id: str) -> Run | None:
        """Plan the next run of the revision in force; None when there is none."""
        row = await self.connection.fetchrow(SQL["new_plan"], incident_id)
        return row and Run(incident_id, row["revision"], row["run"])

    async def supersede(self, statement: Statement) -> list[Run]:
        """End the runs of earlier revisions; what they have not decided is decided by the one that follows."""
        reason = f"revision {statement.revision} is in force"
        rows = await self.connection.fetch(SQL["supersede"], statement.incident_id, statement.revision, reason)
        await self.connection.execute(SQL["drop_open_chunks"], statement.incident_id, statement.revision)
        return [Run(statement.incident_id, *row) for row in rows]

    async def hold_plan(self, run: Run) -> Mapping[str, Any]:
        """A plan, held until the transaction ends."""
        row: Mapping[str, Any] = await self.connection.fetchrow(SQL["hold_plan"], *identity(run))
        return row

    async def at_a_gate(self, incident_id: str) -> Mapping[str, Any] | None:
        """The plan that waits for a person, held until the transaction ends."""
        row: Mapping[str, Any] | None = await self.connection.fetchrow(SQL["plan_at_a_gate"], incident_id)
        return row

    async def move(
        self,
        run: Run,
        state: str,
        *,
        gate: str | None = None,
        plan: str | None = None,
        reason: str | None = None,
        valid_for: timedelta | None = None,
    ) -> None:
        """Bring a plan to another state; at a `gate`, `plan` is the hash that may be approved for so long."""
        await self.connection.execute(SQL["move_plan"], *identity(run), state, gate, plan, reason, valid_for)

    async def foreseen(self, run: Run) -> Forecast:
        """What a run's open chunks will come to."""
        rows = await self.connection.fetch(SQL["forecasts"], *identity(run))
        return sum((Forecast.from_json(forecast) for (forecast,) in rows), Forecast())

    async def allow(self, run: Run, allowed: Mapping[str, str] | None) -> None:
        """What the incident may come to under this plan, by currency; None: there is no limit."""
        await self.connection.execute(SQL["allow"], *identity(run), allowed)

    # ── people ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def order(self, incident_id: str, paused: bool, at: datetime, event_id: str) -> bool:
        """Pause or resume; False when a later order was given already."""
        return bool(await self.connection.fetchval(SQL["order"], incident_id, paused, at, event_id))

    async def was_approved(self, incident_id: str, event_id: str) -> bool:
        """Whether this very approval was heard before."""
        return bool(await self.connection.fetchval(SQL["was_approved"], incident_id, event_id))

    async def approve(self, approval: IncidentApproved, event_id: str) -> None:
        """Keep who answers for a plan."""
        await self.connection.execute(
            SQL["approve"],
            approval.incident_id,
            approval.plan,
            approval.approved_by,
            approval.approved_at,
            event_id,
        )
