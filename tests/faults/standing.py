"""How a stack stands, looked at from outside: who has read how far, what is still to be published, decided, sent.

It has come to rest when every position is at the end of its log, no outbox row waits, no plan can move and no letter
has to leave, twice in a row. Shares no code with the services. Leaves to `verdict` whether what it came to is right.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.stack import Stack

T = TypeVar("T")

READS = {
    "entitlements": ("incidents", "contracts"),
    "billing": ("entitlements",),
    "notifications": ("incidents", "policies", "customers", "announcements", "adjustments"),
}
"""Which topics each service follows."""

_COUNTS_TELLINGS = "{published_at,entries,head}"
"""The columns that change when something is published once more, or refused once more."""
_OPEN = """
SELECT incident_id, plan.state, plan.hash FROM plan JOIN incident USING (incident_id)
WHERE plan.state NOT IN ('done', 'superseded') AND NOT paused AND NOT held
"""
_LETTERS = """
SELECT count(*) FROM letter
LEFT JOIN recipient USING (customer_id) LEFT JOIN incident USING (incident_id) LEFT JOIN pause USING (incident_id)
WHERE (state IN ('pending', 'sending') AND NOT coalesce(paused, false) AND incident.incident_id IS NOT NULL)
   OR (state = 'waiting' AND recipient.customer_id IS NOT NULL)
   OR (letter.cancelled = 'retracted' AND incident.retracted_since IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in one look. `gates`: the plans (hash) that wait for a person, by incident."""

    unread: dict[str, int]
    unpublished: dict[str, int]
    moving: tuple[str, ...]
    letters: int
    ends: dict[str, int]
    gates: dict[str, str]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is on its way."""
        return not (any(self.unread.values()) or any(self.unpublished.values()) or self.moving or self.letters)


class Observer:
    """Looks at a stack's databases and topics."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._loop = asyncio.new_event_loop()
        self._databases: dict[str, Any] = {}
        self._consumer: Any = None

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 30.0) -> T:
        """Do something with the databases' connections now."""
        return self._loop.run_until_complete(asyncio.wait_for(work, seconds))

    def look(self) -> Look:
        """How everything stands now."""
        return self.run(self._look())

    def rows(self, service: str, query: str) -> list[Any]:
        """Rows of a service's database."""
        return self.run(self._rows(service, query))

    def execute(self, service: str, *statements: str) -> None:
        """Change something in a service's database."""

        async def execute() -> None:
            connection = await self._connection(service)
            for statement in statements:
                await connection.execute(statement)

        self.run(execute())

    def everything(self, service: str) -> dict[str, Counter[str]]:
        """All that a service holds, row by row; but for where it stands in logs, when and how often it told what."""
        held: dict[str, Counter[str]] = {}
        for (table,) in self.rows(service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            if table != "position":
                rows = self.rows(service, f"SELECT to_jsonb(one) - '{_COUNTS_TELLINGS}'::text[] FROM {table} AS one")
                held[table] = Counter(str(row[0]) for row in rows)
        return held

    def close(self) -> None:
        """Let go of everything."""

        async def close() -> None:
            for connection in self._databases.values():
                await connection.close()
            if self._consumer is not None:
                await self._consumer.stop()

        self.run(close())
        self._loop.close()

    async def _rows(self, service: str, query: str) -> list[Any]:
        return list(await (await self._connection(service)).fetch(query))

    async def _connection(self, service: str) -> Any:
        if service not in self._databases:
            self._databases[service] = await asyncpg.connect(self._stack.databases[service])
        return self._databases[service]

    async def _look(self) -> Look:
        ends = await self._ends()
        unread, unpublished = {}, {}
        for service, names in READS.items():
            stand = await self._rows(service, "SELECT topic, partition, next FROM position")
            standing = {(row[0], row[1]): row[2] for row in stand}
            mine = {tp: end for tp, end in ends.items() if tp.topic in [f"amends.{name}.v1" for name in names]}
            unread[service] = sum(end - standing.get((tp.topic, tp.partition), 0) for tp, end in mine.items())
            (pending,) = await self._rows(service, "SELECT count(*) FROM outbox WHERE published_at IS NULL")
            unpublished[service] = pending[0]
        plans = await self._rows("entitlements", _OPEN)
        gates = {row[0]: row[2] for row in plans if row[1] in ("approval", "halted")}
        ((letters,),) = await self._rows("notifications", _LETTERS)
        moving = tuple(f"{row[0]} {row[1]}" for row in plans if row[0] not in gates)
        by_name = {f"{tp.topic}/{tp.partition}": end for tp, end in ends.items()}
        return Look(unread, unpublished, moving, letters, by_name, gates)

    async def _ends(self) -> dict[TopicPartition, int]:
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(bootstrap_servers=self._stack.kafka)
            await self._consumer.start()
            await self._consumer._client.force_metadata_update()
        topics = sorted({f"amends.{name}.v1" for names in READS.values() for name in names})
        partitions = [TopicPartition(t, p) for t in topics for p in self._consumer.partitions_for_topic(t) or ()]
        assert partitions, "the topics are there"
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(partitions)
        return ends
