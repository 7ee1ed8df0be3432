"""What goes down in the middle of an incident comes back, and nothing is lost and nothing happens twice.

Each test has an incident of its own over the same customers, so every contract's end says how often it was moved.
"""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from deploy.local import stack as local
from deploy.local.services import SERVICES
from tests.e2e.faults import SMTP_CONNECTIONS, in_the_middle, seen_through
from tests.e2e.world import World

CUSTOMERS = 6_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack of its own: the faults of one test must not be another file's."""
    folder = tmp_path_factory.mktemp("faults")
    try:
        yield World(folder, CUSTOMERS)
    finally:
        local.down(folder / ".amends")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_killed_goes_on_where_it_was(world: World, service: str) -> None:
    expected = in_the_middle(world, f"killed-{service}", service)
    world.stack.kill(service)
    world.stack.start(service)
    doubtful = SMTP_CONNECTIONS if service == "notifications" else 0
    seen_through(world, expected, in_doubt_at_most=doubtful)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_told_to_end_does_so_and_leaves_nothing_in_doubt(world: World, service: str) -> None:
    process = psutil.Process(local.Stack.load(world.root).pids[service])
    expected = in_the_middle(world, f"ended-{service}", service)
    process.terminate()
    process.wait(10)
    world.stack.start(service)
    seen_through(world, expected)


@pytest.mark.parametrize("part", ["postgres", "kafka", "mail"])
def test_the_services_wait_for_what_they_stand_on_and_go_on(world: World, part: str) -> None:
    expected = in_the_middle(world, f"killed-{part}", "notifications" if part == "mail" else "billing")
    world.stack.kill(part)
    world.stack.start(part)
    seen_through(world, expected, in_doubt_at_most=SMTP_CONNECTIONS)
