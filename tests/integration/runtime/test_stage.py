"""What a column cannot hold is the record's fault, also where a COPY says so in Python's own words."""

from __future__ import annotations

from typing import Any

import pytest

from services.runtime.database import stage
from services.runtime.errors import Poison
from tests.integration.runtime.trial import Trial

TABLE = "CREATE TEMPORARY TABLE IF NOT EXISTS staged (id uuid, number integer, name text, body jsonb); TRUNCATE staged"
GOOD: tuple[Any, ...] = ("6f1c9d0e-6a3f-4c55-9b9d-0a6f3b7d2e11", 1, "n", {})


@pytest.mark.parametrize(
    "bad", [("no uuid", 1, "n", {}), (GOOD[0], 2**31, "n", {}), (GOOD[0], 1, "\ud800", {}), (GOOD[0], 1, "n", 10**30)]
)
async def test_a_value_that_its_column_cannot_hold_is_poison_and_the_session_goes_on(
    trial: Trial, bad: tuple[Any, ...]
) -> None:
    async with trial.pool.acquire() as connection, connection.transaction():
        with pytest.raises((Poison, UnicodeEncodeError)):
            async with connection.transaction():
                await stage(connection, "staged", TABLE, [GOOD, bad])
        await stage(connection, "staged", TABLE, [GOOD])
        assert await connection.fetchval("SELECT count(*) FROM staged") == 1


async def test_an_error_in_making_the_rows_is_a_fault_of_ours(trial: Trial) -> None:
    def rows() -> Any:
        yield GOOD
        raise ValueError("a bug")

    async with trial.pool.acquire() as connection:
        with pytest.raises(ValueError, match="a bug"):
            await stage(connection, "staged", TABLE, rows())
