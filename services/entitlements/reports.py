"""Telling what became of an incident: each step is an entry in its audit trail and, of a run, an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from schemas import topics
from services.entitlements import audit, messages
from services.entitlements.store import Run
from services.runtime.work import Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done about an incident: by whom, what, and what is to be known of it."""

    action: str
    detail: Mapping[str, Any]
    actor: str = audit.SYSTEM
    at: datetime | None = None


async def tell(transaction: Transaction, incident_id: str, step: Step) -> int:
    """Keep a step in the audit trail; returns its number there."""
    number = await audit.record(transaction.connection, incident_id, step.actor, step.action, step.detail, step.at)
    log.info(step.action, incident=incident_id, number=number)
    return number


async def tell_run(
    transaction: Transaction,
    run: Run,
    state: str,
    step: Step,
    *,
    drill: bool,
    plan: str | None = None,
    reason: str | None = None,
) -> None:
    """Keep a step in the audit trail, and report the state that it has brought a run to."""
    run_of = {"revision": run.revision, "run": run.run}
    told = Step(step.action, {**run_of, **step.detail}, step.actor, step.at)
    number = await tell(transaction, run.incident_id, told)
    report = messages.run_reported(run, number, state, plan=plan, reason=reason, drill=drill)
    transaction.publish(topics.PROGRESS, report)


def reported(state: str) -> str:
    """A plan's state as it is reported: one that was only declared waits, as one that has its barrier does."""
    return "waiting" if state == "declared" else state
