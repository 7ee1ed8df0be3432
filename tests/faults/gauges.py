"""What grows while the services work: the memory of each process, the rows and bytes of each table, sampled.

Leaves to `soak` when a sample is taken, and what is made of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil

KEPT = {
    "entitlements": {"contract", "policy", "incident", "declaration", "plan", "chunk", "consideration", "granted",
                     "approval", "audit", "migration", "tally"},
    "billing": {"contract", "entry", "addon", "voucher", "credit", "migration", "tally"},
    "notifications": {"recipient", "incident", "revision", "pause", "policy", "letter", "migration", "tally"},
}  # fmt: skip
"""Tables that are the record of what was done: they grow with customers and incidents, and are meant to."""

_TABLES = "SELECT tablename, pg_total_relation_size(tablename::regclass) FROM pg_tables WHERE schemaname = 'public'"
_MIB = 1 << 20


def resident(pids: Iterable[int]) -> float:
    """The memory of these processes and their children that is theirs alone, in MiB; those that ended count nothing."""
    total = 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for one in family:
            try:
                total += one.memory_full_info().uss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    return total / _MIB


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """The least-squares slope of (seconds, value) samples, per hour; 0 for fewer than two."""
    if len(samples) < 2:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


@dataclass
class Memory:
    """The memory of each process over time, in MiB."""

    samples: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, at: float, pids: Mapping[str, int]) -> None:
        for name, pid in pids.items():
            if used := resident([pid]):
                self.samples[name].append((at, used))

    def table(self, settled_after: float) -> list[dict[str, object]]:
        """Each process: at first, in the end, at most, and the slope since it had settled, in MiB an hour."""
        return [
            {
                "process": name,
                "first_mib": round(taken[0][1], 1),
                "last_mib": round(taken[-1][1], 1),
                "most_mib": round(max(value for _, value in taken), 1),
                "slope_mib_per_hour": round(slope([(x, y) for x, y in taken if x >= settled_after]), 1),
            }
            for name, taken in self.samples.items()
        ]


async def tables(databases: Mapping[str, str]) -> dict[str, tuple[int, float]]:
    """Every table's rows, counted, and its size in MiB with indexes; by `service.table`."""
    found: dict[str, tuple[int, float]] = {}
    for service, dsn in databases.items():
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            for name, size in await connection.fetch(_TABLES):
                rows = await connection.fetchval(f'SELECT count(*) FROM "{name}"')
                found[f"{service}.{name}"] = (rows, size / _MIB)
        finally:
            await connection.close(timeout=10)
    return found


def files(root: Path) -> dict[str, float]:
    """The size of what the services keep on disk beside their databases, in MiB, by path below `root`."""
    kept = [*root.glob("data/notifications*/*"), *root.glob("logs/*.log")]
    return {str(path.relative_to(root)): path.stat().st_size / _MIB for path in sorted(kept) if path.is_file()}
