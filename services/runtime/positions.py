"""Where a consumer stands, kept in the service's own database.

A position moves by compare-and-set in the transaction that holds the batch's effects: whoever finds another value
there has lost the partition, and his batch with it. Offsets belong to one life of the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from services.runtime.database import Connection, queries
from services.runtime.errors import Conflict

log = structlog.get_logger()
SQL = queries(Path(__file__).with_name("queries.sql"))

Partition: TypeAlias = tuple[str, int]
"""A topic and one of its partitions."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The offsets that a log holds just now: [first, end)."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Step:
    """A batch's way through one partition: from the offset we stood at to the one after its last record."""

    expected: int
    new: int


async def stand(connection: Connection, cluster: str, extents: Mapping[Partition, Extent]) -> dict[Partition, int]:
    """The offset to read each partition from; begins, or begins anew where the log is not the one we knew.

    A log is another one when the cluster has another id or the log ends before our position. Deterministic ids make
    the replay harmless.
    """
    positions: dict[Partition, int] = {}
    for (topic, partition), extent in extents.items():
        known = await connection.fetchrow(SQL["positions"], topic, [partition])
        if known is None:
            await connection.execute(SQL["begin_position"], topic, partition, extent.first, cluster)
        elif known["cluster"] != cluster or not extent.first <= known["next"] <= extent.end:
            log.warning(
                "the log is not the one we knew, reading it from its start",
                topic=topic,
                partition=partition,
                position=known["next"],
                first=extent.first,
                end=extent.end,
                same_cluster=known["cluster"] == cluster,
            )
            await connection.execute(
                SQL["reset_position"],
                topic,
                partition,
                extent.first,
                cluster,
                known["next"],
                known["cluster"],
            )
        now = await connection.fetchrow(SQL["positions"], topic, [partition])
        positions[topic, partition] = now["next"]
    return positions


async def all_of(connection: Connection) -> list[dict[str, Any]]:
    """Every position, as topic, partition and the next offset."""
    return [dict(row) for row in await connection.fetch(SQL["all_positions"])]


async def reached(connection: Connection, topic: str, ends: Mapping[int, int]) -> bool:
    """Whether the positions in a topic have come to these end offsets, by partition."""
    rows = await connection.fetch(SQL["positions"], topic, list(ends))
    standing = {row["partition"]: row["next"] for row in rows}
    return all(standing.get(partition, 0) >= end for partition, end in ends.items())


async def is_another_log(connection: Connection, topic: str, cluster: str) -> bool:
    """Whether the topic is read by now in another cluster than this one: its offsets are of another life."""
    return bool(await connection.fetchval(SQL["other_clusters"], topic, cluster))


async def claim(connection: Connection, cluster: str, steps: Mapping[Partition, Step]) -> None:
    """Move the positions, all or none; raises `Conflict` when one of them is not where we thought."""
    moved = await connection.fetch(
        SQL["claim_positions"],
        [topic for topic, _ in steps],
        [partition for _, partition in steps],
        [step.expected for step in steps.values()],
        [step.new for step in steps.values()],
        cluster,
    )
    if len(moved) != len(steps):
        lost: Collection[Partition] = set(steps) - {(row["topic"], row["partition"]) for row in moved}
        raise Conflict(f"the position has moved under us in {sorted(lost)}")
