"""Contracts and declarations as events, and what entitlements made of them, for its integration tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from schemas import topics
from schemas.ids import entry_id, grant_id
from services.entitlements import messages
from services.entitlements.catalogue import Catalogue
from services.entitlements.handlers import Handlers
from services.entitlements.metrics import EntitlementsMetrics
from services.entitlements.plan import Planner
from services.entitlements.policy import Policies, load_policies, parse_policy_text
from services.entitlements.store import SQL
from services.entitlements.worker import Worker
from services.runtime.database import Pool
from services.runtime.handling import Route
from services.runtime.work import Workbench
from tests.integration.wire import Arrived, Reader, arrived, events, stand_at_the_ends, take_in
from tests.unit.entitlements.builders import ARUBA, incident

__all__ = ["ARUBA"]
INCIDENT = "arezzo-2011-04-29"
_numbers = itertools.count()


def dedicated(contract_id: str, customer_id: str, **changed: Any) -> dict[str, Any]:
    """A dedicated server at Arezzo that has been in service since 2010, without an end: what its event says."""
    return {
        "contract_id": contract_id,
        "customer_id": customer_id,
        "family": "dedicated",
        "product": "dedicated-server",
        "site": "arezzo",
        "starts_on": "2010-01-01",
        **changed,
    }


def hosting(contract_id: str, customer_id: str, **changed: Any) -> dict[str, Any]:
    """A hosting contract that includes e-mail."""
    own = {"family": "hosting", "product": "hosting-linux", "attributes": {"includes_email": True}}
    return dedicated(contract_id, customer_id, **(own | changed))


def told(*contracts: dict[str, Any]) -> list[Arrived]:
    """The contracts as they come from the topic."""
    triples = [(c["contract_id"], f"told-{next(_numbers)}", c) for c in contracts]
    return arrived(topics.CONTRACTS, events("contract.changed.v1", *triples))


def gone(*contract_ids: str) -> list[Arrived]:
    """Tombstones."""
    return arrived(topics.CONTRACTS, events("contract.changed.v1", *[(name, "gone", None) for name in contract_ids]))


def said(**changed: Any) -> dict[str, Any]:
    """What the declaration of the black-out says, as JSON on the wire; see the unit tests' `incident`."""
    return incident(**changed).model_dump(mode="json")


def declared(*bodies: dict[str, Any], event_type: str = "incident.declared.v1") -> list[Arrived]:
    """Declarations as they come from the topic."""
    triples = [(str(body.get("incident_id")), f"declared-{next(_numbers)}", body) for body in bodies]
    return arrived(topics.INCIDENTS, events(event_type, *triples))


