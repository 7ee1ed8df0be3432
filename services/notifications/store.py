"""Notifications' tables, as the handlers and the sender see them; the statements themselves are in `queries.sql`.

Here are the recipients and the letters. Incidents and policies are in `register`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypeAlias
from uuid import UUID

from schemas.events import CustomerChanged, LetterKind
from services.notifications.correspondence import Correspondence, Letter
from services.notifications.decide import Settled, address_letter
from services.notifications.domain import Cancelled, Recipient, SettledLetter, State
from services.notifications.news import read
from services.runtime.database import Connection, columns, queries, stage
from services.runtime.errors import Conflict

MIGRATIONS = Path(__file__).with_name("migrations")
SQL = queries(Path(__file__).with_name("queries.sql"))

Matter: TypeAlias = tuple[str, str]
"""An incident and a customer: what one correspondence is about."""


class Draft(NamedTuple):
    """A customer's first letter of a kind about an incident, with the event that it is written for."""

    letter_id: UUID
    incident_id: str
    customer_id: str
    kind: LetterKind
    state: State
    cancelled: Cancelled | None
    note: str | None
    revision: int
    drill: bool
    event_id: str
    news: bytes


class Unsent(NamedTuple):
    """A letter that has not left."""

    letter_id: str
    customer_id: str
    incident_id: str
    kind: LetterKind
    drill: bool

    def settled(self, state: State) -> SettledLetter:
        """The letter at its end."""
        return SettledLetter(self.letter_id, self.incident_id, self.customer_id, self.kind, state.value, self.drill)


class Claimed(NamedTuple):
    """A letter in hand, with all that is needed to write it."""

    letter_id: UUID
    incident_id: str
    kind: LetterKind
    attempts: int
    news: Sequence[bytes]
    drill: bool
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

    # ── recipients ────────────────────────────────────────────────────────────────────────────────────────────────

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

    # ── letters ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self, drafts: Sequence[Draft]) -> set[UUID]:
        """Write letters that nobody has begun yet; those that there are already are not in the answer."""
        if not drafts:
            return set()
        await stage(self._connection, "new_letter", SQL["new_letter"], drafts)
        return {row[0] for row in await self._connection.fetch(SQL["begin_letters"])}

    async def written_about(self, matters: Collection[Matter]) -> set[Matter]:
        """In which of these matters there is a letter."""
        incidents, customers = _apart(matters)
        return {tuple(row) for row in await self._connection.fetch(SQL["written_about"], customers, incidents)}

    async def correspondences(
        self, matters: Collection[Matter], recipients: Mapping[str, Recipient], retracted: Mapping[str, int]
    ) -> dict[Matter, Correspondence]:
        """All that was written in these matters, held until the transaction ends."""
        found = {
            (incident_id, customer_id): Correspondence(
                incident_id,
                customer_id,
                address=address_letter(recipients.get(customer_id)).state,
                retracted_since=retracted.get(incident_id),
            )
            for incident_id, customer_id in matters
        }
        incidents, customers = _apart(matters)
        for (
            incident_id,
            customer_id,
            letter_id,
            kind,
            state,
            cancelled,
            drill,
            events,
            news,
        ) in await self._connection.fetch(SQL["correspondence"], customers, incidents):
            correspondence = found.get((incident_id, customer_id))
            if correspondence is not None:
                told = list(map(read, events, news))
                why = cancelled and Cancelled(cancelled)
                correspondence.letters.append(
                    Letter(letter_id, kind, told, drill, State(state), why, before=State(state))
                )
        return found

    async def save(self, correspondences: Iterable[Correspondence]) -> None:
        """Write what was arranged anew; raises `Conflict` if somebody else has begun one of its letters meanwhile."""
        rows = [
            (
                letter.letter_id, one.incident_id, one.customer_id, letter.kind, letter.state, letter.cancelled,
                letter.cancelled and letter.cancelled.note, one.holds_for(letter), letter.drill, letter.before is None,
                [news.event_id for news in letter.news], [news.data for news in letter.news],
            )
            for one in correspondences
            for letter in one.changed
        ]  # fmt: skip
        if not rows:
            return
        await stage(self._connection, "arranged_letter", SQL["arranged_letter"], rows)
        written = await self._connection.fetch(SQL["write_letters"])
        if len(written) < sum(1 for row in rows if row[9]):
            raise Conflict("a letter was begun beside us")
        await self._connection.execute(SQL["rewrite_letters"])

    async def cancel_retracted(self, at_most: int) -> tuple[list[SettledLetter], set[Matter]]:
        """Cancel letters about what was taken back, so many at a time; in which matters it takes a closer look."""
        rows = await self._connection.fetch(SQL["cancel_retracted"], at_most, Cancelled.RETRACTED.note)
        cancelled = [SettledLetter(*row) for row in rows if row["is_cancelled"]]
        return cancelled, {(row["incident_id"], row["customer_id"]) for row in rows if not row["is_cancelled"]}

    async def stopped_in_vain(self, at_most: int) -> set[Matter]:
        """In which matters letters were cancelled because of a retraction that does not hold; so many at a time."""
        return {tuple(row) for row in await self._connection.fetch(SQL["stopped_in_vain"], at_most)}

    async def corrected(self, letter_ids: Sequence[UUID]) -> set[Matter]:
        """In which of these letters' matters there is a correction."""
        return {tuple(row) for row in await self._connection.fetch(SQL["corrected"], letter_ids)}

    # ── letters and profiles ──────────────────────────────────────────────────────────────────────────────────────

    async def waiting(self, customer_ids: Sequence[str]) -> list[Unsent]:
        """The letters that wait for these customers' profiles, held until the transaction ends."""
        return [Unsent(*row) for row in await self._connection.fetch(SQL["waiting_letters"], customer_ids)]

    async def addressable(self, at_most: int) -> list[tuple[Unsent, Recipient]]:
        """Letters that wait for a profile that is there: two workers can have passed each other."""
        rows = await self._connection.fetch(SQL["addressable_letters"], at_most)
        return [(Unsent(*row[:5]), Recipient(row[1], *row[5:])) for row in rows]

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

    async def claimed(self, worker: str) -> dict[UUID, bool]:
        """What the worker had in hand when it ended: the letters, and whether each is a drill's."""
        return dict(await self._connection.fetch(SQL["claimed"], worker))

    async def abandoned(self, after: timedelta) -> dict[UUID, bool]:
        """What workers that are long gone had in hand, and whether each is a drill's."""
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


def _apart(matters: Collection[Matter]) -> tuple[list[str], list[str]]:
    """The incidents and the customers."""
    return list({incident_id for incident_id, _ in matters}), list({customer_id for _, customer_id in matters})
