"""Every `await` and every commit boundary of the services is a point at which they die once, and fail once.

By itself this takes a few minutes; `AMENDS_CRASH_POINTS=all` has the runtime's points struck for each of their callers,
and a failure at every point instead of a third of them. `AMENDS_CRASH_ONLY=PATTERN` strikes only those points.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from deploy.local.services import SERVICES
from tests.e2e import outside
from tests.e2e.world import run_amends
from tests.faults import reviewed, verdict
from tests.faults.boundaries import boundaries
from tests.faults.crashes import Run

ALL = os.environ.get("AMENDS_CRASH_POINTS") == "all"
ONLY = os.environ.get("AMENDS_CRASH_ONLY", "*")
SEED = int(os.environ.get("AMENDS_SEED", "20110429"))
_SECONDS = 3_600


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A stack whose services have died at every point that the story reaches; they have ended."""
    with Run(tmp_path_factory.mktemp("died"), "die", only=ONLY, ways=ALL) as run:
        run.prepare()
        run.begin()
        run.tell()
        run.republish()
        run.end_at_work()
        yield run


@pytest.mark.timeout(_SECONDS)
def test_nobody_is_missed_and_nothing_happens_twice_wherever_a_service_dies(died: Run) -> None:
    verdict.judge(died)
    assert died.deaths == died.struck, "each death was at a point of its own"


@pytest.mark.skipif(ONLY != "*", reason="AMENDS_CRASH_ONLY leaves points out")
def test_every_point_is_died_at_or_somebody_has_said_why_not(died: Run) -> None:
    reached = {point.partition(" for ")[0] for lives in died.lives.values() for point in lives.struck}
    unreached = [point for one in boundaries() for point in one.points if point not in reached]
    assert [point for point in unreached if reviewed.reason(point) is None] == []
    idle = [
        pattern for pattern in reviewed.UNREACHED if not any(fnmatchcase(point, pattern) for point in unreached)
    ]  # fmt: skip
    assert idle == [], "these leave nothing out any more"


def test_each_batch_delivered_twice_and_each_row_published_twice_change_nothing(died: Run) -> None:
    """The positions go back to the beginning of every log, and every outbox row is to be published once more."""
    before, told = {service: died.observer.everything(service) for service in SERVICES}, _told(died)
    for service in SERVICES:
        died.observer.execute(service, "UPDATE position SET next = 0", "UPDATE outbox SET published_at = NULL")
    died.begin()
    died.rest("everything is read and published a second time")
    died.end()
    for service in SERVICES:
        after = died.observer.everything(service)
        assert after.keys() == before[service].keys()
        for table, rows in after.items():
            more, less = rows - before[service][table], before[service][table] - rows
            if table not in _SAID_AGAIN:
                assert (more, less) == (Counter(), Counter()), f"{service}.{table}: {more} {less}"
    assert _told(died) == told, "no event that was not there before"
    verdict.judge(died, read_twice=True)


_SAID_AGAIN = ("audit", "outbox", "quarantine")
"""What was refused is judged anew when it comes again: refused once more in the trail, and once more among the dead."""


def _told(run: Run) -> dict[str, set[tuple[str, bytes]]]:
    """The events that the services have told, each once."""
    topics = [f"amends.{name}.v1" for name in verdict.TOPICS]
    records = outside.read(run.stack.kafka, topics)
    return {topic: {(record.event_id, record.value) for record in found} for topic, found in records.items()}


def test_the_books_close_after_all_that(died: Run) -> None:
    for lives in died.lives.values():
        lives.spare()
    died.begin()
    for incident_id in sorted({chapter.revised for chapter in died.told if chapter.revised}):
        done = run_amends("reconcile", incident_id, "--output", "json", root=died.root)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["closed"]
    died.end()


@pytest.mark.timeout(_SECONDS)
def test_a_service_in_which_anything_fails_goes_on_by_itself(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A connection is lost before and after whatever can lose it: no restart, but of a process that serves not yet."""
    found = boundaries()
    chance = random.Random(SEED)
    left_out = [] if ALL or ONLY != "*" else [one.name for one in found if chance.randrange(3)]
    spared = [*reviewed.spared(found), *left_out]
    with Run(tmp_path_factory.mktemp("failed"), "fail", spared=spared, only=ONLY, ways=ALL) as run:
        run.prepare()
        run.begin()
        run.tell()
        run.republish()
        run.end_at_work()
        verdict.judge(run)
        assert run.deaths == 0
        assert run.struck > (1_000 if ALL else 250) or ONLY != "*"