@dataclass
class Entitlements:
    """The service's parts on a real database and broker, without its process."""

    pool: Pool
    workbench_on: Callable[[Pool], Workbench]
    kafka: str
    reader: Reader
    catalogue: Catalogue = field(default_factory=lambda: Catalogue(load_policies()))

    def __post_init__(self) -> None:
        self.workbench = self.workbench_on(self.pool)
        self.metrics = EntitlementsMetrics(CollectorRegistry())
        self.handlers = Handlers(self.catalogue)
        self.routes = {
            topics.INCIDENTS: Route(messages.INCIDENTS, self.handlers.incidents),
            topics.CONTRACTS: Route(messages.CONTRACTS, self.handlers.contracts),
        }

    async def publish(self, *texts: str) -> None:
        """Publish the policies: those shipped and, by their YAML, others."""
        others = {policy.key: policy for policy in map(parse_policy_text, texts)}
        self.catalogue = Catalogue(Policies({**load_policies(), **others}))
        await self.workbench.run(self.catalogue.publish)
        self.handlers = Handlers(self.catalogue)
        self.routes[topics.INCIDENTS] = Route(messages.INCIDENTS, self.handlers.incidents)

    async def take(self, *batches: list[Arrived]) -> None:
        """Take in batches, one transaction each."""
        for batch in batches:
            await take_in(self.workbench, self.routes[batch[0].topic], batch)

    def planner(self, chunk_customers: int = 2_500) -> Planner:
        """A planner of its own."""
        return Planner(self.pool, self.workbench, self.catalogue, self.kafka, chunk_customers)

    def worker(self, lane: str = "w1", workbench: Workbench | None = None) -> Worker:
        """A worker of its own; the chunks that it decides are committed by its own workbench if one is given."""
        return Worker(self.pool, workbench or self.workbench, self.catalogue, self.metrics, lane)

    async def cut(self, chunk_customers: int = 2_500) -> None:
        """Bring every open plan past its barrier: the projection counts as read up to the end."""
        await self.pool.execute("DELETE FROM position WHERE topic = $1", topics.CONTRACTS)
        await stand_at_the_ends(self.pool, self.kafka, topics.CONTRACTS)
        planner = self.planner(chunk_customers)
        while await planner.advance():
            pass

    async def decide(self) -> None:
        """Decide all open chunks, and see the plans done."""
        worker = self.worker()
        while await self.workbench.run(worker.decide_chunk):
            pass
        await self.planner().advance()

    async def run(self, *bodies: dict[str, Any]) -> None:
        """Declare, plan and decide."""
        await self.take(declared(*bodies))
        await self.cut()
        await self.decide()

    async def exclusions(self, incident_id: str = INCIDENT) -> dict[str, str | None]:
        """Every customer who was considered, and why he is owed nothing, if so."""
        rows = await self.pool.fetch(
            "SELECT customer_id, exclusion FROM consideration WHERE incident_id = $1", incident_id
        )
        return dict(rows)

    async def grants(self, incident_id: str = INCIDENT) -> list[tuple[Any, ...]]:
        """What is owed: (customer, rule, target, choice), in this order."""
        rows = await self.pool.fetch(
            "SELECT customer_id, rule, target, choice FROM granted WHERE incident_id = $1 ORDER BY 1, 2, 3", incident_id
        )
        return [tuple(row) for row in rows]

    async def entries(self, incident_id: str = INCIDENT) -> list[tuple[Any, ...]]:
        """The books, entry by entry: (customer, rule, target, stamp, days or amount, kind of entry)."""
        rows = await self.pool.fetch(
            "SELECT customer_id, rule, target, stamp, coalesce(days, amount, 1)::text,"
            " CASE WHEN withdraws IS NULL THEN 'granted' WHEN honoured THEN 'honoured' ELSE 'reversed' END"
            " FROM granted WHERE incident_id = $1 ORDER BY 1, 2, 3, stamp, withdraws IS NOT NULL",
            incident_id,
        )
        return [tuple(row) for row in rows]

    async def state(self, incident_id: str = INCIDENT) -> tuple[Any, ...]:
        """The last run: (revision, run, state)."""
        row = await self.pool.fetchrow(
            "SELECT revision, run, state FROM plan WHERE incident_id = $1 ORDER BY revision DESC, run DESC LIMIT 1",
            incident_id,
        )
        return row and tuple(row)

    async def trail(self, incident_id: str = INCIDENT) -> list[tuple[str, str]]:
        """The audit trail: (actor, action)."""
        rows = await self.pool.fetch(SQL["audit"], incident_id)
        return [(row["actor"], row["action"]) for row in rows]

    async def reports(self, incident_id: str = INCIDENT) -> list[Any]:
        """What was told of the incident's runs."""
        told_events = await self.reader.data(topics.PROGRESS)
        return [e for e in told_events if e["incident_id"] == incident_id and "state" in e]

    async def events(self, incident_id: str = INCIDENT) -> list[Any]:
        """What was told of an incident's entitlements, event by event."""
        told_events = await self.reader.data(topics.ENTITLEMENTS)
        return [e for e in told_events if e["incident_id"] == incident_id and "remedies" in e]

    async def withdrawals(self, incident_id: str = INCIDENT) -> list[Any]:
        """What was told to be owed no longer, event by event."""
        told_events = await self.reader.data(topics.ENTITLEMENTS)
        return [e for e in told_events if e["incident_id"] == incident_id and "withdrawals" in e]


def remedies(told_events: Iterable[Any]) -> list[tuple[Any, ...]]:
    """(customer, rule, target, product) of all remedies in events, sorted."""
    return sorted(
        (event["customer_id"], r["rule"], r.get("contract_id", "customer"), r.get("product", ""))
        for event in told_events
        for r in event["remedies"]
    )


def identity(customer_id: str, rule: str, target: str, incident_id: str = INCIDENT) -> tuple[str, str]:
    """The ids that a first revision's grant must have, and its entry."""
    grant = grant_id(incident_id, customer_id, target, rule)
    return grant, entry_id(grant, 1)
