"""Notifications' tables, as the handlers and the sender see them; the statements themselves are in `queries.sql`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from schemas.events import CustomerChanged, IncidentDeclared, IncidentResolved, LetterKind
from services.notifications.decide import Settled
from services.notifications.domain import Incident, Recipient, SettledLetter, State
from services.runtime.database import Connection, columns, queries, stage

MIGRATIONS = Path(__file__).with_name("migrations")
SQL = queries(Path(__file__).with_name("queries.sql"))


class Draft(NamedTuple):
    """A letter to be written because of an event; `adjustment` is the event's data."""

    letter_id: UUID
    incident_id: str
    customer_id: str
    kind: LetterKind
    state: State
    event_id: str
    adjustment: bytes


class NewsOf(NamedTuple):
    """An event that came into a letter, and whether the letter is new with it."""

    draft: Draft
    is_new: bool


class Unsent(NamedTuple):
    """A letter that has not left."""

    letter_id: str
    customer_id: str
    incident_id: str
    kind: LetterKind


class Claimed(NamedTuple):
    """A letter in hand, with all that is needed to write it."""

    letter_id: UUID
    incident_id: str
    kind: LetterKind
    attempts: int
    adjustments: Sequence[bytes]
    customer_id: str
    name: str | None
    email: str | None
    locale: str | None

    @property
    def recipient(self) -> Recipient:
        """Whom it is for."""
        return Recipient(self.customer_id, self.name, self.email, self.locale)


class Store:
    """Reads and writes within the transaction of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ── recipients and incidents ──────────────────────────────────────────────────────────────────────────────────

    async def save_recipients(self, customers: Iterable[CustomerChanged]) -> None:
        """Take over profiles, the last of each customer."""
        last = {customer.customer_id: customer for customer in customers}
        rows = [(c.customer_id, c.name, c.email, c.locale) for c in last.values()]
        if rows:
            await self._connection.execute(SQL["save_recipients"], *columns(rows))

    async def forget(self, customer_ids: Sequence[str]) -> None:
        """Forget who these customers are: their letters stay, without a name or an address."""
        if customer_ids:
            nothing = [None] * len(customer_ids)
            await self._connection.execute(SQL["save_recipients"], customer_ids, nothing, nothing, nothing)
            await self._connection.execute(SQL["forget_replies"], customer_ids)

    async def recipients(self, customer_ids: Iterable[str]) -> dict[str, Recipient]:
        """The profiles that are known, by customer."""
        rows = await self._connection.fetch(SQL["recipients"], list(set(customer_ids)))
        return {row[0]: Recipient(*row) for row in rows}

    async def save_incident(self, incident: IncidentDeclared) -> None:
        """Take over what was declared."""
        impact = incident.impact
        await self._connection.execute(
            SQL["save_incident"],
            incident.incident_id,
            incident.revision,
            incident.title,
            impact.starts_at.isoformat(),
            impact.ends_at and impact.ends_at.isoformat(),
        )

    async def resolve_incident(self, resolved: IncidentResolved) -> None:
        """Take over the end of the impact."""
        await self._connection.execute(
            SQL["resolve_incident"], resolved.incident_id, resolved.revision, resolved.ends_at.isoformat()
        )

    async def incident(self, incident_id: str) -> Incident | None:
        """What is told of an incident."""
        row = await self._connection.fetchrow(SQL["incident"], incident_id)
        if row is None:
            return None
        _, title, starts_at, ends_at = row
        ends = ends_at and datetime.fromisoformat(ends_at)
        return Incident(incident_id, title, datetime.fromisoformat(starts_at), ends)

    # ── letters ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def add(self, drafts: Sequence[Draft]) -> dict[str, NewsOf]:
        """Write letters, or add to those that have not left: by event, the draft and whether its letter is new.

        An event that is in its letter already, or whose letter has left, is not in the answer.
        """
        written: dict[str, NewsOf] = {}
        while drafts:
            first = {draft.letter_id: draft for draft in reversed(drafts)}  # a statement may touch a row only once
            await stage(self._connection, "new_letter", SQL["new_letter"], first.values())
            rows = await self._connection.fetch(SQL["add_letters"])
            written |= {first[letter_id].event_id: NewsOf(first[letter_id], is_new) for letter_id, is_new in rows}
            drafts = [draft for draft in drafts if first[draft.letter_id] is not draft]
        return written

    async def told(self, letter_ids: Sequence[UUID]) -> set[tuple[UUID, str]]:
        """(letter, event) for every event that is in these letters."""
        return {(row[0], row[1]) for row in await self._connection.fetch(SQL["told"], letter_ids)}

    async def waiting(self, customer_ids: Sequence[str]) -> list[Unsent]:
        """The letters that wait for these customers' profiles, held until the transaction ends."""
        return [Unsent(*row) for row in await self._connection.fetch(SQL["waiting_letters"], customer_ids)]

    async def addressable(self, at_most: int) -> list[tuple[Unsent, Recipient]]:
        """Letters that wait for a profile that is there: two workers can have passed each other."""
        rows = await self._connection.fetch(SQL["addressable_letters"], at_most)
        return [(Unsent(*row[:4]), Recipient(row[1], *row[4:])) for row in rows]

    async def unsent(self, customer_ids: Sequence[str]) -> list[Unsent]:
        """The letters of these customers that nobody has in hand yet, held until the transaction ends."""
        return [Unsent(*row) for row in await self._connection.fetch(SQL["forgotten_letters"], customer_ids)]

    async def address(self, letters: Iterable[tuple[str, State]]) -> None:
        """What became of letters once the profile was there."""
        await self._connection.execute(SQL["address_letters"], *columns(letters))

    # ── letters in hand ───────────────────────────────────────────────────────────────────────────────────────────

    async def claim(self, worker: str, at_most: int) -> list[Claimed]:
        """Take letters that are due; they are this worker's until they are settled."""
        return [Claimed(*row) for row in await self._connection.fetch(SQL["claim_letters"], worker, at_most)]

    async def claimed(self, worker: str) -> dict[UUID, int]:
        """What the worker had in hand when it ended: the letters and how often they were tried."""
        return dict(await self._connection.fetch(SQL["claimed"], worker))

    async def abandoned(self, after: timedelta) -> dict[UUID, int]:
        """What workers that are long gone had in hand."""
        return dict(await self._connection.fetch(SQL["abandoned"], after))

    async def settle(self, results: Sequence[tuple[UUID, Settled]]) -> list[SettledLetter]:
        """Write what became of letters in hand; those that have come to their end are returned."""
        rows = await self._connection.fetch(
            SQL["settle_letters"],
            [letter_id for letter_id, _ in results],
            [settled.state.value for _, settled in results],
            [settled.wait for _, settled in results],
            [settled.note[:500] for _, settled in results],
            [settled.tried for _, settled in results],
        )
        return [SettledLetter(*row) for row in rows if row["state"] != State.PENDING]
