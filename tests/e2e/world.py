"""A whole stack with an imported customer base, driven by the `amends` command, and what is expected of it by now.

Incidents are seen through one after the other; the oracle reads each with the one before it. Leaves the reading of
topics and letters to `outside`, the judging to the tests.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.local import stack as local
from deploy.local.customer_base import generate, incident
from services.entitlements.policy import SHIPPED
from tests.e2e import outside
from tests.e2e.expected import Expected
from tests.e2e.oracle import read_promise

AMENDS = Path(sys.executable).with_name("amends")
TOPICS = tuple(
    f"amends.{name}.v1"
    for name in (
        "incidents",
        "customers",
        "contracts",
        "entitlements",
        "announcements",
        "adjustments",
        "letters",
        "progress",
        "policies",
    )
)
DEAD_LETTERS = tuple(f"{topic}.dlq" for topic in TOPICS)
_SECONDS = 120.0
_COMMAND_SECONDS = 180.0
_IMPORTED_PER_SECOND_AT_LEAST = 1_000
_BOOKS_SECONDS = 900.0


class World:
    """One stack and its customers; `promised` is what the last incident must have come to."""

    def __init__(
        self,
        folder: Path,
        customers: int,
        policies: Path | None = None,
        *,
        detours: Mapping[str, int] | None = None,
        workers: Mapping[str, int] | None = None,
    ) -> None:
        self.root = folder / ".amends"
        base = generate(folder / "base", customers)
        self.customers_csv, self.contracts_csv = base.customers_csv, base.contracts_csv
        self.promised: Expected | None = None
        self._before: Expected | None = None
        self._positions: outside.Positions = {}
        self._followed: dict[str, list[outside.Record]] = defaultdict(list)
        self.stack = local.up(self.root, policies=policies, detours=detours, workers=workers)
        patience = max(_COMMAND_SECONDS, customers / _IMPORTED_PER_SECOND_AT_LEAST)
        self.amends("import", "contracts", str(self.contracts_csv), within_seconds=patience)
        self.amends("import", "customers", str(self.customers_csv), within_seconds=patience)

    def amends(self, *arguments: str, exits: int = 0, within_seconds: float = _COMMAND_SECONDS) -> str:
        """Run the command on this stack; returns its stdout."""
        done = run_amends(*arguments, root=self.root, within_seconds=within_seconds)
        assert done.returncode == exits, f"amends {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def expect(self, declaration: Mapping[str, Any]) -> Expected:
        """What a new incident must come to, after all those before it."""
        self._before = self.promised
        return self.expect_again(declaration)

    def expect_again(self, declaration: Mapping[str, Any]) -> Expected:
        """What the last incident must come to with the files as they are now."""
        self.promised = read_promise(self.customers_csv, self.contracts_csv, declaration, earlier=self._before)
        return self.promised

    def declare(self, declaration: Mapping[str, Any], *, structured: bool = False) -> str:
        """Publish the declaration, and wait until it was heard; returns the event's id."""
        event_id = outside.declare(self.stack.kafka, declaration, structured=structured)
        self.until(lambda: self.knows(declaration["incident_id"]), f"{declaration['incident_id']} is known")
        return event_id

    def see_through(self, declaration: Mapping[str, Any], *, structured: bool = False) -> Expected:
        """Declare an incident and watch it until everyone is told; returns what it must have come to."""
        self.declare(declaration, structured=structured)
        self.watch(declaration["incident_id"])
        return self.expect(declaration)

    def watch(self, incident_id: str) -> None:
        """`amends watch`: until everyone is told."""
        told = json.loads(self.amends("watch", incident_id, "--deadline", str(_SECONDS), "--output", "json"))
        assert told["done"]

    def books(self, incident_id: str, *, exits: int = 0) -> dict[str, Any]:
        """`amends reconcile`, as programs read it."""
        said = self.amends("reconcile", incident_id, "--output", "json", exits=exits, within_seconds=_BOOKS_SECONDS)
        books: dict[str, Any] = json.loads(said)
        return books

    def knows(self, incident_id: str) -> bool:
        return httpx.get(f"{self.stack.http['entitlements']}/incidents/{incident_id}").status_code == 200

    def heard(self, incident_id: str) -> dict[str, Any]:
        """What was declared last of an incident, word for word."""
        known = httpx.get(f"{self.stack.http['entitlements']}/incidents/{incident_id}").json()
        body: dict[str, Any] = known["revisions"][-1]["body"]
        return body

    def tally(self, service: str, incident_id: str) -> dict[str, int]:
        """How far a service has come; nothing while it does not answer."""
        try:
            answer = httpx.get(f"{self.stack.http[service]}/tally/{incident_id}", timeout=5.0)
        except httpx.TransportError:
            return {}
        told: dict[str, int] = answer.json() if answer.is_success else {}
        return told

    def metric(self, service: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels on a service's /metrics; 0 when there is none."""
        wanted = "".join(f'{label}="{value}"' for label, value in labels.items())
        lines = httpx.get(f"{self.stack.http[service]}/metrics").text.splitlines()
        samples = [line for line in lines if re.split(r"[{ ]", line)[0] == name and wanted in line]
        return sum(float(line.rpartition(" ")[2]) for line in samples)

    def read(self, *topics: str) -> dict[str, list[outside.Record]]:
        """Every record of these topics (all of them unless told)."""
        return outside.read(self.stack.kafka, topics or (*TOPICS, *DEAD_LETTERS))

    def follow(self, *topics: str) -> dict[str, list[outside.Record]]:
        """As `read`, and only what is new is fetched."""
        for topic, records in outside.read(self.stack.kafka, topics, self._positions).items():
            self._followed[topic] += records
        return {topic: self._followed[topic] for topic in topics}

    def forget(self) -> None:
        """The topics were lost: what was followed is read anew."""
        self._positions.clear()
        self._followed.clear()

    def letters(self) -> list[outside.Received]:
        """Every letter received so far."""
        return outside.letters(self.stack.mailbox)

    def add(self, base: Path, *rows: Mapping[str, str]) -> Path:
        """Append rows to one of the base's files; returns a file with these alone. What is not named stays empty."""
        with base.open(encoding="utf-8", newline="") as lines:
            header = next(csv.reader(lines))
        alone = base.with_name(f"{base.stem}-{time.monotonic_ns()}.csv")
        for path, mode in ((base, "a"), (alone, "x")):
            with path.open(mode, encoding="utf-8", newline="") as lines:
                writer = csv.DictWriter(lines, header, lineterminator="\n")
                if mode == "x":
                    writer.writeheader()
                writer.writerows(rows)
        return alone

    @staticmethod
    def until(done: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        """Ask until it is so; fails when it does not come about."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
            time.sleep(0.02)


@contextmanager
def passing_world(prefix: str, customers: int, *, workers: Mapping[str, int] | None = None) -> Iterator[World]:
    """A world for as long as the block lasts, in a temporary folder; nothing is left of it."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        try:
            yield World(Path(folder), customers, workers=workers)
        finally:
            local.down(Path(folder) / ".amends")


def policies_beside(texts: Mapping[str, str], folder: Path) -> Path:
    """A folder, made now, of the policies that are shipped, and of these by their names and versions."""
    folder.mkdir()
    for shipped in SHIPPED.glob("*.yaml"):
        shutil.copy(shipped, folder)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return folder


def run_amends(
    *arguments: str, root: Path | None = None, within_seconds: float = _COMMAND_SECONDS
) -> subprocess.CompletedProcess[str]:
    """The command as a person types it, with no terminal."""
    command = [str(AMENDS), *arguments, *(["--root", str(root)] if root else [])]
    return subprocess.run(command, capture_output=True, text=True, timeout=within_seconds, check=False)


def another(incident_id: str, **changed: Any) -> dict[str, Any]:
    """A declaration of the case under another id."""
    return incident(incident_id=incident_id) | changed
