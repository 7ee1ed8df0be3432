"""What is in force of an incident: its events, whatever order they came in, folded by their revisions.

A declaration or an amendment states the incident whole; a resolution changes its end alone; a retraction takes it back
until a later statement reopens it. Revisions count from 1 without a gap: what comes early is held until the ones before
it are there, so that any order and any repetition leads to the same statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from schemas.events import (
    Impact,
    IncidentAmended,
    IncidentDeclared,
    IncidentResolved,
    IncidentRetracted,
    Interval,
    Scope,
)

IncidentEvent: TypeAlias = IncidentDeclared | IncidentAmended | IncidentResolved | IncidentRetracted
"""The events that carry a revision."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An incident as one revision leaves it; `declared_at` is what counts as now for that revision."""

    incident_id: str
    revision: int
    title: str
    drill: bool
    impact: Impact
    scope: Scope
    policy: str
    declared_by: str
    declared_at: datetime
    retracted: bool = False
    reason: str | None = None

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The windows that are over, merged where they meet or overlap; the one that lasts is not among them."""
        known = list(self.impact.also)
        if self.impact.ends_at is not None:
            known.append(Interval(starts_at=self.impact.starts_at, ends_at=self.impact.ends_at))
        return merged(known)


REVISIONS: Mapping[str, type[IncidentEvent]] = MappingProxyType(
    {
        "incident.declared.v1": IncidentDeclared,
        "incident.amended.v1": IncidentAmended,
        "incident.resolved.v1": IncidentResolved,
        "incident.retracted.v1": IncidentRetracted,
    }
)
"""The events that carry a revision, by type."""


def event(event_type: str, body: Mapping[str, Any]) -> IncidentEvent:
    """A revision as it is kept or told, as the event that it was."""
    return REVISIONS[event_type].model_validate(body, strict=False)


class ImpossibleRevisionError(ValueError):
    """A revision that cannot follow the ones before it; the message says what would be right."""


def in_force(events: Iterable[IncidentEvent]) -> list[Statement]:
    """The statements of the revisions 1, 2, … without a gap; what waits for an earlier revision is left out.

    Of two events of one revision the first counts. Raises ImpossibleRevisionError when the first is no statement, or
    when a later one is of another policy, or turns a drill into an incident.
    """
    statements, impossible = fold(events)
    if impossible is not None:
        raise impossible.error
    return statements


class Impossible(NamedTuple):
    """A revision that cannot follow the ones before it, and why."""

    event: IncidentEvent
    error: ValueError


def _nothing_against(_: Sequence[Statement]) -> None:
    """Every statement that can follow is in force."""


def fold(
    events: Iterable[IncidentEvent], check: Callable[[Sequence[Statement]], object] = _nothing_against
) -> tuple[list[Statement], Impossible | None]:
    """As `in_force`, up to the first revision that cannot follow, which is told beside: what it was, and why not.

    `check` is called with the statements up to each new one, and may raise ValueError against it.
    """
    by_revision: dict[int, IncidentEvent] = {}
    for said in events:
        by_revision.setdefault(said.revision, said)
    statements: list[Statement] = []
    while (said_next := by_revision.get(len(statements) + 1)) is not None:
        try:
            longer = [*statements, following(statements[-1] if statements else None, said_next)]
            check(longer)
        except ValueError as error:
            return statements, Impossible(said_next, error)
        statements = longer
    return statements, None


def following(before: Statement | None, event: IncidentEvent) -> Statement:
    """The statement that an event makes of the one before it (None: it is the first). Raises as `in_force` does."""
    if isinstance(event, IncidentDeclared):
        if before is not None:
            _same_case(before, event)
        return Statement(
            event.incident_id, event.revision, event.title, event.drill, event.impact, event.scope, event.policy,
            event.declared_by, event.declared_at,
        )  # fmt: skip
    if before is None:
        raise ImpossibleRevisionError("revision 1 must state the incident whole: declare it first")
    said = replace(before, revision=event.revision, declared_by=event.declared_by, declared_at=event.declared_at)
    if isinstance(event, IncidentRetracted):
        return replace(said, retracted=True, reason=event.reason)
    starts_at = before.impact.starts_at
    if event.ends_at <= starts_at:
        raise ImpossibleRevisionError(
            f"ends_at {event.ends_at.isoformat()} is not after the start {starts_at.isoformat()}: write a later end"
        )
    return replace(said, impact=before.impact.model_copy(update={"ends_at": event.ends_at}))


def _same_case(before: Statement, event: IncidentDeclared) -> None:
    if event.policy != before.policy:
        raise ImpossibleRevisionError(
            f"policy {event.policy}: the incident was declared under {before.policy}, and keeps it: "
            "retract it and declare another one"
        )
    if event.drill != before.drill:
        raise ImpossibleRevisionError(
            f"drill {event.drill}: the incident was declared with drill {before.drill}: declare another one"
        )


def merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Intervals in order, those that meet or overlap made into one: nothing is counted twice for the same hour."""
    whole: list[Interval] = []
    for interval in sorted(intervals, key=lambda one: (one.starts_at, one.ends_at)):
        if whole and interval.starts_at <= whole[-1].ends_at:
            last = whole.pop()
            interval = Interval(starts_at=last.starts_at, ends_at=max(last.ends_at, interval.ends_at))
        whole.append(interval)
    return tuple(whole)
