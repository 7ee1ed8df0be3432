"""Running totals per subject and lane, kept in the transaction of the effects that they count.

A lane is one writer's share (a partition, a worker), so that two never wait for each other's row. Totals are what is
reported onwards, never increments: a report that is repeated or overtaken is harmless.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from services.runtime.database import Connection, columns, queries

SQL = queries(Path(__file__).with_name("queries.sql"))

Lane: TypeAlias = tuple[str, str]
"""A subject (what is counted for) and one of its lanes."""


async def add(connection: Connection, counts: Mapping[Lane, Mapping[str, int]]) -> dict[Lane, dict[str, int]]:
    """Add to the lanes' totals and return how they stand then."""
    flat = [(*lane, name, n) for lane, named in sorted(counts.items()) for name, n in sorted(named.items())]
    rows = await connection.fetch(SQL["add_tally"], *columns(flat))
    totals: dict[Lane, dict[str, int]] = defaultdict(dict)
    for subject, lane, name, total in rows:
        totals[subject, lane][name] = total
    return dict(totals)


async def totals(connection: Connection, subject: str) -> dict[str, int]:
    """A subject's totals over all lanes, by name."""
    return dict(await connection.fetch(SQL["tally_totals"], subject))
