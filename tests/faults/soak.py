"""Endurance: incidents arrive all the time, are amended, resolved, taken back, while a worker dies every few seconds.

`python -m tests.faults.soak --minutes 60`. Each service has two workers: the second is killed again and again, the
first lives through all of it, so that its memory tells something. At the end every incident's books close, no letter
was written twice, what is pruned has not grown, and what grew is told. Leaves the lives to `stories`, the measuring to
`gauges`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from deploy.local import stack as local
from deploy.local.errors import StackError
from deploy.local.services import SERVICES, worker_names
from services.cli.asking import Services
from services.cli.errors import CommandError
from services.cli.reconcile import reconcile
from services.cli.standing import standing
from tests.e2e import outside
from tests.e2e.faults import SMTP_CONNECTIONS
from tests.e2e.life import POLICY
from tests.e2e.world import World, policies_beside
from tests.faults import gauges
from tests.faults.stories import Said, stories

_SAMPLE_SECONDS, _QUIET_SECONDS, _LOOK_SECONDS = 15.0, 900.0, 0.5
people = Console(stderr=True, width=max(120, Console().width))


@dataclass
class Killer:
    """Kills the second worker of a service, drawn from a seed, every few seconds, and starts it again."""

    root: Path
    seed: int
    every_seconds: float
    environment: dict[str, str]
    kills: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Killer:
        self._thread = threading.Thread(target=self._work, name="killer")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(120)

    def _work(self) -> None:
        chance = random.Random(self.seed)
        while not self._stop.wait(chance.uniform(0.5, 1.5) * self.every_seconds):
            name = f"{chance.choice(SERVICES)}-2"
            try:
                stack = local.Stack.load(self.root)
                stack.kill(name)
                self.kills[name] += 1
                stack.start(name, environment=self.environment)
            except StackError as error:
                self.failed.append(f"{name}: {error}")
                return


@dataclass
class Soak:
    """One endurance run on a stack of its own."""

    world: World
    arguments: argparse.Namespace
    said: dict[str, int] = field(default_factory=dict)
    """How many statements were made of each incident."""
    memory: gauges.Memory = field(default_factory=gauges.Memory)
    tables: list[tuple[float, dict[str, tuple[int, float]]]] = field(default_factory=list)
    files: list[dict[str, float]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def run(self, killer: Killer) -> None:
        """Say what there is to say until the time is over, and measure meanwhile; lives that have begun are ended."""
        whole = self.arguments.minutes * 60
        due = _in_order(stories(self.arguments.seed, self.arguments.every), whole)
        next_sample = 0.0
        self._measure_tables()
        thirds = [whole / 3, whole * 2 / 3, whole]
        upcoming = next(due, None)
        with people.status("soaking") as shown:
            while upcoming is not None or self.seconds < whole:
                if killer.failed:
                    raise AssertionError(f"a worker did not come up again: {killer.failed}")
                while upcoming is not None and upcoming.seconds <= self.seconds:
                    self._say(upcoming)
                    upcoming = next(due, None)
                if self.seconds >= next_sample:
                    next_sample = self.seconds + _SAMPLE_SECONDS
                    stack = local.Stack.load(self.world.root)
                    if fallen := [name for name in stack.pids if "-" not in name and not stack.is_running(name)]:
                        raise AssertionError(f"nobody has killed {fallen}, and they are gone: see their logs")
                    self.memory.take(self.seconds, stack.pids)
                if thirds and self.seconds >= thirds[0]:
                    thirds.pop(0)
                    self._measure_tables()
                shown.update(
                    f"{self.seconds / 60:.1f} of {self.arguments.minutes:g} minutes: {len(self.said)} incidents, "
                    f"{sum(self.said.values())} statements, {killer.kills.total()} kills"
                )
                time.sleep(0.05)

    def _say(self, one: Said) -> None:
        now = datetime.now(UTC).isoformat()
        headers = outside.binary(id=str(uuid4()), source="urn:soak", type=one.type, specversion="1.0", time=now)
        outside.publish(
            self.world.stack.kafka,
            "amends.incidents.v1",
            one.incident_id.encode(),
            json.dumps(one.body).encode(),
            [*headers, ("content-type", b"application/json")],
        )
        self.said[one.incident_id] = one.revision

    def _measure_tables(self) -> None:
        self.tables.append((self.seconds, asyncio.run(gauges.tables(self.world.stack.databases))))
        self.files.append(gauges.files(self.world.root))

    def wait_until_quiet(self) -> float:
        """Until every incident is done; returns the seconds that it took, fails when it does not come about."""
        services, started = Services(self.world.root), time.monotonic()
        open_ones = set(self.said)
        with people.status("waiting for the last incidents") as shown:
            while open_ones:
                for incident_id in sorted(open_ones):
                    with suppress(CommandError):
                        now = standing(services, incident_id)
                        if now.is_done and now.run[0] == self.said[incident_id]:
                            open_ones.discard(incident_id)
                shown.update(f"{len(open_ones)} of {len(self.said)} incidents are not done")
                if open_ones and time.monotonic() - started > _QUIET_SECONDS:
                    raise AssertionError(f"not done after {_QUIET_SECONDS:.0f} s: {sorted(open_ones)[:5]}")
                time.sleep(_LOOK_SECONDS if open_ones else 0)
        return time.monotonic() - started

    def verdict(self, killer: Killer, quiet_after: float) -> dict[str, Any]:
        """What came of it; `wrong` is empty when all is well."""
        self._measure_tables()
        services = Services(self.world.root)
        books = [reconcile(services, incident_id) for incident_id in self.said]
        wrong = [f"{one['incident_id']}: {one['gaps'][0]}" for one in books if not one["closed"]]
        twice = [letter for letter, times in outside.letter_ids(self.world.stack.mailbox).items() if times > 1]
        wrong += [f"written twice: {letter}" for letter in twice]
        in_doubt = sum(states["in_doubt"] for one in books for states in one["letters"].values())
        if in_doubt > SMTP_CONNECTIONS * killer.kills["notifications-2"]:
            wrong.append(f"{in_doubt} letters in doubt, more than {SMTP_CONNECTIONS} a kill")
        if not self.arguments.minutes * 60 < 3 * self.arguments.kept:
            wrong += self._unpruned()
        return {
            "minutes": self.arguments.minutes,
            "seed": self.arguments.seed,
            "incidents": len(books),
            "statements": sum(self.said.values()),
            "kills": dict(killer.kills),
            "customers_considered": sum(one["customers"]["considered"] for one in books),
            "remedies_granted": sum(one["remedies"]["granted"] for one in books),
            "remedies_taken_back": sum(one["reversals"]["applied"] for one in books),
            "letters_received": sum(1 for _ in outside.letter_ids(self.world.stack.mailbox)),
            "in_doubt": in_doubt,
            "closed": sum(one["closed"] for one in books),
            "quiet_after_seconds": round(quiet_after, 1),
            "memory": self.memory.table(settled_after=self.arguments.minutes * 20),
            "tables": self._growth(),
            "files_mib": self.files[-1],
            "wrong": wrong,
        }

    def _unpruned(self) -> list[str]:
        """Tables that nobody keeps for good, and that still have grown by a third in the last third of the time."""
        (_, before), (_, after) = self.tables[2], self.tables[3]
        grown = []
        for name, (rows, _) in after.items():
            service, _, table = name.partition(".")
            if table not in gauges.KEPT[service] and rows > 50 + before[name][0] * 4 / 3:
                grown.append(f"{name} has grown from {before[name][0]} to {rows} rows")
        return grown

    def _growth(self) -> list[dict[str, object]]:
        told = []
        for name in self.tables[-1][1]:
            service, _, table = name.partition(".")
            told.append(
                {
                    "table": name,
                    "rows": [sample.get(name, (0, 0.0))[0] for _, sample in self.tables],
                    "mib": [round(sample.get(name, (0, 0.0))[1], 1) for _, sample in self.tables],
                    "kept": table in gauges.KEPT[service],
                }
            )
        return told


def _in_order(lives: Iterator[list[Said]], seconds: float) -> Iterator[Said]:
    """The statements of all lives that begin in this time, in the order in which they are made."""
    begun = []
    for life in lives:
        if life[0].seconds > seconds:
            break
        begun.append(life)
    return iter(sorted(chain.from_iterable(begun), key=lambda one: (one.seconds, one.incident_id, one.revision)))


def _grounded(folder: Path, customers: int, environment: dict[str, str]) -> World:
    """A stack with two workers of each service, all of them with these settings over their own."""
    with people.status("starting a stack"):
        policies = policies_beside({"whole-life@1": POLICY}, folder / "policies")
        world = World(folder, customers, policies, workers=dict.fromkeys(SERVICES, 2))
        for name in chain.from_iterable(worker_names(service, 2) for service in SERVICES):
            stack = local.Stack.load(world.root)
            stack.stop(name)
            stack.start(name, environment=environment)
        world.stack = local.Stack.load(world.root)
    return world


def show(found: dict[str, Any]) -> None:
    """The verdict as tables for people."""
    for title, rows, columns in (
        ("memory, MiB", found["memory"], ("process", "first_mib", "last_mib", "most_mib", "slope_mib_per_hour")),
        (
            "tables: at first, after one, two and three thirds, in the end",
            found["tables"],
            ("table", "rows", "mib", "kept"),
        ),
    ):
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*(_cell(row[column]) for column in columns))
        people.print(table)
    plain = {name: value for name, value in found.items() if name not in ("memory", "tables", "files_mib")}
    people.print(json.dumps(plain, indent=2))


def _cell(value: object) -> str:
    return " → ".join(map(str, value)) if isinstance(value, list) else str(value)


def main() -> int:
    """Soak; the exit code is 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--customers", type=int, default=1_000)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two new incidents, on average")
    parser.add_argument("--kill-every", type=float, default=4.0, help="seconds between two kills, on average")
    parser.add_argument("--kept", type=float, default=300.0, help="seconds for which outbox rows are kept")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="amends-soak-"))
    environment = {"AMENDS_OUTBOX_KEPT_DAYS": str(arguments.kept / 86_400)}
    found: dict[str, Any] | None = None
    try:
        soak = Soak(_grounded(folder, arguments.customers, environment), arguments)
        with Killer(soak.world.root, arguments.seed, arguments.kill_every, environment) as killer:
            soak.run(killer)
        quiet_after = soak.wait_until_quiet()
        found = soak.verdict(killer, quiet_after)
    finally:
        local.down(folder / ".amends")
        if found is not None and not found["wrong"]:
            shutil.rmtree(folder)
        else:
            people.print(f"kept for a look: {folder}")
    if arguments.output == "json":
        sys.stdout.write(json.dumps(found) + "\n")
    show(found)
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
