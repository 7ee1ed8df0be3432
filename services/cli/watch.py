"""`amends watch INCIDENT`: three bars until every customer is entitled, adjusted and told."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from services.cli.asking import ROOT, Root, Services, part
from services.cli.errors import CommandError
from services.cli.output import Format, Output, data, print_json
from services.cli.progress import bars

_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.1, 0.5
_STILL_SECONDS = 10.0
_KNOWN_AFTER_SECONDS = 3.0
_AWAY_SECONDS = 30.0
_SETTLED = ("sent", "failed", "in_doubt", "suppressed", "no_address")
Deadline = Annotated[float, typer.Option("--deadline", min=1, help="Give up after so many seconds.")]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an incident has come, in customers and letters."""

    planned: bool
    customers: int
    considered: int
    entitled: int
    answered: int
    taken_in: int
    letters: int
    settled: int

    @property
    def is_done(self) -> bool:
        """Every customer was considered, every entitled one answered for, every letter settled."""
        return (
            self.planned
            and self.considered >= self.customers
            and self.entitled == self.answered == self.taken_in
            and self.letters == self.settled
        )


def standing(services: Services, incident_id: str) -> Standing:
    """Ask the services how far they are."""
    incident = services.incident(incident_id)
    entitlements, billing, notifications = (
        services.get(service, f"/tally/{part(incident_id)}") for service in ("entitlements", "billing", "notifications")
    )
    return Standing(
        planned=incident["state"] == "done",
        customers=incident["customers"],
        considered=entitlements.get("considered", 0),
        entitled=entitlements.get("entitled", 0),
        answered=billing.get("answers", 0),
        taken_in=notifications.get("answers", 0),
        letters=notifications.get("letters", 0),
        settled=sum(notifications.get(status, 0) for status in _SETTLED),
    )


def watch_command(incident_id: str, root: Root = ROOT, output: Output = Format.TEXT, deadline: Deadline = 3600) -> None:
    """Follow an incident until everyone is told; exits with 1 when that does not come about."""
    services = Services(root)
    _wait_until_known(services, incident_id)
    with bars() as progress:
        end = follow(lambda: standing(services, incident_id), progress, deadline)
    if output is Format.JSON:
        print_json(
            {
                "incident_id": incident_id,
                "done": end.is_done,
                "considered": end.considered,
                "entitled": end.entitled,
                "adjusted": end.answered,
                "letters": end.letters,
                "settled": end.settled,
            }
        )
    elif end.is_done:
        data.print(
            f"{end.considered:,} customers considered, {end.answered:,} adjusted, {end.settled:,} letters settled"
        )
    if not end.is_done:
        raise CommandError(
            f"not done: {end.considered:,} of {end.customers:,} customers considered, {end.answered:,} of "
            f"{end.entitled:,} adjusted, {end.settled:,} of {end.letters:,} letters settled; "
            f"see `amends reconcile {incident_id}` for who is missing"
        )


def _wait_until_known(services: Services, incident_id: str) -> None:
    """A declaration takes a moment on its way; raises `CommandError` when there is no such incident after it."""
    until = time.monotonic() + _KNOWN_AFTER_SECONDS
    while time.monotonic() < until:
        with suppress(CommandError):
            services.incident(incident_id)
            return
        time.sleep(_FIRST_POLL_SECONDS)
    services.incident(incident_id)


def follow(look: Callable[[], Standing], progress: Progress, deadline_seconds: float) -> Standing:
    """Look again and again, and show it, until all is done, nothing moves any more, or the deadline has passed.

    A service that is away meanwhile is waited for; raises its `CommandError` when it stays away.
    """
    tasks = [progress.add_task(name, total=None, note="") for name in ("entitled", "applied", "written")]
    last = look()
    started = moved = heard = time.monotonic()
    while True:
        now = time.monotonic()
        try:
            seen = look()
        except CommandError:
            if now - heard > min(_AWAY_SECONDS, deadline_seconds):
                raise
            moved = now  # who is away cannot be seen to move
            time.sleep(_LONGEST_POLL_SECONDS)
            continue
        moved = moved if seen == last else now
        heard, last = now, seen
        _show(progress, tasks, seen)
        stuck = seen.planned and seen.considered > 0 and now - moved > _STILL_SECONDS
        if seen.is_done or stuck or now - started > deadline_seconds:
            return seen
        # Looking costs the services something: a long run is looked at less often, and seen no worse for it.
        time.sleep(min(_LONGEST_POLL_SECONDS, max(_FIRST_POLL_SECONDS, (now - started) / 50)))


def _show(progress: Progress, tasks: list[TaskID], seen: Standing) -> None:
    excluded = seen.considered - seen.entitled
    progress.update(tasks[0], total=seen.customers or None, completed=seen.considered, note=f"({excluded:,} excluded)")
    progress.update(tasks[1], total=seen.entitled or None, completed=seen.answered)
    progress.update(tasks[2], total=seen.entitled or None, completed=seen.entitled and seen.settled)
