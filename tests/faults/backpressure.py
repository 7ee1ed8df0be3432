"""What a part that stands still does to the others: the relay, then a database, are stopped in the middle of a run.

`python -m tests.faults.backpressure --customers 1500000 --relay 120 --databases 30`. The processes are stopped with
SIGSTOP: they accept and never answer, which is worse than being away. Told are the rate of each stage and the memory of
each process, before, during and after. Leaves to the books whether all ended well.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tests.e2e.world import World, another, passing_world
from tests.faults.gauges import resident

INCIDENT = "backpressure"
STAGES = (
    ("entitlements", "considered"),
    ("billing", "answers"),
    ("notifications", "letters"),
    ("notifications", "sent"),
)
_SAMPLE_SECONDS, _DEADLINE_SECONDS = 2.0, 3600.0
people = Console(stderr=True, width=max(130, Console().width))


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: in which phase, when, how far each stage was by then, the memory of each process in MiB."""

    phase: str
    seconds: float
    far: dict[str, int]
    memory: dict[str, float]


@dataclass
class Watch:
    """All looks at one run."""

    world: World
    total: int
    phase: str = "before"
    samples: list[Sample] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def look(self) -> dict[str, int]:
        """How far each stage is; what cannot be asked while its database stands still is as it was."""
        far = dict(self.samples[-1].far) if self.samples else {f"{service} {name}": 0 for service, name in STAGES}
        if self.phase != "postgres stopped":
            for service, name in STAGES:
                far[f"{service} {name}"] = self.world.tally(service, INCIDENT).get(name, far[f"{service} {name}"])
        memory = {name: resident([pid]) for name, pid in self.world.stack.pids.items()}
        self.samples.append(Sample(self.phase, time.monotonic() - self.began, far, memory))
        told = ", ".join(f"{stage} {count:,}" for stage, count in far.items())
        people.print(f"{self.samples[-1].seconds:7.1f} s  {self.phase}: {told}")
        return far

    def until(self, done: Callable[[dict[str, int]], bool], seconds: float = _DEADLINE_SECONDS) -> None:
        """Look again and again until it is so, or the seconds have passed."""
        deadline = time.monotonic() + seconds
        while not done(self.look()) and time.monotonic() < deadline:
            time.sleep(_SAMPLE_SECONDS)

    def table(self) -> list[dict[str, Any]]:
        """Each phase: its length, each stage's rate in it, the most memory that each process had in it."""
        phases: dict[str, list[Sample]] = defaultdict(list)
        for before, sample in zip([self.samples[0], *self.samples], self.samples, strict=False):
            phases[sample.phase] += [before, sample] if sample.phase not in phases else [sample]
        return [
            {
                "phase": phase,
                "seconds": round(samples[-1].seconds - samples[0].seconds, 1),
                "per_second": _rates(samples[0], samples[-1]),
                "most_mib": {name: round(max(s.memory.get(name, 0.0) for s in samples)) for name in samples[0].memory},
            }
            for phase, samples in phases.items()
        ]


def _rates(first: Sample, last: Sample) -> dict[str, int]:
    seconds = last.seconds - first.seconds
    return {stage: round((count - first.far[stage]) / seconds) if seconds else 0 for stage, count in last.far.items()}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process and all its children stand still for as long as the block lasts."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    try:
        for one in family:
            one.send_signal(signal.SIGSTOP)
        yield
    finally:
        for one in family:
            if one.is_running():
                one.send_signal(signal.SIGCONT)


def run(world: World, arguments: argparse.Namespace) -> dict[str, Any]:
    """The run; raises AssertionError when it does not end."""
    world.declare(another(INCIDENT))
    watch = Watch(world, arguments.customers)
    for part, share, seconds in (("mail", 0.15, arguments.relay), ("postgres", 0.5, arguments.databases)):
        if seconds:
            watch.until(lambda far, share=share: far["notifications sent"] >= share * watch.total)  # type: ignore[misc]
            watch.phase = f"{part} stopped"
            with stopped(world.stack.pids[part]):
                watch.until(lambda _: False, seconds)
            watch.phase = f"after {part}"
    watch.until(lambda far: far["entitlements considered"] == watch.total and _is_told(world))
    world.watch(INCIDENT)
    return {"phases": watch.table(), "books": world.books(INCIDENT)}


def _is_told(world: World) -> bool:
    """Whether every letter that there is by now is settled, and every answer taken in."""
    told, answers = world.tally("notifications", INCIDENT), world.tally("billing", INCIDENT).get("answers")
    settled = sum(told.get(status, 0) for status in ("sent", "failed", "in_doubt", "suppressed", "no_address"))
    return told.get("answers") == answers and settled == told.get("letters")


def show(found: dict[str, Any]) -> None:
    """The phases as tables for people."""
    for name, what in (("per_second", "customers per second"), ("most_mib", "most memory, MiB")):
        table = Table(title=what, title_justify="left")
        columns = list(found["phases"][0][name])
        for column in ("phase", "seconds", *columns):
            table.add_column(column)
        for phase in found["phases"]:
            table.add_row(phase["phase"], str(phase["seconds"]), *(f"{phase[name].get(c, 0):,}" for c in columns))
        people.print(table)
    books = found["books"]
    people.print(f"closed: {books['closed']}; letters: {books['letters']['details']}; gaps: {books['gaps']}")


def main() -> int:
    """Stop, go on, see; the exit code is 1 when the books do not close."""
    parser = argparse.ArgumentParser(prog="backpressure", description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--relay", type=float, default=20.0, help="seconds for which the relay is stopped")
    parser.add_argument("--databases", type=float, default=10.0, help="seconds for which PostgreSQL is stopped")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    people.print("a stack and a customer base")
    with passing_world("amends-backpressure-", arguments.customers) as world:
        found = run(world, arguments)
    if arguments.output == "json":
        sys.stdout.write(json.dumps(found) + "\n")
    show(found)
    return 0 if found["books"]["closed"] else 1


if __name__ == "__main__":
    sys.exit(main())
