"""The world of an incident's life: the three services' own handlers, planner and worker on real databases.

Kafka's part here is order and repetition, and the test has it in its own hands: whatever a service publishes is caught,
and delivered when, in which order and as often as the test wants. A mail relay's part is to say 250. Everything else is
the services' own. Leaves to `oracle` what ought to come out.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID
from zlib import crc32

import orjson
import structlog
import uvloop
from prometheus_client import CollectorRegistry

from schemas import topics
from services.billing import messages as billing_messages
from services.billing.domain import Contract
from services.billing.handlers import Handlers as Billing
from services.billing.store import MIGRATIONS as BILLING
from services.billing.store import SQL as BILLING_SQL
from services.billing.vouchers import Codes
from services.entitlements import messages as entitlements_messages
from services.entitlements.catalogue import Catalogue
from services.entitlements.handlers import Handlers as Entitlements
from services.entitlements.metrics import EntitlementsMetrics
from services.entitlements.plan import Planner
from services.entitlements.policy import Policies, Policy
from services.entitlements.register import Register
from services.entitlements.store import MIGRATIONS as ENTITLEMENTS
from services.entitlements.store import SQL as ENTITLEMENTS_SQL
from services.entitlements.store import Run, identity
from services.entitlements.worker import Worker
from services.notifications.decide import Settled, settle
from services.notifications.domain import Address, Letterhead, Result, Sent
from services.notifications.handlers import Handlers as Notifications
from services.notifications.metrics import LetterMetrics
from services.notifications.retractions import Retractions
from services.notifications.sender import Sender
from services.notifications.store import MIGRATIONS as NOTIFICATIONS
from services.runtime import database
from services.runtime.database import Pool
from services.runtime.envelope import Record
from services.runtime.handling import Route
from services.runtime.metrics import Metrics
from services.runtime.outbox import unpack
from services.runtime.service import MIGRATIONS as RUNTIME
from services.runtime.work import Transaction, Workbench
from tests.integration.wire import Arrived, arrived, events, take_in

T = TypeVar("T")

SECRET = bytes(range(32))
_FOLDERS: Mapping[str, Path] = {"entitlements": ENTITLEMENTS, "billing": BILLING, "notifications": NOTIFICATIONS}
_SECONDS = 30.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class SentLetter:
    """A letter that was in hand: what became of it, the events that it is made of, and the mail itself."""

    letter_id: str
    incident_id: str
    customer_id: str
    kind: str
    state: str
    news: list[Any]
    mail: bytes


class LostPublisherError(Exception):
    """The process died between its commit and its publishing."""


@dataclass
class Wire:
    """What is published lies here by topic until somebody reads it; a relay to a workbench."""

    sent: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    dies: bool = False
    unpublished: list[int] = field(default_factory=list)

    async def publish(self, _connection: object, outbox_id: int, outgoing: Mapping[str, Sequence[Record]]) -> None:
        """Take what a transaction has left; or die before that, once."""
        if self.dies:
            self.dies = False
            self.unpublished.append(outbox_id)
            raise LostPublisherError
        for topic, records in outgoing.items():
            self.sent[topic] += records


class NoBroker(Planner):
    """The planner, but for the question how far the topic went: here it is known, the test delivers."""

    async def _set_barrier(self, run: Run) -> None:
        barrier = {"cluster": "tests", "ends": {}}
        await self._pool.execute(ENTITLEMENTS_SQL["set_barrier"], *identity(run), barrier)


@dataclass
class Service:
    """One service's database, and what it does with its topics."""

    name: str
    pool: Pool
    wire: Wire
    workbench: Workbench
    routes: dict[str, Route] = field(default_factory=dict)

    async def take(self, topic: str, batch: Sequence[Arrived]) -> None:
        """Take in a batch, as the consumer does."""
        await take_in(self.workbench, self.routes[topic], batch)

    async def recover(self) -> None:
        """A process that has started again publishes what one before it had committed, byte for byte."""
        while self.wire.unpublished:
            payload = await self.pool.fetchval(
                "SELECT payload FROM outbox WHERE outbox_id = $1", self.wire.unpublished.pop(0)
            )
            for topic, records in unpack(payload).items():
                self.wire.sent[topic] += records


