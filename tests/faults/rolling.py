"""What rolling restarts during a run cost: the same incident without and with them, in turn.

`python -m tests.faults.rolling --customers 100000`. Each service has two workers, and each worker is asked to end
(SIGTERM) and started again, one after the other, as a deployment does. Told are how long each took to end, and the
time of a run with restarts ÷ without.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from rich.console import Console

from deploy.local import stack as local
from deploy.local.services import SERVICES, worker_names
from tests.e2e import outside
from tests.e2e.world import World, another, passing_world

WORKERS = [name for service in SERVICES for name in worker_names(service, 2)]
_ENDS_WITHIN_SECONDS = 10.0
people = Console(stderr=True)


class Rolling:
    """Restarts one worker after the other for as long as the block lasts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._roll, name="rolling")
        self.ended_after: list[tuple[str, float]] = []

    def __enter__(self) -> Rolling:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(120)

    def _roll(self) -> None:
        for name in cycle(WORKERS):
            if self._over.wait(0.5):
                return
            stack = local.Stack.load(self._root)
            process, started = psutil.Process(stack.pids[name]), time.monotonic()
            process.terminate()
            psutil.wait_procs([process], timeout=60)
            self.ended_after.append((name, time.monotonic() - started))
            stack.start(name)


def timed(world: World, incident_id: str) -> float:
    """Seconds from the declaration until everyone is told."""
    started = time.monotonic()
    world.declare(another(incident_id))
    world.watch(incident_id)
    return time.monotonic() - started


def check(world: World, incident_id: str, seconds: float) -> None:
    """The books close, nothing is in doubt, and nobody was written to twice."""
    books = world.books(incident_id)
    assert books["closed"], books["gaps"]
    assert books["letters"]["details"]["in_doubt"] == 0, "a worker that is asked to end leaves nothing in doubt"
    received = outside.letter_ids(world.stack.mailbox)
    assert max(received.values()) == 1, "a letter was written twice"
    people.print(f"{incident_id}: {seconds:.1f} s, closed")


def compare(world: World, pairs: int) -> dict[str, Any]:
    """So many runs without and with restarts, in turn, after one that warms up."""
    timed(world, "warm-up")
    without, with_them, ended_after = [], [], []
    for number in range(1, pairs + 1):
        without.append(timed(world, f"undisturbed-{number}"))
        check(world, f"undisturbed-{number}", without[-1])
        with Rolling(world.root) as rolling:
            with_them.append(timed(world, f"rolling-{number}"))
        check(world, f"rolling-{number}", with_them[-1])
        ended_after += rolling.ended_after
    late = [(name, seconds) for name, seconds in ended_after if seconds > _ENDS_WITHIN_SECONDS]
    assert not late, f"these took longer than {_ENDS_WITHIN_SECONDS:.0f} s to end: {late}"
    return {
        "without_seconds": [round(one, 1) for one in without],
        "with_seconds": [round(one, 1) for one in with_them],
        "ratio": round(median(with_them) / median(without), 2),
        "restarts": len(ended_after),
        "ended_after_seconds": {
            "median": round(median(seconds for _, seconds in ended_after), 2),
            "most": round(max(seconds for _, seconds in ended_after), 2),
        },
    }


def main() -> int:
    """Compare; what is not as it should be raises."""
    parser = argparse.ArgumentParser(prog="rolling", description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    with passing_world("amends-rolling-", arguments.customers, workers=dict.fromkeys(SERVICES, 2)) as world:
        found = compare(world, arguments.pairs)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
