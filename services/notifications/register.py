"""The register of incidents: what was said of each, what is in force, who has paused it, and the policies.

Works within the transaction of its connection; the statements themselves are in `queries.sql`. Leaves the letters to
`store`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile

import structlog

from schemas.events import IncidentDeclared, IncidentPaused, IncidentResumed, PolicyPublished
from schemas.statements import REVISIONS, IncidentEvent, Statement, fold
from services.notifications.domain import Incident, Window, zone
from services.notifications.store import SQL
from services.runtime.database import Connection

log = structlog.get_logger()


class Register:
    """Reads and writes within the transaction of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def hear(self, event: IncidentEvent, event_type: str, body: bytes) -> None:
        """Keep what was said for a revision, and put in force what follows from all that is known.

        The first telling of a revision stays, unless it names a policy that nobody has published: entitlements has
        refused it then. One that cannot follow the ones before it is forgotten: another may still come in its place.
        """
        said = (event.incident_id, event.revision, event_type, body)
        if await self._connection.fetchval(SQL["keep_revision"], *said) is None and await self._is_void(event):
            await self._connection.execute(SQL["say_again"], *said)
        kept = await self._connection.fetch(SQL["revisions"], event.incident_id)
        statements, impossible = fold(REVISIONS[kind].model_validate_json(told) for kind, told in kept)
        if impossible is not None:
            identity = (event.incident_id, impossible.event.revision)
            log.error("ignored", incident=identity[0], revision=identity[1], reason=str(impossible.error))
            await self._connection.execute(SQL["drop_revision"], *identity)
        if statements:
            await self._put_in_force(statements)

    async def _is_void(self, event: IncidentEvent) -> bool:
        """Whether what is kept for the event's revision names a policy that is none, and this one names another."""
        first = await self._connection.fetchrow(SQL["revision"], event.incident_id, event.revision)
        kept = REVISIONS[first["type"]].model_validate_json(first["body"])
        if not isinstance(kept, IncidentDeclared) or not isinstance(event, IncidentDeclared):
            return False
        return kept.policy != event.policy and not await self._connection.fetchval(SQL["is_published"], kept.policy)

    async def _put_in_force(self, statements: list[Statement]) -> None:
        last = statements[-1]
        impact = last.impact
        retracted = list(takewhile(lambda statement: statement.retracted, reversed(statements)))
        await self._connection.execute(
            SQL["put_in_force"],
            last.incident_id,
            last.revision,
            last.title,
            impact.starts_at.isoformat(),
            impact.ends_at and impact.ends_at.isoformat(),
            [[window.starts_at.isoformat(), window.ends_at.isoformat()] for window in impact.also],
            last.policy,
            last.drill,
            retracted[-1].revision if retracted else None,
        )

    async def order(self, order: IncidentPaused | IncidentResumed, event_id: str) -> None:
        """Pause or resume an incident, known or not; of two orders the later one counts."""
        paused = isinstance(order, IncidentPaused)
        at = order.paused_at if isinstance(order, IncidentPaused) else order.resumed_at
        await self._connection.execute(SQL["order_pause"], order.incident_id, paused, at, event_id)

    async def publish(self, policy: PolicyPublished) -> None:
        """Take over a policy; what was published first under its name stays."""
        await self._connection.execute(
            SQL["publish_policy"], policy.policy, policy.title, policy.time_zone, list(policy.letters), policy.texts
        )

    async def incident(self, incident_id: str) -> Incident | None:
        """What is told of an incident; None until it and its policy are known."""
        row = await self._connection.fetchrow(SQL["incident"], incident_id)
        if row is None:
            return None
        return Incident(
            incident_id,
            row["title"],
            datetime.fromisoformat(row["starts_at"]),
            row["ends_at"] and datetime.fromisoformat(row["ends_at"]),
            zone(row["time_zone"]),
            tuple(Window(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in row["also"]),
            row["drill"],
            tuple(row["letters"]),
            row["texts"],
        )

    async def retracted(self, incident_ids: Iterable[str]) -> dict[str, int]:
        """Since which revision incidents are taken back; those that stand are not in the answer."""
        return dict(await self._connection.fetch(SQL["retracted"], list(incident_ids)))
