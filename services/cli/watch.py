"""`amends watch INCIDENT`: three bars until every customer is entitled, adjusted and told, and what happens meanwhile.

It ends when all is done, and when the incident waits for something that only a person can do (unless told to wait).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer
from rich.progress import Progress

from services.cli.asking import ROOT, Root, Services
from services.cli.audit import line
from services.cli.errors import CommandError
from services.cli.halts import troubles
from services.cli.hold import STATES
from services.cli.orders import trail
from services.cli.output import Format, Output, data, people, print_json
from services.cli.progress import bars
from services.cli.reconcile import reconcile
from services.cli.standing import Standing, standing
from services.cli.words import DRILL

_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.1, 0.5
_STILL_SECONDS = 10.0
_HELD_SECONDS = 2.0
_KNOWN_AFTER_SECONDS = 3.0
_AWAY_SECONDS = 30.0
Deadline = Annotated[float, typer.Option("--deadline", min=1, help="Give up after so many seconds.")]
Wait = Annotated[bool, typer.Option("--wait", help="Keep watching while the incident waits for a person.")]


def watch_command(
    incident_id: str, root: Root = ROOT, output: Output = Format.TEXT, deadline: Deadline = 3600, wait: Wait = False
) -> None:
    """Follow an incident until everyone is told; exits with 1 when that does not come about."""
    services = Services(root)
    try:
        _wait_until_known(services, incident_id)
    except CommandError as error:
        raise CommandError(_with_troubles(services, str(error))) from None
    with bars() as progress:
        end = follow(_looking(services, incident_id), progress, deadline, wait=wait)
    # Nothing moves any more: what is missing may be what somebody has dropped, and answers for.
    done = end.is_done or (end.planned and not end.hold and bool(reconcile(services, incident_id)["closed"]))
    if output is Format.JSON:
        print_json(
            {
                "incident_id": incident_id,
                "revision": end.run[0],
                "drill": end.drill,
                "state": end.state,
                "done": done,
                "waits_for": end.hold,
                "considered": end.considered,
                "entitled": end.entitled,
                "adjusted": end.answered,
                "letters": end.letters,
                "settled": end.settled,
            }
        )
    elif done:
        data.print(in_words(end))
    if not done:
        raise CommandError(_with_troubles(services, _unfinished(incident_id, end)))


def in_words(end: Standing) -> str:
    """What an incident that is done has come to."""
    told = f"{end.considered:,} customers considered, {end.answered:,} adjusted, {end.settled:,} letters settled"
    return f"{told}; {DRILL}" if end.drill else told


def _unfinished(incident_id: str, end: Standing) -> str:
    """Why it is not done, and what to do about it."""
    if end.hold:
        return f"{incident_id} {end.hold}"
    return (
        f"not done: {end.considered:,} of {end.customers:,} customers considered, {end.booked:,} of {end.asked:,} "
        f"remedies answered for, {end.settled:,} of {end.letters:,} letters settled; "
        f"see `amends reconcile {incident_id}` for who is missing"
    )


def _with_troubles(services: Services, said: str) -> str:
    """What is not done, and which service would have to be mended first."""
    return "\n".join([said, *(f"{name}: {problem}" for name, problem in troubles(services.stack).items())])


def _wait_until_known(services: Services, incident_id: str) -> None:
    """A declaration takes a moment on its way; raises `CommandError` when there is no such incident after it."""
    until = time.monotonic() + _KNOWN_AFTER_SECONDS
    while time.monotonic() < until:
        with suppress(CommandError):
            services.incident(incident_id)
            return
        time.sleep(_FIRST_POLL_SECONDS)
    services.incident(incident_id)


def _looking(services: Services, incident_id: str) -> Callable[[], Standing]:
    """A look that also says what has happened since the last one, from the audit trail: the first says where it is."""
    told: int | None = None

    def look() -> Standing:
        nonlocal told
        seen = standing(services, incident_id)
        if told is None and seen.drill:
            people.print(f"[yellow]{DRILL}[/]")
        if told != seen.entries:
            entries = trail(services, incident_id)
            for entry in entries[-1:] if told is None else entries[told:]:
                people.print(line(entry), markup=False, soft_wrap=True)
            told = len(entries)
        return seen

    return look


def follow(
    look: Callable[[], Standing], progress: Progress, deadline_seconds: float, *, wait: bool = False
) -> Standing:
    """Look again and again, and show it, until all is done, nothing moves any more, or the deadline has passed.

    What only a person can change is waited for with `wait` alone. A service that is away meanwhile is waited for;
    raises its `CommandError` when it stays away.
    """
    show = _shown(progress)
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
        show(seen)
        stuck = seen.planned and seen.considered > 0 and not seen.hold and now - moved > _STILL_SECONDS
        held = seen.hold is not None and not wait and now - moved > _HELD_SECONDS
        if seen.is_done or stuck or held or now - started > deadline_seconds:
            return seen
        # Looking costs the services something: a long run is looked at less often, and seen no worse for it.
        time.sleep(min(_LONGEST_POLL_SECONDS, max(_FIRST_POLL_SECONDS, (now - started) / 50)))


def _shown(progress: Progress) -> Callable[[Standing], None]:
    """Three bars: what the last run has considered, what billing has answered for, which letters have settled."""
    tasks = [progress.add_task(name, total=None, note="") for name in ("entitled", "applied", "written")]
    run, before, last = (0, 0), 0, 0

    def show(seen: Standing) -> None:
        nonlocal run, before, last
        if seen.run != run:  # a run that follows another considers its customers anew
            before = last if run != (0, 0) else max(0, seen.considered - seen.customers)
            run = seen.run
        last = seen.considered
        note = f"revision {seen.run[0]} {STATES.get(seen.state, seen.state)}"
        progress.update(tasks[0], total=seen.customers or None, completed=seen.considered - before, note=note)
        progress.update(tasks[1], total=seen.asked or None, completed=seen.booked)
        progress.update(tasks[2], total=seen.letters or None, completed=seen.letters and seen.settled)

    return show
