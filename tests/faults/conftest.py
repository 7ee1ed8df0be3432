"""One stack under siege for the tests of single faults: each strikes in the middle of an incident of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import state
from tests.faults.siege import Siege, besieged

CUSTOMERS = 3_000


@pytest.fixture(scope="package")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """Two workers bill, so that a partition can have two owners; batches are small, so that there is a middle."""
    settings = {"AMENDS_BATCH_RECORDS": "200", "AMENDS_LETTERS_IN_HAND": "100"}
    with besieged(tmp_path_factory.mktemp("siege"), CUSTOMERS, settings=settings, workers={"billing": 2}) as siege:
        state.lay_tripwires(siege)
        yield siege


@pytest.fixture(autouse=True)
def _at_peace(request: pytest.FixtureRequest) -> Iterator[None]:
    """No fault outlives its test."""
    yield
    if "siege" in request.fixturenames:
        siege: Siege = request.getfixturevalue("siege")
        siege.make_peace()
