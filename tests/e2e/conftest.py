"""The whole stack for the end-to-end tests: up once, its customers imported, the case's incident seen through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.local import stack as local
from deploy.local.customer_base import incident
from tests.e2e.expected import Expected
from tests.e2e.outside import Received, Record
from tests.e2e.world import World

CUSTOMERS = 4_000


@dataclass(frozen=True)
class Journey:
    """The case's incident, seen through: what it must have come to, every record and letter, the books."""

    world: World
    expected: Expected
    records: dict[str, list[Record]]
    letters: list[Received]
    books: dict[str, Any]


@pytest.fixture(scope="package")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """The first incident of a fresh stack, from its declaration to the last letter, as all looked then."""
    folder = tmp_path_factory.mktemp("world")
    try:
        world = World(folder, CUSTOMERS)
        expected = world.see_through(incident())
        yield Journey(world, expected, world.read(), world.letters(), world.books(expected.incident_id))
    finally:
        local.down(folder / ".amends")


@pytest.fixture(scope="package")
def world(journey: Journey) -> World:
    """The stack with its customers after the first incident; a test adds incidents with ids of their own."""
    return journey.world
