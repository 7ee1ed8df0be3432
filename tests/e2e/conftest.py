"""The whole stack for the end-to-end tests: up once, its customers imported, the case's incident seen through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deploy.local import stack as local
from deploy.local.customer_base import incident
from tests.e2e.expected import Expected
from tests.e2e.outside import Received, Record
from tests.e2e.world import World

CUSTOMERS = 4_000


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A stack whose customers are imported; tests add incidents to it, each with an id of its own."""
    folder = tmp_path_factory.mktemp("world")
    try:
        yield World(folder, CUSTOMERS)
    finally:
        local.down(folder / ".amends")


@dataclass(frozen=True)
class Journey:
    """The case's incident, seen through: what it must have come to, every record and letter, the books."""

    expected: Expected
    records: dict[str, list[Record]]
    letters: list[Received]
    books: dict[str, object]


@pytest.fixture(scope="package")
def journey(world: World) -> Journey:
    """The first incident of the stack, from its declaration to the last letter, as it looked then."""
    expected = world.see_through(incident())
    return Journey(expected, world.read(), world.letters(), world.books(expected.incident_id))
