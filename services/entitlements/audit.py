"""The audit trail: who declared, approved, paused or took back what, and what was run because of it.

An entry is written in the transaction of what it tells, chained to the one before it (`schemas.audit`), and never
changed. It is told as JSON: amounts as decimal strings, instants in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.audit import genesis, link
from services.entitlements.store import SQL
from services.runtime.database import Connection

SYSTEM = "amends"
"""The actor of what follows by itself."""


async def record(
    connection: Connection,
    incident_id: str,
    actor: str,
    action: str,
    detail: Mapping[str, Any],
    at: datetime | None = None,
) -> int:
    """Write one more entry and return its number; `at` is when the actor says that it was, else the transaction's now.

    The incident's row is held until the transaction ends, so that entries follow one another.
    """
    trail = await connection.fetchrow(SQL["hold_incident"], incident_id)
    number: int = trail["entries"] + 1
    previous: str = trail["head"] or genesis(incident_id)
    entry = {
        "number": number,
        "at": (at or trail["now"]).isoformat(),
        "actor": actor,
        "action": action,
        "detail": detail,
    }
    await connection.execute(SQL["record"], incident_id, *entry.values(), previous, link(previous, entry))
    return number
