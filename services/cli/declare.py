"""`amends declare|amend|resolve|retract`: the revisions of an incident, published on Kafka as a pipeline would.

What entitlements would refuse is said before anything is published, as far as it can be known by then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from schemas.events import IncidentAmended, IncidentDeclared, IncidentResolved, IncidentRetracted
from schemas.statements import ImpossibleRevisionError, IncidentEvent, Statement, event, in_force
from services.cli.asking import ROOT, Root, Services, part
from services.cli.declarations import File, read
from services.cli.errors import CommandError
from services.cli.orders import ANSWER_SECONDS, Deadline, Name, Order, give, now, say
from services.cli.output import Format, Output, data, print_json

At = Annotated[str, typer.Option("--at", help="When the impact ended, with an offset.", metavar="INSTANT")]
DeclaredAt = Annotated[
    str | None, typer.Option("--declared-at", help="What counts as now for this revision.", metavar="INSTANT")
]
Reason = Annotated[str, typer.Option("--reason", help="Why it is taken back; it stands in the audit trail.")]
_OPTIONS = {"ends_at": "--at", "declared_by": "--as", "declared_at": "--declared-at", "reason": "--reason"}


def declare_command(
    file: File, root: Root = ROOT, output: Output = Format.TEXT, deadline: Deadline = ANSWER_SECONDS
) -> None:
    """Declare the incident that a YAML or JSON file describes, or state it anew (a revision above 1)."""
    said = read(file)
    services = Services(root)
    _publish(services, said, history(services, said.incident_id), output, deadline, file)


def amend_command(
    file: File, root: Root = ROOT, output: Output = Format.TEXT, deadline: Deadline = ANSWER_SECONDS
) -> None:
    """State an incident anew, whole, as its next revision: more or fewer sites, another window; or reopen it."""
    said = read(file)
    services = Services(root)
    events = history(services, said.incident_id)
    if not events:
        raise CommandError(f"{file.name}: nobody declared incident {said.incident_id} yet: use `amends declare`")
    following = next_revision(events)
    if said.revision == 1 or said.revision not in {*events, following}:
        raise CommandError(
            f"{file.name}: revision: {said.revision} is not the next one of {said.incident_id}: write {following}"
        )
    _publish(services, said, events, output, deadline, file)


def resolve_command(
    incident_id: str,
    at: At,
    name: Name,
    root: Root = ROOT,
    output: Output = Format.TEXT,
    declared_at: DeclaredAt = None,
    deadline: Deadline = ANSWER_SECONDS,
) -> None:
    """Say when the impact ended: rules that wait for the end are decided now."""
    services = Services(root)
    events = _known(services, incident_id)
    stands = latest(events)
    if stands is not None and stands.retracted:
        raise CommandError(f"{incident_id} was taken back: to reopen it, state it anew with `amends amend FILE`")
    said = say(
        IncidentResolved, _OPTIONS, incident_id=incident_id, revision=max(events) + 1, ends_at=at,
        declared_by=name, declared_at=declared_at or now().isoformat(),
    )  # fmt: skip
    _publish(services, said, events, output, deadline)


def retract_command(
    incident_id: str,
    reason: Reason,
    name: Name,
    root: Root = ROOT,
    output: Output = Format.TEXT,
    declared_at: DeclaredAt = None,
    deadline: Deadline = ANSWER_SECONDS,
) -> None:
    """Take an incident back: what is unsent is cancelled, what was granted honoured or reversed, as the policy says."""
    services = Services(root)
    events = _known(services, incident_id)
    last = max(events)
    if isinstance(events[last], IncidentRetracted):
        raise CommandError(f"{incident_id} was taken back already, as revision {last}, by {events[last].declared_by}")
    said = say(
        IncidentRetracted, _OPTIONS, incident_id=incident_id, revision=last + 1, reason=reason,
        declared_by=name, declared_at=declared_at or now().isoformat(),
    )  # fmt: skip
    _publish(services, said, events, output, deadline)


def history(services: Services, incident_id: str) -> dict[int, IncidentEvent]:
    """What was said of an incident, by revision; nothing of one that nobody declared."""
    try:
        known = services.get("entitlements", f"/incidents/{part(incident_id)}")
    except KeyError:
        return {}
    return {told["revision"]: event(told["type"], told["body"]) for told in known["revisions"]}


def _known(services: Services, incident_id: str) -> dict[int, IncidentEvent]:
    """What was said of an incident; raises `CommandError` when nobody declared it."""
    services.incident(incident_id)
    return history(services, incident_id)


def objection(events: Mapping[int, IncidentEvent], said: IncidentEvent) -> str | None:
    """Why a revision cannot count, from what was said before; None when nothing speaks against it."""
    before = events.get(said.revision)
    if before is not None and before.model_dump() != said.model_dump():
        return (
            f"incident {said.incident_id} revision {said.revision} was declared before with another body: "
            f"declare what has changed as revision {max(events) + 1}"
        )
    try:
        in_force([*events.values(), said])
    except ImpossibleRevisionError as error:
        return str(error)
    return None


def _publish(
    services: Services,
    said: IncidentEvent,
    events: Mapping[int, IncidentEvent],
    output: Format,
    deadline: float,
    file: Path | None = None,
) -> None:
    """Publish a revision unless something speaks against it, wait until it counts, and say what it means."""
    if isinstance(said, IncidentDeclared) and said.revision > 1:
        said = IncidentAmended.model_validate(said.model_dump())
    named = f"{file.name}: " if file else ""
    if isinstance(said, IncidentDeclared):
        known = services.get("entitlements", "/policies")
        if said.policy not in known:
            raise CommandError(f"{named}policy: there is no policy {said.policy}; known are {', '.join(known)}")
    problem = objection(events, said)
    if problem is not None:
        raise CommandError(f"{named}{problem}")
    entry = give(services, Order.of(said), deadline)
    following = next_revision({*events, said.revision})
    waits_for = following if following <= said.revision else None
    if output is Format.JSON:
        print_json(
            {
                "incident_id": said.incident_id,
                "revision": said.revision,
                "action": entry["action"],
                "waits_for": waits_for,
            }
        )
    else:
        data.print(in_words(said, entry["action"], waits_for), markup=False)


def next_revision(revisions: Collection[int]) -> int:
    """The first revision that is not known: of a gap its first, else the one after the last."""
    return next(number for number in count(1) if number not in revisions)


def in_words(said: IncidentEvent, action: str, waits_for: int | None) -> str:
    """What a revision that counts means, and how to see it through."""
    told = f"{action} {said.incident_id}, revision {said.revision}"
    if waits_for is not None:
        return f"{told}; it waits for revision {waits_for}: declare that one too"
    return f"{told}; follow it with: amends watch {said.incident_id}"


def latest(events: Mapping[int, IncidentEvent]) -> Statement | None:
    """What is in force; None when revision 1 has not come."""
    return next(reversed(in_force(events.values())), None)
