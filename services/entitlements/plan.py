"""The plan: a declaration becomes a run over its customers, cut into chunks that several workers share.

A run starts when the projection has read the topic `contracts` up to the end as it stood after the declaration: nobody
is missed because an event was still on its way. A chunk is one transaction: claimed, decided, written, published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from schemas import topics
from schemas.events import IncidentDeclared
from services.entitlements import messages
from services.entitlements.decide import decide
from services.entitlements.domain import Decision
from services.entitlements.facts import by_customer, keep
from services.entitlements.handlers import CUT, PLANNED
from services.entitlements.policy import Policies
from services.entitlements.prepared import Prepared, prepare
from services.entitlements.store import SQL, Chunk, Run, Store
from services.runtime import bell, broker, positions, tally
from services.runtime.database import Pool
from services.runtime.work import Transaction, Workbench

log = structlog.get_logger()

_LOOK_AGAIN_SECONDS = 1.0
_BARRIER_PAUSE_SECONDS = 0.02
_KNOWN_RUNS = 16


class Planner:
    """Brings each plan to its start, and sees when it is done."""

    def __init__(self, pool: Pool, workbench: Workbench, kafka: str, chunk_customers: int) -> None:
        self._pool, self._workbench, self._kafka, self._size = pool, workbench, kafka, chunk_customers

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: look at the plans that are not done, whenever there is one to look at."""
        async with bell.listening(self._pool, PLANNED, stop) as rung:
            while not stop.is_set():
                waits = await self.advance()
                await rung.wait(_BARRIER_PAUSE_SECONDS if waits else _LOOK_AGAIN_SECONDS)

    async def advance(self) -> bool:
        """Move every open plan one step; returns whether one waits for its barrier."""
        waits = False
        for row in await self._pool.fetch(SQL["open_plans"]):
            run = Run(row["incident_id"], row["revision"], row["run"])
            if row["state"] == "declared":
                await self._set_barrier(run)
                waits = True
            elif row["state"] == "waiting":
                waits = not await self._start(run, row["barrier"]) or waits
            else:
                await self._finish(run)
        return waits

    async def _set_barrier(self, run: Run) -> None:
        cluster = await broker.cluster_id(self._kafka)
        ends = await broker.end_offsets(self._kafka, topics.CONTRACTS)
        barrier = {"cluster": cluster, "ends": {str(partition): end for partition, end in ends.items()}}
        await self._pool.execute(SQL["set_barrier"], run.incident_id, run.revision, run.run, barrier)

    async def _start(self, run: Run, barrier: Mapping[str, Any]) -> bool:
        """Cut the run once the barrier is reached; returns whether it was.

        A barrier in a log that was lost would never be: it is set anew.
        """
        ends = {int(partition): end for partition, end in barrier["ends"].items()}
        async with self._pool.acquire() as connection:
            if await positions.is_another_log(connection, topics.CONTRACTS, barrier["cluster"]):
                await self._set_barrier(run)
                return False
            if not await positions.reached(connection, topics.CONTRACTS, ends):
                return False
        customers = await self._workbench.run(partial(self._cut, run))
        if customers is not None:
            log.info("started", incident=run.incident_id, revision=run.revision, run=run.run, customers=customers)
        return True

    async def _cut(self, run: Run, transaction: Transaction) -> int | None:
        store = Store(transaction.connection)
        incident = await store.declaration(run)
        customers = await store.start(run, self._size, incident.scope)
        await bell.ring(transaction.connection, CUT)
        await bell.ring(transaction.connection, PLANNED)
        return customers

    async def _finish(self, run: Run) -> None:
        if await self._pool.fetchval(SQL["finish_plan"], run.incident_id, run.revision, run.run):
            log.info("done", incident=run.incident_id, revision=run.revision, run=run.run)


class Worker:
    """Decides chunks, one after the other, for as long as there are any."""

    def __init__(self, pool: Pool, workbench: Workbench, policies: Policies, lane: str) -> None:
        self._pool, self._workbench, self._policies, self._lane = pool, workbench, policies, lane
        self._prepared: dict[Run, tuple[IncidentDeclared, Prepared]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: decide chunks, and sleep until there are some."""
        async with bell.listening(self._pool, CUT, stop) as rung:
            while not stop.is_set():
                if not await self._workbench.run(self.decide_chunk):
                    await rung.wait(_LOOK_AGAIN_SECONDS)

    async def decide_chunk(self, transaction: Transaction) -> bool:
        """Claim a chunk, decide its customers, write and publish what they are owed; False when there is none."""
        store = Store(transaction.connection)
        chunk = await store.claim_chunk()
        if chunk is None:
            return False
        incident, prepared = await self._prepare(store, chunk.run)
        facts = await store.facts(chunk, incident.scope)
        prior = await store.prior(chunk)
        decisions = [
            decide(prepared, customer, contracts, prior.get(customer, ()))
            for customer, contracts in by_customer(facts).items()
        ]
        await store.record(chunk, decisions)
        await store.finish(chunk, keep(facts))
        totals = await tally.add(transaction.connection, self._counts(chunk, decisions))
        transaction.publish(topics.ENTITLEMENTS, messages.entitlements(incident, prepared.time_zone, decisions))
        transaction.publish(topics.PROGRESS, messages.progress(totals))
        await bell.ring(transaction.connection, PLANNED)
        return True

    async def _prepare(self, store: Store, run: Run) -> tuple[IncidentDeclared, Prepared]:
        """A run's declaration with its policy, compiled once."""
        known = self._prepared.get(run)
        if known is None:
            incident = await store.declaration(run)
            known = incident, prepare(self._policies.named(incident.policy), incident)
            if len(self._prepared) >= _KNOWN_RUNS:
                self._prepared.clear()
            self._prepared[run] = known
        return known

    def _counts(self, chunk: Chunk, decisions: Sequence[Decision]) -> dict[tally.Lane, dict[str, int]]:
        """What a chunk adds to the running totals of this worker's lane."""
        entitled = sum(1 for decision in decisions if decision.grants)
        return {
            (chunk.run.incident_id, self._lane): {
                "considered": len(decisions),
                "entitled": entitled,
                "excluded": sum(1 for decision in decisions if decision.exclusion),
                "remedies": sum(len(decision.grants) for decision in decisions),
            }
        }
