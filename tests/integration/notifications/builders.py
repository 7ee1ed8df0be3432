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
from uuid import UUID

import orjson
from prometheus_client import CollectorRegistry

from schemas import topics
from services.notifications.domain import Address, Letterhead, Recipient
from services.notifications.handlers import Handlers
from services.notifications.journal import Journal
from services.notifications.letters import Writer
from services.notifications.mailer import Mailer
from services.notifications.metrics import LetterMetrics
from services.notifications.news import content
from services.notifications.register import Register
from services.notifications.relay import Deadlines, Relay
from services.notifications.retractions import Retractions
from services.notifications.sender import Sender
from services.runtime.database import Pool
from services.runtime.envelope import Record
from services.runtime.work import Workbench
from tests.integration.mortal import Mortal
from tests.integration.wire import AT, Arrived, Reader, arrived, events, take_in
from tests.unit.notifications.outcomes import Outcome, extension, remedy, voucher

INCIDENT = "arezzo-2011-04-29"
HEAD = Letterhead(Address("assistenza@amends.example"))
DEADLINES = Deadlines(connect=5.0, reply=15.0, dot=15.0)
SECONDS = 20.0
METRICS = LetterMetrics(CollectorRegistry())
ROUTES = Handlers(METRICS).routes()
POLICY = "aruba-2011-04-29@1"
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


