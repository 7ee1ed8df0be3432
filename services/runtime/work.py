"""One piece of work, one transaction: effects, what is set aside and what will be published are committed together.

Whoever works in it (a consumer's handler, a claimed chunk, a settled letter) writes through `Transaction`; only the
`Workbench` commits, and only it publishes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from services.runtime import outbox, quarantine
from services.runtime.database import Connection, Pool
from services.runtime.envelope import Consumed, Record, Unreadable
from services.runtime.metrics import Metrics
from services.runtime.relay import Relay

T = TypeVar("T")

Step = Callable[[str], Awaitable[None]]
"""Called between any two steps with the name of the one that was done; tests stop the world there."""


async def no_step(_: str) -> None:
    """Nothing happens between two steps."""


class Transaction:
    """What a piece of work may do: use the connection, say what to publish, set records aside. It never commits."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.outgoing: dict[str, list[Record]] = defaultdict(list)
        self.unreadable: list[Unreadable] = []
        self.followed: list[Consumed] = []
        """Records of compacted topics that were handled: what was set aside of their keys before is overtaken."""

    def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Publish these after the commit."""
        if records:
            self.outgoing[topic] += records

    def set_aside(self, bad: Sequence[Unreadable]) -> None:
        """Keep records that can never be processed, in the quarantine and on their topic's `.dlq`."""
        self.unreadable += bad
        for one in bad:
            self.publish(f"{one.record.topic}.dlq", [quarantine.dead_letter(one)])

    def take_over(self, other: Transaction) -> None:
        """What another piece of work within this one has left."""
        for topic, records in other.outgoing.items():
            self.publish(topic, records)
        self.unreadable += other.unreadable
        self.followed += other.followed


class Workbench:
    """Runs pieces of work, each in a transaction with a deadline, and publishes what they leave."""

    def __init__(self, pool: Pool, relay: Relay, metrics: Metrics, *, seconds: float, step: Step = no_step) -> None:
        self.pool, self.relay, self.metrics = pool, relay, metrics
        self._seconds, self.step = seconds, step

    async def run(self, work: Callable[[Transaction], Awaitable[T]], *, cluster: str = "") -> T:
        """Do the work, commit, publish. An error before the commit leaves nothing behind.

        An error after it (`Transient` from the relay) leaves a pending outbox row, which a flush publishes.
        """
        async with self.pool.acquire() as connection:
            async with asyncio.timeout(self._seconds):
                async with connection.transaction():
                    transaction = Transaction(connection)
                    result = await work(transaction)
                    await self.step("worked")
                    if transaction.unreadable:
                        await quarantine.set_aside(connection, cluster, transaction.unreadable)
                    if transaction.followed:
                        await quarantine.supersede(connection, cluster, transaction.followed)
                    outbox_id = None
                    if transaction.outgoing:
                        outbox_id = await outbox.write(connection, transaction.outgoing)
                    await self.step("written")
                await self.step("committed")
            for bad in transaction.unreadable:
                self.metrics.quarantined.labels(bad.record.topic).inc()
            if outbox_id is not None:
                await self.relay.publish(connection, outbox_id, transaction.outgoing)
                await self.step("published")
        return result
