"""Publishing what is committed: batches per partition, acknowledged by all replicas, under the outbox row's lock.

Several relays may work at once: each holds the row's lock while it sends, so a row is sent by one after the other,
never interleaved with the same worker's next one. What was sent and not marked is sent again; the ids make that
harmless.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from services.runtime.bell import wait
from services.runtime.database import Connection, Pool, queries
from services.runtime.envelope import Record
from services.runtime.errors import Transient, classify
from services.runtime.metrics import Metrics
from services.runtime.outbox import Outgoing, unpack

log = structlog.get_logger()
SQL = queries(Path(__file__).with_name("queries.sql"))

Page: TypeAlias = tuple[Outgoing, str | None]
"""Some of what a service has to say of its state, and where to go on; None when that is all."""

Restatement: TypeAlias = Callable[[Connection, str], Awaitable[Page]]
"""The page after a mark ("" for the first), read and held in the transaction in which it will be published."""

_BATCH_BYTES = 1 << 20
_CLOSE_SECONDS = 5.0
_SWEEP_SECONDS, _STALE_AFTER = 5.0, timedelta(seconds=15)
_KEPT = timedelta(days=90)
_TRIES, _AGAIN_AFTER_SECONDS = 5, 0.5


def _hash(key: bytes | None) -> int:
    """Kafka's own hash of a key, as its Java clients compute it; a record without a key goes to the first partition."""
    return 0 if key is None else int(murmur2(key)) & 0x7FFFFFFF


