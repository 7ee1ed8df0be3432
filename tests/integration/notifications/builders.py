"""Customers, incidents and adjustments as events, and what notifications made of them, for its integration tests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from schemas import topics
from services.notifications import handlers, messages
from services.notifications.domain import Address, Letterhead
from services.notifications.journal import Journal
from services.notifications.mailer import Mailer
from services.notifications.relay import Deadlines, Relay
from services.notifications.sender import Sender
from services.runtime.consumer import Route
from services.runtime.database import Pool
from services.runtime.envelope import Record
from services.runtime.work import Workbench
from tests.integration.mortal import Mortal
from tests.integration.wire import Arrived, Reader, arrived, events, take_in
from tests.unit.entitlements.builders import incident
from tests.unit.notifications.outcomes import Outcome, extension, voucher

INCIDENT = "arezzo-2011-04-29"
HEAD = Letterhead(Address("assistenza@amends.example"))
DEADLINES = Deadlines(connect=5.0, reply=15.0, dot=15.0)
SECONDS = 20.0
ROUTES = {
    topics.INCIDENTS: Route(messages.INCIDENTS, handlers.incidents),
    topics.CUSTOMERS: Route(messages.CUSTOMERS, handlers.customers),
    topics.ADJUSTMENTS: Route(messages.ADJUSTMENTS, handlers.adjustments),
}
_numbers = itertools.count()


def email_of(customer_id: str) -> str:
    """The address that the tests' customers have."""
    return f"{customer_id.lower()}@example.it"


def profile(customer_id: str, **changed: Any) -> dict[str, Any]:
    """What the CRM says of a customer."""
    return {
        "customer_id": customer_id,
        "name": f"Name-of {customer_id}",
        "email": email_of(customer_id),
        "locale": "it-IT",
        **changed,
    }


def profile_records(*profiles: dict[str, Any]) -> list[Record]:
    """Profiles as events."""
    return events("customer.changed.v1", *[(p["customer_id"], f"told-{next(_numbers)}", p) for p in profiles])


def customers(*profiles: dict[str, Any]) -> list[Arrived]:
    """Profiles as they come from the topic."""
    return arrived(topics.CUSTOMERS, profile_records(*profiles))


def erased(*customer_ids: str) -> list[Arrived]:
    """Tombstones: these customers are to be forgotten."""
    tombstones = [(customer_id, "gone", None) for customer_id in customer_ids]
    return arrived(topics.CUSTOMERS, events("customer.changed.v1", *tombstones))


def declaration_records(**changed: Any) -> list[Record]:
    """The declaration of the black-out; see the unit tests' `incident`."""
    said = incident(**changed).model_dump(mode="json")
    return events("incident.declared.v1", (said["incident_id"], f"declared-{next(_numbers)}", said))


def declared(**changed: Any) -> list[Arrived]:
    """The declaration as it comes from the topic."""
    return arrived(topics.INCIDENTS, declaration_records(**changed))


def adjustment_records(
    *customer_ids: str, outcomes: list[Outcome] | None = None, which: str = "", incident_id: str = INCIDENT
) -> list[Record]:
    """What billing answered for each of these customers; `which` tells several answers for one customer apart."""
    given = outcomes or [extension(), voucher()]
    told = {"incident_id": incident_id, "revision": 1, "outcomes": given}
    return events(
        "adjustment.applied.v1",
        *[(c, f"adjusted-{incident_id}-{c}-{which}", told | {"customer_id": c}) for c in customer_ids],
    )


def adjusted(
    *customer_ids: str, outcomes: list[Outcome] | None = None, which: str = "", incident_id: str = INCIDENT
) -> list[Arrived]:
    """Billing's answers as they come from the topic."""
    records = adjustment_records(*customer_ids, outcomes=outcomes, which=which, incident_id=incident_id)
    return arrived(topics.ADJUSTMENTS, records)


@dataclass
class Notifications:
    """The service's parts on a real database and broker, without its process."""

    pool: Pool
    workbench_on: Callable[[Pool], Workbench]
    reader: Reader

    def __post_init__(self) -> None:
        self.workbench = self.workbench_on(self.pool)

    async def take(self, *batches: list[Arrived]) -> None:
        """Take in batches, one transaction each."""
        for batch in batches:
            await take_in(self.workbench, ROUTES[batch[0].topic], batch)

    async def letters(self, *columns: str) -> list[tuple[Any, ...]]:
        """The letters, by customer and kind; each with its state unless columns are named."""
        wanted = ", ".join(columns or ("customer_id", "kind", "state"))
        rows = await self.pool.fetch(f"SELECT {wanted} FROM letter ORDER BY customer_id, kind DESC, letter_id")
        return [tuple(row) for row in rows]

    async def states(self) -> dict[str, int]:
        """How many letters are in which state."""
        return dict(await self.pool.fetch("SELECT state, count(*) FROM letter GROUP BY state"))

    async def all_are(self, *states: str) -> bool:
        """Whether every letter is in one of these states."""
        return not set(await self.states()) - set(states)

    async def told(self) -> list[tuple[str, str, str]]:
        """What was said of letters that came to their end: (customer, kind, status), sorted, repeats included."""
        said = await self.reader.data(topics.LETTERS)
        return sorted((s["customer_id"], s["kind"], s["status"]) for s in said)

    async def hurry(self) -> None:
        """What waits for its next attempt is due now."""
        await self.pool.execute("UPDATE letter SET due_at = now() WHERE state = 'pending'")

    def sender(
        self, port: int, journal: Journal, worker: str = "w1", mortal: Mortal | None = None, **changed: Any
    ) -> tuple[Sender, Mailer]:
        """A sender of its own with its mailer, for a relay on this port of this machine."""
        options: dict[str, Any] = {"connections": 2, "at_most": 1_000, "abandoned_after": timedelta(hours=1), **changed}
        mailer = Mailer(
            Relay("127.0.0.1", port, HEAD.domain, DEADLINES), journal, options.pop("connections"), attempts_to_connect=1
        )
        workbench = self.workbench_on(self.pool)
        if mortal is not None:
            workbench = mortal.workbench(workbench)
        return Sender(workbench, mailer, journal, HEAD, language="en", worker=worker, **options), mailer

    @asynccontextmanager
    async def sending(self, port: int, folder: Path, worker: str = "w1", **changed: Any) -> AsyncIterator[None]:
        """A sender at work; at the end of the block it is asked to stop and has stopped."""
        stop = asyncio.Event()
        with Journal.open(folder, worker) as journal:
            sender, mailer = self.sender(port, journal, worker, **changed)
            async with mailer:
                running = asyncio.create_task(sender.run(stop))
                try:
                    yield
                finally:
                    stop.set()
                    await asyncio.wait_for(running, SECONDS)


def text_of(octets: bytes) -> str:
    """A letter's plain text on one line."""
    body = message_from_bytes(octets, policy=policy.default).get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


def header_of(octets: bytes, name: str) -> str:
    """One of a letter's headers."""
    return str(message_from_bytes(octets, policy=policy.default)[name])
