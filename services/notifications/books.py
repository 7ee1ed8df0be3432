"""Notifications' side of the books over HTTP: how many letters are in which state, and what a customer was written."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from fastapi import FastAPI, HTTPException

from schemas import topics
from services.notifications.addresses import usable
from services.notifications.domain import Letterhead, Recipient
from services.notifications.letters import Writer
from services.notifications.lines import IncompleteOutcomeError
from services.notifications.news import content
from services.notifications.register import Register
from services.notifications.samples import NOBODY, subject, text
from services.notifications.store import SQL
from services.runtime import census, quarantine
from services.runtime.database import Pool

_CENSUS = "SELECT customer_id AS member, NULL::text AS item FROM letter WHERE incident_id = $1"
_UNSETTLED = ("waiting", "pending", "sending")
_NEWS = [topics.ADJUSTMENTS, topics.ANNOUNCEMENTS]


def mount(app: FastAPI, pool: Pool, head: Letterhead, language: str, operator: Any) -> None:
    """Serve the letters' books and census, and one customer's letters."""
    census.mount(app, pool, _CENSUS)

    @app.get("/incidents/{incident_id}/books")
    async def books(incident_id: str) -> dict[str, Any]:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            letters: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
            for kind, state, count in await connection.fetch(SQL["books"], incident_id):
                letters[kind]["pending" if state in _UNSETTLED else state] += count
            not_taken_in = await quarantine.standing(connection, _NEWS, orjson.dumps(incident_id))
            return {
                "customers": await connection.fetchval(SQL["written_to"], incident_id),
                "letters": letters,
                "without_profile": [row[0] for row in await connection.fetch(SQL["without_profile"], incident_id)],
                "quarantined": not_taken_in.waiting,
                "dropped": not_taken_in.dropped,
                "drill": await connection.fetchval(SQL["is_drill"], incident_id),
            }

    # A letter names its recipient, and a relay's reply may: they are for the operator's eyes.
    @app.get("/customers/{customer_id}/letters", dependencies=[operator])
    async def letters(customer_id: str, incident_id: str | None = None) -> list[dict[str, Any]]:
        return [dict(row) for row in await pool.fetch(SQL["letters_of_customer"], customer_id, incident_id)]

    @app.get("/letters/{letter_id}", dependencies=[operator])
    async def letter(letter_id: UUID) -> dict[str, Any]:
        async with pool.acquire() as connection:
            row = await connection.fetchrow(SQL["letter"], letter_id)
            incident = row and await Register(connection).incident(row["incident_id"])
        if row is None:
            raise HTTPException(404, f"no letter {letter_id}")
        if incident is None:
            raise HTTPException(409, f"letter {letter_id} waits for its incident, or for its incident's policy")
        recipient = Recipient(row["customer_id"], row["name"], row["email"], row["locale"])
        said = content(row["kind"], list(map(orjson.loads, row["news"])))
        address = usable(recipient.email) or NOBODY
        try:
            octets = Writer(head, incident, language).write(
                row["kind"], letter_id, address, recipient, said, datetime.now(UTC)
            )
        except IncompleteOutcomeError as error:
            raise HTTPException(409, f"letter {letter_id} cannot be written: {error}") from None
        return {"letter_id": str(letter_id), "subject": subject(octets), "text": text(octets)}
