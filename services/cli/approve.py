"""`amends approve|pause|resume`: what a person orders while an incident runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from schemas.events import IncidentApproved, IncidentPaused, IncidentResumed
from schemas.values import Value
from services.cli.asking import ROOT, Root, Services
from services.cli.errors import CommandError
from services.cli.hold import at_a_gate, expired, hold
from services.cli.orders import ANSWER_SECONDS, Deadline, Name, Order, give, now, say
from services.cli.output import Format, Output, data, print_json
from services.cli.words import listed

Plan = Annotated[str, typer.Option("--plan", help="The hash of the plan that you have looked at.", metavar="HASH")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; it stands in the audit trail.")]
_OPTIONS = {"plan": "--plan", "reason": "--reason"} | dict.fromkeys(("approved_by", "paused_by", "resumed_by"), "--as")


def approve_command(
    incident_id: str,
    plan: Plan,
    name: Name,
    root: Root = ROOT,
    output: Output = Format.TEXT,
    deadline: Deadline = ANSWER_SECONDS,
) -> None:
    """Answer for the very plan that waits: it goes on, up to what it comes to."""
    at = now()
    said = say(
        IncidentApproved, _OPTIONS, incident_id=incident_id, plan=plan, approved_by=name, approved_at=at.isoformat()
    )
    services = Services(root)
    problem = objection(services.incident(incident_id), said, at)
    if problem is not None:
        raise CommandError(problem)
    _give(services, said, output, deadline)


def pause_command(
    incident_id: str,
    name: Name,
    reason: Why = None,
    root: Root = ROOT,
    output: Output = Format.TEXT,
    deadline: Deadline = ANSWER_SECONDS,
) -> None:
    """Let nothing more be decided or sent for an incident until it is resumed."""
    said = say(
        IncidentPaused, _OPTIONS, incident_id=incident_id, paused_by=name, paused_at=now().isoformat(), reason=reason
    )
    services = Services(root)
    if services.incident(incident_id)["paused"]:
        raise CommandError(f"{incident_id} is paused already: `amends resume {incident_id} --as NAME` lets it go on")
    _give(services, said, output, deadline)


def resume_command(
    incident_id: str,
    name: Name,
    root: Root = ROOT,
    output: Output = Format.TEXT,
    deadline: Deadline = ANSWER_SECONDS,
) -> None:
    """Let a paused incident go on."""
    said = say(IncidentResumed, _OPTIONS, incident_id=incident_id, resumed_by=name, resumed_at=now().isoformat())
    services = Services(root)
    if not services.incident(incident_id)["paused"]:
        raise CommandError(f"{incident_id} is not paused: see `amends watch {incident_id}` for how far it is")
    _give(services, said, output, deadline)


def objection(incident: dict[str, Any], said: IncidentApproved, at: datetime) -> str | None:
    """Why an approval cannot count; None when nothing speaks against it."""
    incident_id = incident["incident_id"]
    if not at_a_gate(incident):
        return f"no plan of {incident_id} waits for an approval: see `amends watch {incident_id}` for how far it is"
    waiting = incident["plan"]["hash"]
    if said.plan != waiting:
        return f"plan {said.plan} is not the one that waits, which is {waiting}: look at it, and approve that one"
    if said.approved_by in incident["declared_by"]:
        return (
            f"{said.approved_by} cannot approve it: {listed(incident['declared_by'])} declared {incident_id}, "
            "and somebody else has to answer for it"
        )
    return (hold(incident, at) or "") if expired(incident, at) else None


def _give(services: Services, said: Value, output: Format, deadline: float) -> None:
    """Publish an order, wait until it counts, and say so."""
    order = Order.of(said)
    entry = give(services, order, deadline)
    if output is Format.JSON:
        print_json({"incident_id": order.incident_id, "action": entry["action"], "number": entry["number"]})
    else:
        told = f"{entry['action']} {order.incident_id}, entry {entry['number']} of its audit trail"
        data.print(f"{told}; follow it with: amends watch {order.incident_id}", markup=False)
