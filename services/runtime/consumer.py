"""The batch consumer: one batch of records, one transaction, and a position that moves with it.

Reads from where the database says, whatever the group coordinator remembers. What each kind of error means is decided
here and nowhere else: poison is set aside, what passes is tried again from the database's position, a lost position is
somebody else's, too much poison halts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import TopicPartition

from services.runtime import broker, positions
from services.runtime.bell import wait
from services.runtime.envelope import Consumed, Unreadable
from services.runtime.errors import Conflict, GaveUp, Halted, Transient, classify
from services.runtime.handling import Route, handle
from services.runtime.positions import Extent, Partition
from services.runtime.quarantine import Fault, Limit, faults, what_to_do
from services.runtime.work import Transaction, Workbench

log = structlog.get_logger()

_POLL_SECONDS = 0.5
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0
_HINT_EVERY_SECONDS = 1.0


class Consumer:
    """Follows its topics as one member of the service's group, until it is told to stop."""

    def __init__(
        self,
        kafka: str,
        group: str,
        routes: Mapping[str, Route],
        workbench: Workbench,
        *,
        batch_records: int,
        patience_seconds: float,
        limit: Limit,
    ) -> None:
        self._kafka, self._group, self._routes, self._workbench = kafka, group, routes, workbench
        self._batch_records, self._patience = batch_records, patience_seconds
        self._at_most = batch_records  # fewer for a while, when a batch took too long
        self._limit = self._fresh_limit = limit
        self._metrics = workbench.metrics
        self._consumer: Any = None
        self._cluster = ""
        self._standing: dict[Partition, int] = {}
        self._unsure = True  # stand anew before the next batch: after a failure, or when the assignment changed
        self._next_hint = 0.0
        self.halted: str | None = None
        self.halted_over: list[Fault] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; raises `GaveUp` when broker or database stay away longer than the patience."""
        trouble_since, pause, resumed = 0.0, _FIRST_PAUSE_SECONDS, 0.0
        try:
            while not stop.is_set():
                if self.halted:
                    await self._stand_still(stop)
                    trouble_since, pause = 0.0, _FIRST_PAUSE_SECONDS
                    continue
                try:
                    committed = await self._turn()
                    # An empty turn proves nothing while the batch that fails is still on its way to us again.
                    if committed or time.monotonic() - resumed > _LONGEST_PAUSE_SECONDS:
                        trouble_since, pause = 0.0, _FIRST_PAUSE_SECONDS
                except Exception as error:  # noqa: BLE001 — `_judge` raises again what it does not know
                    now = time.monotonic()
                    trouble_since = trouble_since or now
                    self._judge(error, now - trouble_since)
                    await wait(stop, pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                    resumed = time.monotonic()
        finally:
            await self._close()

    async def _stand_still(self, stop: asyncio.Event) -> None:
        """Keep the process, so that it can be looked at, until somebody resumes us."""
        while self.halted and not stop.is_set():
            await wait(stop, _POLL_SECONDS)
        await self._close()  # after a long halt the group has given our place away: join it anew

    def resume(self) -> bool:
        """Go on after a halt, as a restart would: the same records are read again; False when it was not halted."""
        if not self.halted:
            return False
        log.info("resumed", group=self._group)
        self.halted, self.halted_over, self._limit = None, [], self._fresh_limit
        self._metrics.halted.set(0)
        return True

    def _judge(self, error: Exception, trouble_seconds: float) -> None:
        """What an error that reached the loop means: go on from the database's position, halt, or give up."""
        meaning = classify(error)
        self._unsure = True
        if meaning is Halted:
            self.halted = str(error)
            self._metrics.halted.set(1)
            log.error("halted: too much is set aside", reason=self.halted, group=self._group)
            return
        if isinstance(error, TimeoutError):
            self._at_most = max(1, self._at_most // 4)
        if meaning not in (Transient, Conflict):
            raise error
        if trouble_seconds > self._patience:
            raise GaveUp(f"no batch could be committed for {trouble_seconds:.0f} s: {error!r}") from error
        self._metrics.retries.labels(type(error).__name__).inc()
        log.warning("a batch is tried again", error=repr(error), group=self._group)

    async def _turn(self) -> bool:
        """Read one batch and see it through; returns whether one was committed."""
        if self._consumer is None:
            await self._open()
        if self._unsure:
            await self._stand()
        fetched = await self._consumer.getmany(timeout_ms=int(_POLL_SECONDS * 1000), max_records=self._at_most)
        batch = {(tp.topic, tp.partition): records for tp, records in fetched.items() if records}
        if any(records[0].offset < self._standing.get(at, 1 << 63) for at, records in batch.items()):
            self._unsure = True  # read before the last seek, or from a partition that is no longer ours
        if not batch or self._unsure:
            return False
        await self._process(batch)
        return True

    async def _process(self, batch: Mapping[Partition, Sequence[Consumed]]) -> None:
        started = time.monotonic()
        steps = {at: positions.Step(self._standing[at], records[-1].offset + 1) for at, records in batch.items()}
        limit = self._limit

        async def work(transaction: Transaction) -> None:
            nonlocal limit
            await positions.claim(transaction.connection, self._cluster, steps)
            await self._workbench.step("claimed")
            for topic, route in self._routes.items():
                records = [record for (name, _), share in batch.items() if name == topic for record in share]
                if records:
                    await handle(route, records, transaction)
            try:
                limit = self._limit.after(_faults(batch, transaction.unreadable))
            except Halted as halted:
                self.halted_over = faults(transaction.unreadable)
                service = self._group.removeprefix("amends.")
                raise Halted(f"{halted}; {what_to_do(service, transaction.unreadable)}") from None

        await self._workbench.run(work, cluster=self._cluster)
        self._limit = limit
        self._at_most = min(self._batch_records, self._at_most * 2)
        self._standing.update({at: step.new for at, step in steps.items()})
        self._report(batch, started)
        await self._hint()

    async def _open(self) -> None:
        """Join the group."""
        self._consumer = await broker.join(self._kafka, self._group, list(self._routes), self._lost_sight)

    def _lost_sight(self) -> None:
        """The assignment has changed: what we know of where we stand is worth nothing."""
        self._standing.clear()
        self._unsure = True

    async def _stand(self) -> None:
        """Seek to the database's positions; first publish what a worker before us committed and did not publish."""
        assigned: set[TopicPartition] = self._consumer.assignment()
        if not assigned:
            await asyncio.sleep(_POLL_SECONDS / 10)
            return
        self._unsure = False  # a rebalance during the waits below makes it true again
        try:
            self._cluster = await broker.cluster_id(self._kafka)
            await self._workbench.relay.follow(self._cluster)
            first = await self._consumer.beginning_offsets(assigned)
            end = await self._consumer.end_offsets(assigned)
            if await broker.cluster_id(self._kafka) != self._cluster:  # lost in between: these ends are another life's
                raise Transient("the cluster became another one while we asked it")
            extents = {(tp.topic, tp.partition): Extent(first[tp], end[tp]) for tp in assigned}
            async with self._workbench.pool.acquire() as connection, connection.transaction():
                standing = await positions.stand(connection, self._cluster, extents)
            # In this order: whatever is committed later than what is flushed here moves a position that we have read.
            await self._workbench.relay.flush()
            for (topic, partition), offset in standing.items():
                tp = TopicPartition(topic, partition)
                if tp in self._consumer.assignment():
                    self._consumer.seek(tp, offset)
        except BaseException:
            self._unsure = True
            raise
        self._standing = dict(standing)
        log.info("standing", group=self._group, partitions=len(standing))

    async def _hint(self) -> None:
        """Tell the broker where we stand, for lag monitors; nothing is read back from it."""
        if time.monotonic() < self._next_hint:
            return
        self._next_hint = time.monotonic() + _HINT_EVERY_SECONDS
        mine = self._consumer.assignment()
        offsets = {
            TopicPartition(t, p): offset for (t, p), offset in self._standing.items() if TopicPartition(t, p) in mine
        }
        if not offsets:  # all of it has gone to another member while we worked
            return
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), _POLL_SECONDS)
        except Exception as error:
            if classify(error) is not Transient:
                raise
            log.debug("the hint was not taken", error=repr(error))

    def _report(self, batch: Mapping[Partition, Sequence[Consumed]], started: float) -> None:
        count = 0
        mine = self._consumer.assignment()  # a partition may have gone to another member while we worked
        for (topic, partition), records in batch.items():
            count += len(records)
            self._metrics.records.labels(topic).inc(len(records))
            tp = TopicPartition(topic, partition)
            end = self._consumer.highwater(tp) if tp in mine else None
            if end is not None:
                self._metrics.lag.labels(topic, str(partition)).set(max(0, end - records[-1].offset - 1))
        self._metrics.batch_records.observe(count)
        self._metrics.batch_seconds.observe(time.monotonic() - started)
        self._metrics.last_processed.set_to_current_time()

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            await asyncio.wait_for(consumer.stop(), _LONGEST_PAUSE_SECONDS)
        except Exception as error:
            if classify(error) is not Transient:
                raise
            log.warning("the consumer did not close in time", error=repr(error))


def _faults(batch: Mapping[Partition, Sequence[Consumed]], bad: Sequence[Unreadable]) -> list[str | None]:
    """What was wrong with each record of the batch, None for nothing."""
    wrong = {(b.record.topic, b.record.partition, b.record.offset): b.reason for b in bad}
    return [
        wrong.get((topic, partition, record.offset))
        for (topic, partition), records in batch.items()
        for record in records
    ]