def declaration_records(kind: str = "declared", **changed: Any) -> list[Record]:
    """The declaration of the black-out of 29 April 2011, or (`kind`) a later statement of it."""
    whole: dict[str, Any] = {
        "title": "Black-out of the Arezzo data centre",
        "drill": False,
        "impact": {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-04-29T13:30:00+02:00"},
        "scope": {"everyone": True},
        "policy": POLICY,
    }
    said = {
        "incident_id": INCIDENT,
        "revision": 1,
        **(whole if kind in ("declared", "amended") else {}),
        "declared_by": "noc",
        "declared_at": "2011-05-13T10:00:00+02:00",
        **changed,
    }
    return events(f"incident.{kind}.v1", (said["incident_id"], f"{kind}-{next(_numbers)}", said))


def declared(**changed: Any) -> list[Arrived]:
    """The declaration as it comes from the topic."""
    return arrived(topics.INCIDENTS, declaration_records(**changed))


def amended(revision: int, **changed: Any) -> list[Arrived]:
    """A later statement of the incident, whole."""
    return arrived(topics.INCIDENTS, declaration_records("amended", revision=revision, **changed))


def resolved(revision: int, ends_at: str = "2011-04-29T17:45:00+02:00", **changed: Any) -> list[Arrived]:
    """The end is known."""
    return arrived(topics.INCIDENTS, declaration_records("resolved", revision=revision, ends_at=ends_at, **changed))


def retracted(revision: int, **changed: Any) -> list[Arrived]:
    """The incident is taken back."""
    said = {"revision": revision, "reason": "the wrong site", **changed}
    return arrived(topics.INCIDENTS, declaration_records("retracted", **said))


def ordered(verb: str, at: str, event_id: str = "") -> list[Arrived]:
    """An order to pause (`verb` paused) or to resume (resumed)."""
    said = {"incident_id": INCIDENT, f"{verb}_by": "noc", f"{verb}_at": at}
    told = (INCIDENT, event_id or f"{verb}-{next(_numbers)}", said)
    return arrived(topics.INCIDENTS, events(f"incident.{verb}.v1", told))


def policy_records(**changed: Any) -> list[Record]:
    """The incident's policy, published: it wants the details and has no words of its own."""
    said = {
        "policy": POLICY,
        "title": "The promise",
        "time_zone": "Europe/Rome",
        "letters": ["details"],
        "texts": {},
        **changed,
    }
    return events("policy.published.v1", (said["policy"], f"published-{next(_numbers)}", said))


def published(**changed: Any) -> list[Arrived]:
    """The incident's policy as it comes from the topic."""
    return arrived(topics.POLICIES, policy_records(**changed))


def adjustment_records(
    *customer_ids: str,
    outcomes: list[Outcome] | None = None,
    which: str = "",
    incident_id: str = INCIDENT,
    revision: int = 1,
    **more: Any,
) -> list[Record]:
    """What billing answered for each of these customers; `which` tells several answers for one customer apart."""
    given = outcomes or [extension(), voucher()]
    told = {"incident_id": incident_id, "revision": revision, "outcomes": given, **more}
    return events(
        "adjustment.applied.v1",
        *[(c, f"adjusted-{incident_id}-{c}-{which}", told | {"customer_id": c}) for c in customer_ids],
    )


def adjusted(*customer_ids: str, **changed: Any) -> list[Arrived]:
    """Billing's answers as they come from the topic; see `adjustment_records`."""
    return arrived(topics.ADJUSTMENTS, adjustment_records(*customer_ids, **changed))


def reversed_(
    *customer_ids: str, reversals: list[Outcome], which: str = "", revision: int = 2, **more: Any
) -> list[Arrived]:
    """What billing made of withdrawals, as it comes from the topic."""
    told = {"incident_id": INCIDENT, "revision": revision, "reversals": reversals, **more}
    records = events(
        "adjustment.reversed.v1",
        *[(c, f"reversed-{c}-{revision}-{which}", told | {"customer_id": c}) for c in customer_ids],
    )
    return arrived(topics.ADJUSTMENTS, records)


def announcement_records(
    *customer_ids: str, remedies: list[Outcome] | None = None, which: str = "", revision: int = 1, **more: Any
) -> list[Record]:
    """What each of these customers is to be told at once; `which` tells several requests for one apart."""
    given = remedies or [remedy("extension", "e1"), remedy("voucher", "e3")]
    told = {"incident_id": INCIDENT, "revision": revision, "policy": POLICY, "remedies": given, **more}
    return events(
        "announcement.requested.v1",
        *[(c, f"announced-{c}-{revision}-{which}", told | {"customer_id": c}) for c in customer_ids],
    )


def announced(*customer_ids: str, **changed: Any) -> list[Arrived]:
    """What customers are to be told at once, as it comes from the topic; see `announcement_records`."""
    return arrived(topics.ANNOUNCEMENTS, announcement_records(*customer_ids, **changed))


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

    async def all_are_there(self, count: int) -> bool:
        """Whether there are so many letters."""
        return sum((await self.states()).values()) == count

    async def told(self) -> list[tuple[str, str, str]]:
        """What was said of letters that came to their end: (customer, kind, status), sorted, repeats included."""
        said = await self.reader.data(topics.LETTERS)
        return sorted((s["customer_id"], s["kind"], s["status"]) for s in said)

    async def leave(self, state: str = "sent", kind: str = "%") -> None:
        """Letters of this kind that are pending have left, as far as this test is concerned."""
        await self.pool.execute(
            "UPDATE letter SET state = $1, settled_at = CASE WHEN $1 <> 'sending' THEN now() END,"
            " claimed_by = CASE WHEN $1 = 'sending' THEN 'w1' END WHERE state = 'pending' AND kind LIKE $2",
            state,
            kind,
        )

    async def see_to_retractions(self, at_most: int = 2_000) -> None:
        """Whatever a retraction, or a statement after it, makes of letters is made of them."""
        retractions = Retractions(self.workbench, METRICS, at_most=at_most)
        for _ in range(100):
            if not await self.workbench.run(retractions.see_to_some):
                return
        raise AssertionError("there is no end of letters to see to")

    async def texts(self) -> dict[tuple[str, str], str]:
        """What the letters say that can leave or have left, by customer and kind (later corrections numbered)."""
        found: dict[tuple[str, str], str] = {}
        async with self.pool.acquire() as connection:
            known = await Register(connection).incident(INCIDENT)
            rows = await connection.fetch(
                "SELECT customer_id, kind, news FROM letter WHERE cancelled IS NULL ORDER BY due_at"
            )
        assert known is not None
        for customer_id, kind, news in rows:
            said = content(kind, list(map(orjson.loads, news)))
            octets = Writer(HEAD, known).write(kind, UUID(int=0), Address("a@b.it"), Recipient(customer_id), said, AT)
            number = sum(1 for who, what in found if who == customer_id and what.startswith(kind))
            found[customer_id, f"{kind}-{number + 1}" if number else kind] = text_of(octets)
        return found

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
        return Sender(workbench, mailer, journal, HEAD, METRICS, language="en", worker=worker, **options), mailer

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
