"""Progress for people, on stderr: a count while something is read, bars while an incident is worked off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.cli.asking import Services
from services.cli.errors import CommandError
from services.cli.output import people


@contextmanager
def counting(what: str) -> Iterator[Callable[[str, int], None]]:
    """A line that counts: call with what was done and how many there are by now."""
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=people, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def show(phase: str, count: int) -> None:
            progress.update(task, description=f"{what}: {count:,} {phase}")

        yield show


def bars() -> Progress:
    """Bars with their counts and the time."""
    return Progress(
        TextColumn("{task.description:>9}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=people,
        refresh_per_second=4,
    )


def through(services: Services, path: str, asked: Any, result: str, what: str) -> dict[str, Any]:
    """Ask entitlements to go through the customers, show how far it is, and return its result.

    Raises `CommandError` when it refuses, or breaks off before the result.
    """
    with bars() as progress:
        task = progress.add_task(what, total=None, note="")
        for told in services.post("entitlements", path, asked):
            if result in told:
                found: dict[str, Any] = told[result]
                return found
            progress.update(task, completed=told["done"], total=told["of"])
    raise CommandError(f"entitlements broke off before it had gone through all customers: ask again ({path})")