class Publisher:
    """An idempotent producer with a deadline of its own, made anew after a delivery that failed."""

    def __init__(self, kafka: str, *, delivery_seconds: float, metrics: Metrics) -> None:
        self._kafka, self._seconds, self._metrics = kafka, delivery_seconds, metrics
        self._producer: Any = None
        self._cluster = ""
        self._starting = asyncio.Lock()

    async def publish(self, outgoing: Outgoing) -> None:
        """Send all records and wait until the broker has them; raises `Transient` when it does not in time."""
        try:
            async with asyncio.timeout(self._seconds):
                producer = await self._ready()
                await asyncio.gather(
                    *[self._publish_topic(producer, topic, records) for topic, records in outgoing.items()]
                )
        except Exception as error:
            if classify(error) is not Transient:
                raise
            await self.close()
            raise Transient(f"the broker has not acknowledged a batch: {error!r}") from error

    async def _publish_topic(self, producer: Any, topic: str, records: Sequence[Record]) -> None:
        partitions = sorted(await producer.partitions_for(topic))
        if not partitions:
            raise Transient(f"the topic {topic} does not exist")
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[partitions[_hash(record.key) % len(partitions)]].append(record)
        await asyncio.gather(*[self._publish_partition(producer, topic, p, share) for p, share in by_partition.items()])
        self._metrics.published.labels(topic).inc(len(records))

    async def _publish_partition(self, producer: Any, topic: str, partition: int, records: Sequence[Record]) -> None:
        """One batch after the other, so that the records stand in the log in their order."""
        batch = producer.create_batch()
        for record in records:
            if not self._append(batch, record):
                await (await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if not self._append(batch, record):
                    raise AssertionError("an empty batch takes any record")
        await (await producer.send_batch(batch, topic, partition=partition))

    @staticmethod
    def _append(batch: Any, record: Record) -> bool:
        appended = batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
        return appended is not None

    async def _ready(self) -> Any:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._kafka,
                    enable_idempotence=True,
                    acks="all",
                    compression_type="zstd",
                    max_batch_size=_BATCH_BYTES,
                    request_timeout_ms=int(self._seconds * 1000),
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def follow(self, cluster: str) -> None:
        """Publish to this cluster from now on: another one gives the same producer ids to other producers.

        With an id of the cluster that was lost a batch could be taken for a repetition of somebody else's.
        """
        if self._cluster not in ("", cluster):
            log.warning("the cluster is another one: a new producer")
            await self.close()
        self._cluster = cluster

    async def close(self) -> None:
        """Let go of the producer; what it has not delivered stays pending in the outbox.

        It is cut off. aiokafka's own `stop` flushes first, for ever if the broker is frozen, and what came out of that
        in the end would stand behind newer records of the same keys.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        producer._closed = True
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await producer.client.close()
                await producer._sender.close()
        except Exception as error:
            if classify(error) is not Transient:
                raise
            log.warning("the producer did not close in time", error=repr(error))


class Relay:
    """Publishes outbox rows: this worker's own at once, a dead worker's when it is found, all of them on request.

    A row is kept for as long as a topic keeps its records (`kept`), so that the topics can be rebuilt. What a topic
    keeps for ever has to be said anew by then, from the service's own tables: `restate`.
    """

    def __init__(self, pool: Pool, publisher: Publisher, *, kept: timedelta = _KEPT) -> None:
        self._pool, self._publisher, self._kept = pool, publisher, kept
        self.restate: Restatement | None = None

    async def follow(self, cluster: str) -> None:
        """Publish to this cluster from now on."""
        await self._publisher.follow(cluster)

    async def publish(self, connection: Connection, outbox_id: int, outgoing: Outgoing) -> None:
        """Publish a row that this worker has just committed, from memory."""
        async with connection.transaction():
            if await connection.fetchval(SQL["lock_outbox"], outbox_id) is None:
                return  # another relay was faster
            await self._publisher.publish(outgoing)
            await connection.execute(SQL["mark_published"], outbox_id)

    async def flush(self, older_than: timedelta = timedelta(0)) -> int:
        """Publish all pending rows in their order, waiting for relays that hold some; returns how many were sent."""
        sent = 0
        async with self._pool.acquire() as connection:
            pending = await connection.fetch(SQL["pending_outbox"], older_than)
            for (outbox_id,) in pending:
                async with connection.transaction():
                    payload = await connection.fetchval(SQL["lock_outbox_payload"], outbox_id)
                    if payload is None:
                        continue
                    await self._publisher.publish(unpack(payload))
                    await connection.execute(SQL["mark_published"], outbox_id)
                    sent += 1
        if sent:
            log.info("published what was pending", rows=sent)
        return sent

    async def sweep(self, stop: asyncio.Event) -> None:
        """Until `stop`: publish what a worker that died has left behind, let go of what is older than any topic."""
        while not stop.is_set():
            await wait(stop, _SWEEP_SECONDS)
            await self.flush(_STALE_AFTER)
            await self.prune()

    async def prune(self) -> int:
        """Delete published rows that are past keeping, some of the oldest; returns how many there were."""
        async with self._pool.acquire() as connection:
            pruned = await connection.fetchval(SQL["prune_outbox"], self._kept)
        if pruned:
            log.info("pruned the outbox", rows=pruned)
        return int(pruned)

    async def republish(self) -> AsyncIterator[int]:
        """Publish all that topics may still hold once more; yields how many records were sent so far.

        Whatever is written meanwhile is sent too: a record that was published behind our back must not be followed by
        an older one of its key and nothing else, for a compacted topic keeps the last.
        """
        records = 0
        async with self._pool.acquire() as connection:
            if self.restate is not None and await connection.fetchval(SQL["outbox_was_pruned"]):
                async for count in self._publish_anew(connection, self.restate):
                    records += count
                    yield records
            last = 0
            while (row := await connection.fetchrow(SQL["outbox_after"], last)) is not None:
                await self._publish_again(unpack(row["payload"]))
                last, records = row["outbox_id"], records + row["records"]
                yield records

    async def _publish_anew(self, connection: Connection, restate: Restatement) -> AsyncIterator[int]:
        """The service's state, page by page, each held until it is published: nobody overtakes it with a newer one."""
        mark: str | None = ""
        while mark is not None:
            async with connection.transaction():
                outgoing, mark = await restate(connection, mark)
                await self._publish_again(outgoing)
            yield sum(len(records) for records in outgoing.values())

    async def _publish_again(self, outgoing: Outgoing) -> None:
        """Publish; more than once, for the producer is shared, and is cut off from all when one delivery failed, or
        when a consumer sees that the cluster is another one. Raises `Transient` when that does not help.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                await self._publisher.publish(outgoing)
            except Transient as trouble:
                if not tries_left:
                    raise
                log.warning("publishing once more goes on", error=str(trouble), tries_left=tries_left)
            else:
                return
            await asyncio.sleep(_AGAIN_AFTER_SECONDS)
