"""Sixty kills of services over one incident of twenty thousand customers: nobody is missed, nothing happens twice.

A service is killed as soon as it has got on since its last death, so that every death falls into its work; batches are
small, so that there are enough of them.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.faults import SMTP_CONNECTIONS
from tests.e2e.world import another
from tests.faults import state
from tests.faults.judge import judged
from tests.faults.siege import Siege, besieged

CUSTOMERS = 20_000
KILLS = 60
SEED = 60
COUNTS = {"entitlements": "considered", "billing": "answers", "notifications": "sent"}
_PATIENCE_SECONDS = 240.0


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """A stack of its own, whose services get on by small steps."""
    settings = {"AMENDS_BATCH_RECORDS": "100", "AMENDS_LETTERS_IN_HAND": "50"}
    with besieged(tmp_path_factory.mktemp("kills"), CUSTOMERS, settings=settings) as siege:
        state.lay_tripwires(siege)
        yield siege


def _kill(siege: Siege, incident_id: str) -> dict[str, int]:
    """Kill until sixty have died, each in its work; returns how often each service has."""
    chance = random.Random(SEED)
    deaths, reached = dict.fromkeys(COUNTS, 0), dict.fromkeys(COUNTS, 0)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while sum(deaths.values()) < KILLS:
        assert time.monotonic() < deadline, f"no more than {deaths} could be killed in their work"
        for service in chance.sample(sorted(COUNTS), len(COUNTS)):
            count = siege.tally(service, incident_id).get(COUNTS[service], 0)
            if count > reached[service] and siege.signal(service, signal.SIGKILL):
                deaths[service] += 1
                reached[service] = count
        time.sleep(0.02)
    return deaths


def test_sixty_kills_over_one_incident_leave_no_trace(siege: Siege) -> None:
    siege.declare(another("sixty-kills"))
    expected = siege.expect(another("sixty-kills"))
    deaths = _kill(siege, "sixty-kills")
    siege.supervisor.await_ready()
    siege.watch("sixty-kills")
    judged(siege, expected, in_doubt_at_most=SMTP_CONNECTIONS * deaths["notifications"])