class Ground:
    """The databases and the loop, made once and shared by all the worlds that come and go on it."""

    def __init__(self, databases: Mapping[str, str]) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.pools: dict[str, Pool] = {}
        for name, dsn in databases.items():
            self.pools[name] = self.run(self._prepared(name, dsn))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it now."""
        return self.loop.run_until_complete(work)

    async def _prepared(self, name: str, dsn: str) -> Pool:
        pool = await database.connect(dsn, size=2, deadline_seconds=_SECONDS, statement_seconds=_SECONDS)
        async with pool.acquire() as connection:
            await database.migrate(connection, [RUNTIME, _FOLDERS[name]])
        return pool

    def wipe(self) -> None:
        """Forget everything: the same names can be used once more."""
        self.run(self._wipe())

    async def _wipe(self) -> None:
        tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'"
        for pool in self.pools.values():
            names = [row[0] for row in await pool.fetch(tables)]
            await pool.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE")

    def close(self) -> None:
        """Let go of the databases."""
        for pool in self.pools.values():
            self.run(database.close(pool))
        self.loop.close()


class World:
    """The three services in one life; customers, contracts and incidents bear names that no other world has."""

    def __init__(self, ground: Ground, policies: Iterable[Policy], chunk_customers: int = 2, name: str = "") -> None:
        self.ground, self.name = ground, name or f"w{next(_numbers)}"
        self.policies = {policy.key: policy for policy in policies}
        self.chunk_customers = chunk_customers
        self.incidents: set[str] = set()
        self.refused: list[str] = []
        self.entitlements, self.billing, self.notifications = (
            self._service(name) for name in ("entitlements", "billing", "notifications")
        )
        self.begin()

    def _service(self, name: str) -> Service:
        pool, wire = self.ground.pools[name], Wire()
        bench = Workbench(pool, wire, Metrics(), seconds=_SECONDS)  # type: ignore[arg-type]  # as good as a relay
        return Service(name, pool, wire, bench)

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """The processes start: nothing is left of what one before had in its memory."""
        self.ground.run(self._begin())

    async def _begin(self) -> None:
        for service in self.services:
            await service.recover()
        catalogue = Catalogue(self.catalogue())
        entitlements, billing = Entitlements(catalogue), Billing(Codes(SECRET))
        bench = self.entitlements.workbench
        await bench.run(catalogue.publish)
        self.planner = NoBroker(bench.pool, bench, catalogue, "", self.chunk_customers)
        self.worker = Worker(bench.pool, bench, catalogue, EntitlementsMetrics(CollectorRegistry()), "w1")
        self.entitlements.routes = {
            topics.INCIDENTS: Route(entitlements_messages.INCIDENTS, entitlements.incidents),
            topics.CONTRACTS: Route(entitlements_messages.CONTRACTS, entitlements.contracts),
        }
        self.billing.routes = {topics.ENTITLEMENTS: Route(billing_messages.ENTITLEMENTS, billing.entitlements)}
        metrics = LetterMetrics(CollectorRegistry())
        self.notifications.routes = Notifications(metrics).routes()
        self.retractions = Retractions(self.notifications.workbench, metrics)
        # Without a mailer and a journal: a letter is written by the real sender, and the test says what the relay said.
        self.sender = Sender(
            self.notifications.workbench, None, None, Letterhead(Address("care@amends.example")), metrics,  # type: ignore[arg-type]
            language="en", worker="w1", at_most=100, abandoned_after=timedelta(hours=1),
        )  # fmt: skip

    @property
    def services(self) -> tuple[Service, Service, Service]:
        return self.entitlements, self.billing, self.notifications

    def catalogue(self) -> Policies:
        """The policies as the service finds them in its folder."""
        return Policies(self.policies)

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────────────────────

    def published(self, service: Service) -> dict[str, list[Record]]:
        """What a service has published since this was last asked, by topic."""
        sent, service.wire.sent = service.wire.sent, defaultdict(list)
        return dict(sent)

    def deliver(self, service: Service, topic: str, records: Sequence[Record]) -> None:
        """One batch of a topic to a service; each record lies in the partition of its key."""
        batch = [arrived(topic, [record], crc32(record.key or b"") % 8)[0] for record in records]
        self.ground.run(service.take(topic, batch))

    def event(self, event_type: str, key: str, event_id: str, data: Any) -> Record:
        """An event from outside."""
        return events(event_type, (key, event_id, data))[0]

    # ── what the services do by themselves ───────────────────────────────────────────────────────────────────────

    def plan(self) -> None:
        """The planner looks at every open plan once."""
        self.ground.run(self.planner.advance())

    def decide(self) -> bool:
        """A worker takes one chunk, if there is one."""
        return self.ground.run(self.entitlements.workbench.run(self.worker.decide_chunk)) is not None

    def run_again(self, incident_id: str) -> None:
        """An operator has an incident run once more."""

        async def plan(transaction: Transaction) -> None:
            await Register(transaction.connection).plan(incident_id)

        self.ground.run(self.entitlements.workbench.run(plan))

    def hold(self, contracts: Sequence[Mapping[str, Any]]) -> None:
        """Billing imports contracts, and tells of those that are new or changed."""
        self.ground.run(self.billing.workbench.run(partial(_import, contracts)))

    def code(self, voucher_id: str) -> str:
        """What the customer has in his letter."""
        return Codes(SECRET).code(voucher_id)

    def redeem(self, code: str, at: Any) -> bool:
        """A customer redeems a voucher; whether that was the one time."""
        row = self.ground.run(
            self.billing.pool.fetchval(BILLING_SQL["redeem_voucher"], Codes(SECRET).hashed(code), at, "Europe/Rome")
        )
        return row is not None

    def see_to_letters(self) -> bool:
        """What a retraction makes of letters that have not left; whether there was something to see to."""
        return self.ground.run(self.notifications.workbench.run(self.retractions.see_to_some)) > 0

    def send_letters(self, result: Result | None = None) -> list[SentLetter]:
        """Letters that are due are written and handed to a relay, which says 250; a drill's go to nobody."""
        return self.ground.run(self._send(result or Sent("250 2.0.0 Ok")))

    async def _send(self, result: Result) -> list[SentLetter]:
        bench = self.notifications.workbench
        claimed = await bench.run(self.sender._claim)
        handful = self.sender._written(claimed)
        mails = {mail.letter_id: bytes(mail.data) for mail in handful.mails}
        settled: list[tuple[UUID, Settled]] = [
            *handful.settled, *((letter_id, settle(result, handful.attempts[letter_id])) for letter_id in mails)
        ]  # fmt: skip
        if settled:
            with suppress(LostPublisherError):  # the mails have left all the same
                await bench.run(partial(self.sender._record, settled))
        states = {letter_id: one.state.value for letter_id, one in settled}
        return [
            SentLetter(
                str(one.letter_id), one.incident_id, one.customer_id, one.kind, states[one.letter_id],
                [orjson.loads(news) for news in one.news], mails.get(one.letter_id, b""),
            )
            for one in claimed
        ]  # fmt: skip

    # ── what is in the books ─────────────────────────────────────────────────────────────────────────────────────

    def rows(self, service: Service, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows, as plain values."""
        found = self.ground.run(service.pool.fetch(query, *arguments))
        return [{name: plain(value) for name, value in row.items()} for row in found]

    def end(self) -> None:
        """What is still open is nobody's business any more."""

        async def clear() -> None:
            mine = list(self.incidents)
            for service, tables in (
                (self.entitlements, ("chunk", "plan")),
                (self.notifications, ("incident", "pause")),
            ):
                for table in tables:
                    await service.pool.execute(f"DELETE FROM {table} WHERE incident_id = ANY($1::text[])", mine)

            # `everyone` is everyone in the table.
            await self.entitlements.pool.execute(
                "DELETE FROM contract WHERE starts_with(customer_id, $1)", f"{self.name}-"
            )

        self.ground.run(clear())


_HELD = """
INSERT INTO contract (contract_id, customer_id, family, product, site, starts_on, base_ends_on, base_terminated_on,
                      monthly_fee, currency, addons, attributes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


async def _import(contracts: Sequence[Mapping[str, Any]], transaction: Transaction) -> None:
    """What an import comes to for contracts that are new."""
    known = [_row(contract) for contract in contracts]
    await transaction.connection.executemany(_HELD, known)
    told = [Contract._make((*row[:10], tuple(row[10]), row[11], 1, ())) for row in known]
    transaction.publish(topics.CONTRACTS, billing_messages.contracts(told))


def _row(contract: Mapping[str, Any]) -> tuple[Any, ...]:
    fee = contract.get("monthly_fee")
    days = [contract.get(name) for name in ("starts_on", "ends_on", "terminated_on")]
    return (
        *(contract.get(name) for name in ("contract_id", "customer_id", "family", "product", "site")),
        *(day and date.fromisoformat(day) for day in days),
        fee and Decimal(fee["amount"]), fee and fee["currency"], list(contract.get("addons", ())),
        contract.get("attributes", {}),
    )  # fmt: skip


def plain(value: Any) -> Any:
    """A value of the database as one that is easily compared: ids and dates as text, amounts without their zeros."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return str(value)


def data_of(record: Record) -> Any:
    """What a record's event says."""
    return None if record.value is None else orjson.loads(record.value)


def header(record: Record, name: str) -> str:
    """A record's header."""
    return dict(record.headers)[name].decode()
