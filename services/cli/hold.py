"""What keeps an incident from going on, in words, with the command that lets it: pure, from what entitlements says.

Only what a person has to do counts: what goes on by itself is no hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.cli.words import listed, money, worth

Incident = Mapping[str, Any]
"""An incident as `GET /incidents/{id}` tells it."""

STATES = {
    "held": "waits for a revision",
    "waiting": "waits for the contracts",
    "declared": "waits for the contracts",
    "forecasting": "reckons what it will come to",
    "approval": "waits for approval",
    "canary": "decides the first customers",
    "running": "decides",
    "paused": "is paused",
    "halted": "is halted at the ceiling",
    "superseded": "is superseded",
    "done": "is decided",
}
"""What each state of a run is called on a screen."""


def hold(incident: Incident, now: datetime) -> str | None:
    """What an incident waits for that only a person can do, and how to do it; None when it goes on by itself."""
    incident_id = incident["incident_id"]
    if incident.get("waits_for") is not None:
        number = incident["waits_for"]
        verb = "declare" if number == 1 else "amend"
        return f"waits for revision {number}, which has not come: `amends {verb} FILE` with that revision"
    if incident.get("paused"):
        return f"is paused: `amends resume {incident_id} --as NAME` lets it go on"
    if at_a_gate(incident):
        return f"{_why(incident)}\n{_how(incident, now)}"
    return None


def at_a_gate(incident: Incident) -> bool:
    """Whether a plan waits for a person's approval."""
    return bool(incident.get("gate")) and incident.get("plan") is not None and incident["state"] != "done"


def expired(incident: Incident, now: datetime) -> bool:
    """Whether the plan that waits could be approved until a while ago only."""
    until = incident["plan"].get("expires_at")
    return until is not None and now > datetime.fromisoformat(until)


def approval(incident: Incident) -> str:
    """The command that approves the plan that waits."""
    return f"amends approve {incident['incident_id']} --plan {incident['plan']['hash']} --as NAME"


def _why(incident: Incident) -> str:
    reason = f": {incident['reason']}" if incident.get("reason") else ""
    if incident["gate"] == "ceiling":
        spent, allowed = incident.get("spent") or {}, incident.get("allowed") or {}
        return f"is halted at the ceiling, {money(spent)} granted of {money(allowed)} allowed{reason}"
    return f"waits for approval{reason}"


def _how(incident: Incident, now: datetime) -> str:
    plan = incident["plan"]
    if expired(incident, now):
        return (
            f"the plan could be approved until {plan['expires_at']}: "
            f"`amends rerun {incident['incident_id']}` makes it anew"
        )
    return f"plan {plan['hash']}{_comes_to(plan)}\n{approval(incident)}{_not_by(incident)}"


def _comes_to(plan: Mapping[str, Any]) -> str:
    """What a plan comes to at most, in one line."""
    forecast = plan.get("forecast")
    if not forecast:
        return ""
    entitled = forecast["customers"]["entitled"]
    return f": {entitled:,} customers, {worth(forecast)} at most"


def _not_by(incident: Incident) -> str:
    declarers = incident.get("declared_by")
    return f"   (anybody but {listed(declarers)})" if declarers else ""
