"""The worker: decides chunks, one after the other, each in one transaction: claimed, decided, written, published.

A chunk is forecast by the very same way, without the writing. Under a budget the run halts before the chunk that would
take the incident past what is allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from schemas import topics
from services.entitlements import gates, messages, money
from services.entitlements.bells import CUT, PLANNED
from services.entitlements.cases import Case, Cases, Decided, decide_range
from services.entitlements.catalogue import Catalogue
from services.entitlements.domain import Decision
from services.entitlements.facts import keep
from services.entitlements.forecast import Forecast
from services.entitlements.metrics import EntitlementsMetrics
from services.entitlements.money import Money
from services.entitlements.register import Register
from services.entitlements.reports import Step, tell_run
from services.entitlements.store import SQL, Chunk, Store
from services.runtime import bell, tally
from services.runtime.database import Pool
from services.runtime.work import Transaction, Workbench

_LOOK_AGAIN_SECONDS = 1.0


class Worker:
    """Decides chunks for as long as there are any."""

    def __init__(
        self, pool: Pool, workbench: Workbench, catalogue: Catalogue, metrics: EntitlementsMetrics, lane: str
    ) -> None:
        self._pool, self._workbench, self._lane = pool, workbench, lane
        self._cases, self._metrics = Cases(catalogue), metrics

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: decide chunks, and sleep until there are some."""
        async with bell.listening(self._pool, CUT, stop) as rung:
            while not stop.is_set():
                if not await self.work():
                    await rung.wait(_LOOK_AGAIN_SECONDS)

    async def work(self) -> bool:
        """Work off one chunk, and count what was decided once it is committed; False when there is none."""
        done = await self._workbench.run(self.decide_chunk)
        if done is None:
            return False
        drill, decisions = done
        self._metrics.count(drill, decisions)
        return True

    async def decide_chunk(self, transaction: Transaction) -> tuple[bool, Sequence[Decision]] | None:
        """Claim a chunk, and forecast or decide it: whether it is a drill's, and what was decided; None without one."""
        store = Store(transaction.connection)
        chunk = await store.claim_chunk()
        if chunk is None:
            return None
        case = await self._cases.of(transaction.connection, chunk.run)
        done = await decide_range(store, case, chunk.range)
        drill = case.statement.drill
        if chunk.only_forecast:
            await store.foresee(chunk, Forecast.of(done.decisions).to_json())
            await bell.ring(transaction.connection, PLANNED)
            return drill, ()
        if chunk.limited and not await self._within_budget(transaction, store, chunk, case, done):
            return drill, ()
        await self._write(transaction, store, chunk, case, done)
        return drill, done.decisions

    async def _write(self, transaction: Transaction, store: Store, chunk: Chunk, case: Case, done: Decided) -> None:
        """Write what a chunk's customers are owed, and publish it."""
        decisions, drill = done.decisions, case.statement.drill
        await store.record(chunk, decisions, drill)
        await _take_off(transaction, case, decisions)
        await store.finish(chunk, keep(done.facts))
        totals = await tally.add(transaction.connection, self._counts(chunk, decisions))
        voice = messages.voice(case.prepared, case.policy.letters)
        transaction.publish(topics.ENTITLEMENTS, messages.withdrawals(voice, decisions))
        transaction.publish(topics.ENTITLEMENTS, messages.entitlements(voice, decisions))
        transaction.publish(topics.ANNOUNCEMENTS, messages.announcements(voice, decisions))
        drills = [chunk.run.incident_id] if drill else []
        transaction.publish(topics.PROGRESS, messages.progress(totals, drills))
        await bell.ring(transaction.connection, PLANNED)

    async def _within_budget(
        self, transaction: Transaction, store: Store, chunk: Chunk, case: Case, done: Decided
    ) -> bool:
        """Count a chunk's money; or halt the run, when it would take the incident past what is allowed."""
        register, run = Register(transaction.connection), chunk.run
        held = await register.hold(run.incident_id)
        plan = await register.hold_plan(run)
        assert held is not None, "a chunk is of an incident"
        forecast = Forecast.of(done.decisions)
        spent, allowed, more = money.read(held["spent"]), money.read(plan["allowed"]), forecast.money()
        beyond = gates.beyond(allowed, spent, more)
        if not beyond:
            total = money.told(money.added(spent, more))
            await transaction.connection.execute(SQL["spend"], run.incident_id, total)
            return True
        await store.foresee(chunk, forecast.to_json())
        hashed = gates.gate_hash(plan["hash"], "ceiling", spent)
        reason = _halted(beyond, spent, allowed)
        await register.move(
            run,
            "halted",
            gate="ceiling",
            plan=hashed,
            reason=reason,
            valid_for=case.policy.approval_valid_for,
        )
        detail = {"plan": hashed, "spent": money.told(spent), "allowed": money.told(allowed), "reason": reason}
        await tell_run(
            transaction, run, "halted", Step("halted", detail), drill=held["drill"], plan=hashed, reason=reason
        )
        return False

    def _counts(self, chunk: Chunk, decisions: Sequence[Decision]) -> Mapping[tally.Lane, Mapping[str, int]]:
        """What a chunk adds to the running totals of this worker's lane."""
        counts: dict[str, Any] = {
            "considered": len(decisions),
            "entitled": sum(1 for decision in decisions if decision.grants),
            "excluded": sum(1 for decision in decisions if decision.exclusion),
            "remedies": sum(len(decision.grants) for decision in decisions),
        }
        withdrawals = sum(len(decision.withdrawals) for decision in decisions)
        if withdrawals:
            counts["withdrawals"] = withdrawals
        return {(chunk.run.incident_id, self._lane): counts}


async def _take_off(transaction: Transaction, case: Case, decisions: Sequence[Decision]) -> None:
    """What is taken back is no longer spent."""
    taken = money.added(
        *[
            {withdrawn.currency: -withdrawn.quantity}
            for decision in decisions
            for withdrawn in decision.withdrawals
            if withdrawn.currency is not None and not withdrawn.honoured
        ]
    )
    if taken and case.policy.budget:
        held = await Register(transaction.connection).hold(case.statement.incident_id)
        assert held is not None, "a case is of an incident"
        spent = money.told(money.added(money.read(held["spent"]), taken))
        await transaction.connection.execute(SQL["spend"], case.statement.incident_id, spent)


def _halted(beyond: Money, spent: Money, allowed: Money) -> str:
    """Why a run halts, by currency."""
    spent_so_far, limit = money.told(spent), money.told(allowed)
    return "; ".join(
        f"{spent_so_far.get(currency, '0')} {currency} are granted, the next customers would make it {amount}, "
        f"and {limit.get(currency, '0')} is allowed"
        for currency, amount in money.told(beyond).items()
    )
