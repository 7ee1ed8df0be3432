"""A life: the services' world and the oracle beside it, led through the same events and compared after every one.

Whatever a service publishes is compared, event by event, with what the oracle says that it ought to be, and lies ready
as parcels until somebody delivers them. Leaves to the state machine, the properties and the worked cases what happens,
to `life_checks` what is looked at when all is quiet.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas import topics
from services.runtime.envelope import Record
from tests.life.life_runs import Runs
from tests.life.oracle import Oracle, Told
from tests.life.oracle_billing import Ledger
from tests.life.oracle_days import day_at
from tests.life.oracle_letters import Mailbox
from tests.life.oracle_promise import Tree
from tests.life.policies import policy_of
from tests.life.telling import same, told
from tests.life.world import Ground, LostPublisherError, Service, World, header

BESIDE_THE_BOOKS = ("progress.reported.v1", "run.reported.v1", "policy.published.v1", "letter.settled.v1")
"""What is told beside the books: of these only the mark of a drill is looked at."""
READERS = {
    topics.INCIDENTS: ("entitlements", "notifications"),
    topics.CONTRACTS: ("entitlements",),
    topics.ENTITLEMENTS: ("billing",),
    topics.ADJUSTMENTS: ("notifications",),
    topics.ANNOUNCEMENTS: ("notifications",),
    topics.POLICIES: ("notifications",),
    topics.CUSTOMERS: ("notifications",),
}
_numbers = itertools.count(1)


@dataclass(eq=False)
class Parcel:
    """A published record on its way to one service."""

    reader: str
    topic: str
    key: str
    record: Record
    event_type: str
    data: Any
    times: int = 0

    @property
    def event_id(self) -> str:
        return header(self.record, "ce_id")

    def __repr__(self) -> str:
        return f"{self.event_type} of {self.key} to {self.reader}"


@dataclass
class Life:
    """One life: customers, contracts and incidents of its own, on databases that are shared with others."""

    ground: Ground
    policies: Sequence[Tree]
    chunk_customers: int = 2
    name: str = ""
    parcels: list[Parcel] = field(default_factory=list)
    delivered: list[Parcel] = field(default_factory=list)
    unpublished: dict[str, list[Told]] = field(default_factory=dict)
    set_aside: Counter[str] = field(default_factory=Counter)
    """How much each service has had to set aside."""
    billed: bool = True
    """Whether billing has done something since its contracts were last looked at."""

    def __post_init__(self) -> None:
        self.world = World(self.ground, [policy_of(tree) for tree in self.policies], self.chunk_customers, self.name)
        self.oracle = Oracle(list(self.policies))
        self.ledger, self.mailbox = Ledger(), Mailbox()
        self.runs = Runs(self.world, self.oracle)
        self.approved: set[str] = set()
        self.collect(self.world.entitlements, [])
        self.deliver_all(topics.POLICIES)

    @property
    def prefix(self) -> str:
        """What the names in this life begin with."""
        return self.world.name

    # ── what comes from outside ──────────────────────────────────────────────────────────────────────────────────

    def hold(self, contracts: Sequence[dict[str, Any]]) -> list[Parcel]:
        """Billing comes to know contracts; the news of them is on its way."""
        self.world.hold(contracts)
        return self.collect(self.world.billing, [self.ledger.hold(contract) for contract in contracts])

    def know(self, customer_id: str, email: str | None) -> list[Parcel]:
        """The CRM tells of a customer."""
        data = {"customer_id": customer_id, "name": customer_id, "email": email, "locale": "en"}
        return self._from_outside("customer.changed.v1", topics.CUSTOMERS, customer_id, data)

    def forget(self, customer_id: str) -> list[Parcel]:
        """The CRM forgets a customer."""
        record = self.world.event("customer.changed.v1", customer_id, f"said-{next(_numbers)}", None)
        return self._on_its_way(topics.CUSTOMERS, record, ("tombstone", customer_id, {}))

    def tell_of(self, contract: dict[str, Any]) -> list[Parcel]:
        """A contract is told of that billing does not know."""
        return self._from_outside("contract.changed.v1", topics.CONTRACTS, contract["contract_id"], contract)

    def tell_gone(self, contract_id: str) -> list[Parcel]:
        """A contract is gone."""
        record = self.world.event("contract.changed.v1", contract_id, f"said-{next(_numbers)}", None)
        return self._on_its_way(topics.CONTRACTS, record, ("tombstone", contract_id, {}))

    def say(self, event_type: str, body: dict[str, Any], event_id: str | None = None) -> list[Parcel]:
        """Somebody outside says something of an incident: it is on its way to those who listen."""
        self.world.incidents.add(body["incident_id"])
        return self._from_outside(event_type, topics.INCIDENTS, body["incident_id"], body, event_id)

    def _from_outside(
        self, event_type: str, topic: str, key: str, data: dict[str, Any], event_id: str | None = None
    ) -> list[Parcel]:
        record = self.world.event(event_type, key, event_id or f"said-{next(_numbers)}", data)
        return self._on_its_way(topic, record, (event_type, key, data))

    def _on_its_way(self, topic: str, record: Record, event: Told) -> list[Parcel]:
        sent = [Parcel(reader, topic, event[1], record, event[0], event[2]) for reader in READERS.get(topic, ())]
        self.parcels += sent
        return sent

    # ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────

    def deliver(self, parcels: Sequence[Parcel]) -> None:
        """Deliver parcels of one topic to one reader as one batch; they may have been delivered before."""
        service, topic = self.service(parcels[0].reader), parcels[0].topic
        for parcel in parcels:
            with suppress(ValueError):
                self.parcels.remove(parcel)
            parcel.times += 1
            if parcel.times == 1:
                self.delivered.append(parcel)
        self.billed = self.billed or service is self.world.billing
        waits = self.runs.gate(parcels[0].key) if topic == topics.INCIDENTS else None
        with suppress(LostPublisherError):
            self.world.deliver(service, topic, [parcel.record for parcel in parcels])
        expected, refused = self._oracle_hears(service, topic, parcels, waits)
        if topic == topics.INCIDENTS:
            self.set_aside[service.name] += refused
            assert self._aside(service) == self.set_aside[service.name], f"{refused} of {parcels} had to be set aside"
        self.collect(service, expected)
        if service is self.world.entitlements and topic == topics.INCIDENTS:
            self.runs.look()

    def _oracle_hears(
        self, service: Service, topic: str, parcels: Sequence[Parcel], waits: Any
    ) -> tuple[list[Told], int]:
        """The oracle takes in the same; what ought to be published of it, and how much had to be set aside."""
        expected: list[Told] = []
        refused = 0
        changed: dict[str, Any] = {}
        for parcel in parcels:
            if service.name == "billing":
                answer, accounts = self.ledger.hear(parcel.event_type, parcel.data)
                expected += answer
                changed |= accounts
            elif service.name == "notifications":
                self.mailbox.hear(parcel.event_type, parcel.event_id, parcel.key, parcel.data)
            elif topic == topics.CONTRACTS and parcel.event_type == "tombstone":
                self.oracle.forget_contract(parcel.key)
            elif topic == topics.CONTRACTS:
                self.oracle.hear_contract(parcel.data)
            elif parcel.event_type == "incident.approved.v1":
                refused += not self._approves(parcel, waits)
            else:
                refused += not self.oracle.hear(parcel.event_type, parcel.event_id, parcel.data)
        return expected + [account.news() for account in changed.values()], refused

    def _approves(self, parcel: Parcel, waits: Any) -> bool:
        if parcel.event_id in self.approved:
            return parcel.data["incident_id"] in self.oracle.incidents
        counts = self.runs.approve(parcel.data, waits)
        if counts:
            self.approved.add(parcel.event_id)
        return counts

    def deliver_all(self, *only: str) -> bool:
        """Deliver whatever is on its way, topic by topic, each in its order; whether there was anything."""
        found = False
        while waiting := [parcel for parcel in self.parcels if not only or parcel.topic in only]:
            found = True
            first = waiting[0]
            batch = [one for one in waiting if (one.reader, one.topic) == (first.reader, first.topic)]
            # What is said of an incident is taken in one by one: the oracle asks after each what stands at a gate.
            self.deliver(batch[:1] if first.topic == topics.INCIDENTS else batch)
        return found

    def service(self, name: str) -> Service:
        """A service by its name."""
        return next(service for service in self.world.services if service.name == name)

    def _aside(self, service: Service) -> int:
        query = "SELECT count(*) AS n FROM quarantine WHERE convert_from(key, 'UTF8') = ANY($1::text[])"
        return int(self.world.rows(service, query, list(self.world.incidents))[0]["n"])

    # ── what the services do by themselves ───────────────────────────────────────────────────────────────────────

    def plan(self) -> bool:
        """The planner looks at every open plan once; whether one has moved."""
        with suppress(LostPublisherError):
            self.world.plan()
        moved = self.runs.look()
        self.collect(self.world.entitlements, [])
        return moved

    def decide(self) -> bool:
        """A worker takes one chunk, if there is one."""
        with suppress(LostPublisherError):
            self.world.decide()
        found = self.runs.look()
        self.collect(self.world.entitlements, self.runs.taken())
        return found

    def redeem(self, voucher_id: str, at: str, works: bool | None = None) -> None:
        """A customer redeems a voucher: that succeeds once, and never when it is void or too late."""
        voucher = self.ledger.vouchers[voucher_id]
        moment = datetime.fromisoformat(at)
        in_time = day_at(moment, "Europe/Rome") <= voucher.valid_until
        may = not (voucher.redeemed or voucher.void) and in_time
        assert works in (None, may), f"the oracle says {may}"
        assert self.world.redeem(self.world.code(voucher_id), moment) == may
        voucher.redeemed = voucher.redeemed or may

    def run_again(self, incident_id: str) -> None:
        """An operator has the revision in force run once more."""
        self.world.run_again(incident_id)
        self.runs.look()

    def send_letters(self) -> bool:
        """Letters that are due are sent; whether there were any."""
        seen = True
        with suppress(LostPublisherError):
            seen = self.world.see_to_letters()
        sent = self.world.send_letters()
        for letter in sent:
            self.mailbox.put(letter)
        self.collect(self.world.notifications, [])
        return seen or bool(sent)

    def die(self, service: Service) -> None:
        """The next thing that the service publishes is lost with its process, after the commit."""
        service.wire.dies = True

    def restart(self) -> None:
        """All processes end and start again: nothing is left but what is in the databases."""
        for service in self.world.services:
            service.wire.dies = False
        self.world.begin()
        for service in self.world.services:
            self.collect(service, self.unpublished.pop(service.name, []))

    def settle(self, letters: bool = True) -> None:
        """Until all is quiet: everything is delivered, planned, decided, and (unless told otherwise) sent."""
        for _ in range(1_000):
            busy = [self.deliver_all(), self.plan(), self.decide()]
            if not any(busy) and not (letters and self.send_letters()) and not self.parcels:
                return
        raise AssertionError("it does not come to rest")

    # ── comparing ────────────────────────────────────────────────────────────────────────────────────────────────

    def collect(self, service: Service, expected: list[Told]) -> list[Parcel]:
        """What a service has published must be what was expected; it is on its way now."""
        if service.wire.unpublished:
            self.unpublished.setdefault(service.name, []).extend(expected)
            return []
        records = [(topic, one) for topic, sent in self.world.published(service).items() for one in sent]
        events = [(topic, record, told(record)) for topic, record in records if not topic.endswith(".dlq")]
        for _, _, (event_type, _, data) in events:
            self._marked(event_type, data)
        same([event for _, _, event in events if event[0] not in BESIDE_THE_BOOKS], expected)
        return [parcel for topic, record, event in events for parcel in self._on_its_way(topic, record, event)]

    def _marked(self, event_type: str, data: Any) -> None:
        """A drill is marked in every event that tells of it, and nothing else is."""
        incident = self.oracle.incidents.get(data.get("incident_id", "")) if data else None
        if incident is not None and incident.in_force:
            assert data.get("drill", False) == incident.drill, f"{event_type} is not marked right: {data}"


def now() -> datetime:
    """For what is ordered by people just now."""
    return datetime.now(UTC)
