"""What people order while an incident runs: pause it, resume it, answer for a plan.

An approval that does not count is refused with the reason, and the refusal is kept in the audit trail; an order that
was heard before changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from schemas.events import IncidentApproved, IncidentPaused, IncidentResumed
from services.entitlements import gates, money
from services.entitlements.bells import CUT, PLANNED
from services.entitlements.catalogue import Catalogue
from services.entitlements.money import Money
from services.entitlements.policy import Policy
from services.entitlements.register import Register
from services.entitlements.reports import Step, reported, tell, tell_run
from services.entitlements.store import SQL, Run, identity
from services.runtime import bell
from services.runtime.envelope import Message
from services.runtime.work import Transaction

Plan: TypeAlias = Mapping[str, Any]
"""A plan that stands at a gate, as `Register.at_a_gate` gives it."""


async def pause(message: Message, transaction: Transaction) -> None:
    """Pause or resume an incident, known or not; of two orders the later one counts. It is never refused.

    One that comes before its incident stops it as soon as it is declared: whoever stops something has a reason.
    """
    order: IncidentPaused | IncidentResumed = message.data
    register = Register(transaction.connection)
    held = await register.hold(order.incident_id) or await register.meet(order.incident_id, drill=False)
    if isinstance(order, IncidentPaused):
        at, reason = order.paused_at, order.reason
        step = Step("paused", {"event_id": message.event_id, "reason": reason}, order.paused_by, at)
    else:
        at, reason = order.resumed_at, None
        step = Step("resumed", {"event_id": message.event_id}, order.resumed_by, at)
    paused = isinstance(order, IncidentPaused)
    if not await register.order(order.incident_id, paused, at, message.event_id):
        return
    last = await transaction.connection.fetchrow(SQL["incident"], order.incident_id)
    if last["run"] is None:
        await tell(transaction, order.incident_id, step)
    else:
        run = Run(order.incident_id, last["plan_revision"], last["run"])
        state = "paused" if paused else reported(last["state"])
        await tell_run(transaction, run, state, step, drill=held["drill"], plan=last["hash"], reason=reason)
    await bell.ring(transaction.connection, PLANNED)
    await bell.ring(transaction.connection, CUT)


async def approve(catalogue: Catalogue, message: Message, transaction: Transaction) -> str | None:
    """Let the plan that waits go on, if this is it; returns why the approval is refused, if it is."""
    approval: IncidentApproved = message.data
    register = Register(transaction.connection)
    held = await register.hold(approval.incident_id)
    if held is None:
        return f"there is no incident {approval.incident_id}: declare it first"
    if await register.was_approved(approval.incident_id, message.event_id):
        return None
    plan = await register.at_a_gate(approval.incident_id)
    statements = await register.statements(approval.incident_id)
    reason = _objection(approval, plan, {statement.declared_by for statement in statements})
    who = (approval.approved_by, approval.approved_at)
    if plan is None or reason is not None:
        detail = {"event_id": message.event_id, "plan": approval.plan, "reason": reason}
        await tell(transaction, approval.incident_id, Step("refused", detail, *who))
        return reason
    await register.approve(approval, message.event_id)
    policy = await catalogue.named(transaction.connection, statements[-1].policy)
    run = Run(approval.incident_id, plan["revision"], plan["run"])
    allowed = await _allowed(register, run, plan, policy, money.read(held["spent"]))
    await register.allow(run, allowed)
    chunks = await transaction.connection.fetchrow(SQL["open_chunks_of_plan"], *identity(run))
    state = "canary" if chunks["canary"] else "running"
    await register.move(run, state)
    answered = {"event_id": message.event_id, "plan": approval.plan, "gate": plan["gate"], "allowed": allowed}
    step = Step("approved", answered, *who)
    await tell_run(transaction, run, state, step, drill=held["drill"], plan=approval.plan)
    await bell.ring(transaction.connection, CUT)
    return None


def _objection(approval: IncidentApproved, plan: Plan | None, declarers: set[str]) -> str | None:
    """Why an approval does not count, if so."""
    if plan is None:
        return f"no plan of incident {approval.incident_id} waits for an approval"
    if plan["hash"] != approval.plan:
        return f"plan {approval.plan} is not the one that waits: approve {plan['hash']} after looking at it"
    if approval.approved_by in declarers:
        return f"{approval.approved_by} declared the incident: somebody else has to approve it"
    if approval.approved_at > plan["expires_at"]:
        return f"the plan could be approved until {plan['expires_at'].isoformat()}: run it again, and approve that one"
    return None


async def _allowed(register: Register, run: Run, plan: Plan, policy: Policy, spent: Money) -> Mapping[str, str] | None:
    """What the incident may come to from here: by the plan's gate."""
    if plan["gate"] == "rest" or not policy.budget:
        allowed: Mapping[str, str] | None = plan["allowed"]
        return allowed
    foreseen = (await register.foreseen(run)).money()
    if plan["gate"] == "start":
        return money.told(gates.approved(policy, spent, foreseen))
    return money.told(money.added(spent, foreseen))
