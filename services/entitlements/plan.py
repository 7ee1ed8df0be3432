"""The plan: what is in force becomes a run over its customers, and goes from state to state until it is done.

declared → waiting (for the projection to have read `contracts` as far as the topic went then: nobody is missed because
an event was still on its way) → forecasting, where the policy wants to know beforehand → approval, where a person has
to answer for it → canary → running → done. Leaves the deciding of chunks to the workers, what people order to `orders`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

from schemas import topics
from services.entitlements import gates, money
from services.entitlements.bells import CUT, PLANNED
from services.entitlements.cases import Case, make, merges
from services.entitlements.catalogue import Catalogue
from services.entitlements.forecast import plan_hash
from services.entitlements.money import Money
from services.entitlements.register import Register
from services.entitlements.reports import Step, tell_run
from services.entitlements.store import SQL, Run, Store, identity
from services.runtime import bell, broker, positions
from services.runtime.database import Pool
from services.runtime.work import Transaction, Workbench

_LOOK_AGAIN_SECONDS = 1.0
_BARRIER_PAUSE_SECONDS = 0.02

_Step: TypeAlias = Callable[[Transaction, Case, Mapping[str, Any]], Awaitable[None]]


class Planner:
    """Brings each plan from state to state."""

    def __init__(
        self, pool: Pool, workbench: Workbench, catalogue: Catalogue, kafka: str, chunk_customers: int
    ) -> None:
        self._pool, self._workbench, self._catalogue = pool, workbench, catalogue
        self._kafka, self._size = kafka, chunk_customers

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: look at the plans that are not done, whenever there is one to look at."""
        async with bell.listening(self._pool, PLANNED, stop) as rung:
            while not stop.is_set():
                waits = await self.advance()
                await rung.wait(_BARRIER_PAUSE_SECONDS if waits else _LOOK_AGAIN_SECONDS)

    async def advance(self) -> bool:
        """Move every plan one step that can go one; returns whether one waits for its barrier."""
        waits = False
        for row in await self._pool.fetch(SQL["plans_to_move"]):
            run = Run(row["incident_id"], row["revision"], row["run"])
            if row["state"] == "declared":
                await self._set_barrier(run)
                waits = True
            elif row["state"] == "waiting":
                waits = not await self._start(run, row["barrier"]) or waits
            else:
                step = {"forecasting": self._offer, "canary": self._end_canary, "running": self._finish}[row["state"]]
                await self._workbench.run(partial(self._step, run, row["state"], step))
        return waits

    # ── the barrier ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _set_barrier(self, run: Run) -> None:
        cluster = await broker.cluster_id(self._kafka)
        ends = await broker.end_offsets(self._kafka, topics.CONTRACTS)
        barrier = {"cluster": cluster, "ends": {str(partition): end for partition, end in ends.items()}}
        await self._pool.execute(SQL["set_barrier"], *identity(run), barrier)

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
        await self._workbench.run(partial(self._step, run, "waiting", self._cut))
        return True

    # ── one step in one transaction ───────────────────────────────────────────────────────────────────────────────

    async def _step(self, run: Run, state: str, step: _Step, transaction: Transaction) -> None:
        """Take a plan one step on, unless somebody else has done so."""
        register = Register(transaction.connection)
        held = await register.hold(run.incident_id)
        plan = await register.hold_plan(run)
        if held is None or held["paused"] or held["held"] or plan["state"] != state:
            return
        statements = await register.statements(run.incident_id, run.revision)
        policy = await self._catalogue.named(transaction.connection, statements[-1].policy)
        chunks = await transaction.connection.fetchrow(SQL["open_chunks_of_plan"], *identity(run))
        await step(transaction, make(policy, statements), {**plan, **chunks, "run": run, "spent": held["spent"]})

    async def _cut(self, transaction: Transaction, case: Case, plan: Mapping[str, Any]) -> None:
        run, policy, statement = plan["run"], case.policy, case.statement
        canary = policy.canary.customers if policy.canary and run.run == 1 and not statement.retracted else 0
        store = Store(transaction.connection)
        ranges = await store.ranges(case.whom, self._size, canary)
        customers = await store.cut(run, ranges, canary > 0)
        forecast = gates.wants_forecast(policy, statement)
        state = "forecasting" if forecast else "canary" if canary and ranges else "running"
        await Register(transaction.connection).move(run, state)
        detail = {"customers": customers, "policy": policy.key, "policy_digest": policy.digest}
        step = Step("forecasting" if forecast else "started", detail)
        await tell_run(transaction, run, state, step, drill=statement.drill)
        await bell.ring(transaction.connection, CUT)
        await bell.ring(transaction.connection, PLANNED)

    async def _offer(self, transaction: Transaction, case: Case, plan: Mapping[str, Any]) -> None:
        """What the run will come to is known: within what the policy allows it goes on, else a person is asked."""
        run, policy, register = plan["run"], case.policy, Register(transaction.connection)
        forecast = await register.foreseen(run)
        hashed = plan_hash(run.incident_id, run.revision, policy.digest, forecast)
        await transaction.connection.execute(SQL["foresee"], *identity(run), forecast.to_json(), hashed)
        spent, more = money.read(plan["spent"]), forecast.money()
        limit = gates.without_approval(policy)
        beyond = gates.beyond(limit, spent, more) if policy.budget else {}
        detail = {"plan": hashed, "comes_to": money.told(money.added(spent, more)), "days": forecast.days()}
        if beyond:
            reason = f"the incident would come to {_in_words(beyond)}; nobody is asked up to {_in_words(limit)}"
            await self._ask(transaction, case, run, hashed, "start", reason, detail)
            return
        await register.allow(run, money.told(limit) if policy.budget else None)
        state = "canary" if plan["canary"] else "running"
        await register.move(run, state)
        await tell_run(transaction, run, state, Step("started", detail), drill=False, plan=hashed)
        await bell.ring(transaction.connection, CUT)

    async def _end_canary(self, transaction: Transaction, case: Case, plan: Mapping[str, Any]) -> None:
        """The first customers are done: the rest follows after a while, or when a person has approved it."""
        run, canary, register = plan["run"], case.policy.canary, Register(transaction.connection)
        assert canary is not None, "a canary is cut for a policy that has one"
        drill = case.statement.drill
        if plan["due"] or (drill and canary.then == "approval") or not plan["open"]:
            await register.move(run, "running")
            await tell_run(transaction, run, "running", Step("rest", {}), drill=drill, plan=plan["hash"])
            await bell.ring(transaction.connection, CUT)
            await bell.ring(transaction.connection, PLANNED)
        elif isinstance(canary.then, timedelta):
            if plan["due"] is None:
                await transaction.connection.execute(SQL["go_on_later"], *identity(run), canary.then)
                reason = f"the first {canary.customers} customers are done: the rest follows after {canary.then}"
                await register.move(run, "canary", reason=reason)
                step = Step("waits", {"reason": reason})
                await tell_run(transaction, run, "canary", step, drill=drill, plan=plan["hash"], reason=reason)
        else:
            hashed = gates.gate_hash(plan["hash"], "rest", money.read(plan["spent"]))
            reason = f"the first {canary.customers} customers are done: look at them, and approve the rest"
            await self._ask(transaction, case, run, hashed, "rest", reason, {"plan": hashed})

    async def _ask(
        self,
        transaction: Transaction,
        case: Case,
        run: Run,
        plan: str,
        gate: str,
        reason: str,
        detail: Mapping[str, Any],
    ) -> None:
        """Stand at a gate until a person approves the plan."""
        register = Register(transaction.connection)
        await register.move(
            run, "approval", gate=gate, plan=plan, reason=reason, valid_for=case.policy.approval_valid_for
        )
        step = Step("asked", {**detail, "gate": gate, "reason": reason})
        await tell_run(transaction, run, "approval", step, drill=False, plan=plan, reason=reason)

    async def _finish(self, transaction: Transaction, case: Case, plan: Mapping[str, Any]) -> None:
        run, register = plan["run"], Register(transaction.connection)
        await register.move(run, "done")
        totals = dict(await transaction.connection.fetchrow(SQL["run_totals"], *identity(run)))
        step = Step("done", {"customers": plan["customers"], **totals})
        await tell_run(transaction, run, "done", step, drill=case.statement.drill, plan=plan["hash"])
        if totals["taken_back"] and merges(case.policy):
            await self._pay_again(transaction, case)

    async def _pay_again(self, transaction: Transaction, case: Case) -> None:
        """What this incident took back it no longer pays for: those beside it are run again, for the difference."""
        register = Register(transaction.connection)
        beside = make(case.policy, case.statements, await register.kin(case.statement)).neighbours
        for neighbour in beside:
            await register.plan(neighbour.incident_id)
        await bell.ring(transaction.connection, PLANNED)


def _in_words(sums: Money) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in money.told(sums).items()) or "nothing"
