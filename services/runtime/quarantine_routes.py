"""The quarantine over HTTP: what is there (never what it says), one record whole, trying it again, dropping it.

What a record says may be somebody's name or address: it is shown to the operator alone, one record at a time.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, HTTPException, Query
from pydantic import BaseModel, Field

from services.runtime import mending
from services.runtime.consumer import Consumer
from services.runtime.database import Pool, queries
from services.runtime.errors import Transient
from services.runtime.mending import Mended, Mender, NobodyReadsError

SQL = queries(Path(__file__).with_name("queries.sql"))
_TOTALS_AT_MOST = 100
_LARGEST_ID = (1 << 63) - 1

State = Literal["set_aside", "applied", "dropped", "superseded"]
Id = Annotated[int, Field(ge=0, le=_LARGEST_ID)]
Word = Annotated[str, Query(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]


class Again(BaseModel):
    """How to try a record again."""

    even_dropped: bool = False


class Drop(BaseModel):
    """Who drops a record, and why."""

    by: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
    why: Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]


def mount(app: FastAPI, pool: Pool, mender: Mender, consumers: Sequence[Consumer], operator: Any) -> None:
    """Serve the quarantine, and let an operator mend it and let halted consumers go on."""
    _mount_looking(app, pool, consumers, operator)

    @app.post("/quarantine/{quarantine_id}/retry", dependencies=[operator])
    async def retry(quarantine_id: Id, again: Annotated[Again, Body()] = Again()) -> dict[str, Any]:  # noqa: B008
        try:
            return _answer(quarantine_id, await mender.retry(quarantine_id, even_dropped=again.even_dropped))
        except NobodyReadsError as error:
            raise HTTPException(409, str(error)) from None
        except Transient as error:
            raise HTTPException(503, str(error)) from None

    @app.post("/quarantine/{quarantine_id}/drop", dependencies=[operator])
    async def drop(quarantine_id: Id, said: Drop) -> dict[str, Any]:
        return _answer(quarantine_id, await mender.drop(quarantine_id, said.by, said.why))

    @app.post("/consumer/resume", dependencies=[operator])
    async def resume() -> dict[str, Any]:
        return {"resumed": [consumer.resume() for consumer in consumers].count(True) > 0}


def _mount_looking(app: FastAPI, pool: Pool, consumers: Sequence[Consumer], operator: Any) -> None:

    @app.get("/quarantine")
    async def page(
        topic: Word | None = None,
        reason: Word | None = None,
        key: Word | None = None,
        state: State | None = None,
        after: Annotated[int, Query(ge=0, le=_LARGEST_ID)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        asked = (topic, reason, None if key is None else key.encode(), state)
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(SQL["quarantine_page"], *asked, after, limit)
            totals = await connection.fetch(SQL["quarantine_totals"], *asked, _TOTALS_AT_MOST)
        return {
            "records": [dict(row) for row in rows],
            "next": rows[-1]["id"] if len(rows) == limit else None,
            "count": totals[0]["all_records"] if totals else 0,
            "totals": [{name: row[name] for name in ("topic", "reason", "state", "records")} for row in totals],
            "halted": [
                {"why": consumer.halted, "over": [fault._asdict() for fault in consumer.halted_over]}
                for consumer in consumers
                if consumer.halted
            ],
        }

    @app.get("/quarantine/{quarantine_id}", dependencies=[operator])
    async def record(quarantine_id: Id) -> dict[str, Any]:
        row = await pool.fetchrow(SQL["quarantined"], quarantine_id)
        if row is None:
            raise HTTPException(404, f"no record {quarantine_id} in the quarantine")
        return _shown(row)


def _shown(row: mending.Row) -> dict[str, Any]:
    """A record with all that is known of it."""
    dropped = {"by": row["dropped_by"], "why": row["dropped_why"], "at": row["dropped_at"]}
    return {
        "id": row["quarantine_id"],
        "topic": row["topic"],
        "partition": row["partition"],
        "offset": row["record_offset"],
        "cluster": row["cluster"],
        "record_time": row["record_time"],
        "key": octets(row["key"]),
        "headers": [{"name": name, "value": octets(value)} for name, value in mending.headers(row)],
        "value": octets(row["value"]),
        "reason": row["reason"],
        "set_aside_at": row["set_aside_at"],
        "state": row["state"],
        "attempts": row["attempts"],
        "tried_at": row["tried_at"],
        "applied_at": row["applied_at"],
        "dropped": dropped if row["dropped_at"] else None,
    }


def octets(raw: bytes | None) -> dict[str, str] | None:
    """Bytes as JSON can tell them: as text when they are UTF-8, else base64; None when there are none at all."""
    if raw is None:
        return None
    try:
        return {"text": raw.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _answer(quarantine_id: int, mended: Mended | None) -> dict[str, Any]:
    if mended is None:
        raise HTTPException(404, f"no record {quarantine_id} in the quarantine")
    return asdict(mended)
