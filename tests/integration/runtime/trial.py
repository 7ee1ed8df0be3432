"""A trial of the runtime: a small service of parcels that no other service knows, on the real broker and database.

Each parcel that is read becomes a row of `parcel` (without any key that could hide a repetition) and one answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import BaseModel

from services.runtime.consumer import Consumer
from services.runtime.database import Pool
from services.runtime.envelope import Decoder, Encoder, Message, Record
from services.runtime.handling import Handler, Route
from services.runtime.metrics import Metrics
from services.runtime.quarantine import Limit
from services.runtime.relay import Publisher, Relay
from services.runtime.work import Step, Transaction, Workbench, no_step

SECONDS = 60.0
AT = datetime(2011, 4, 29, tzinfo=UTC)
TABLE = "CREATE TABLE parcel (partition integer, record_offset bigint, number bigint, note jsonb)"


class Parcel(BaseModel):
    """What the trial's events say."""

    number: int
    note: str = ""


DECODER = Decoder({"parcel.shipped.v1": Parcel})
SHIPPED = Encoder("parcel.shipped.v1", "/trial")
ANSWERED = Encoder("parcel.answered.v1", "/trial")


def parcels(numbers: Iterable[int], key: Callable[[int], str] = "p{}".format) -> list[Record]:
    """One record for each number."""
    return SHIPPED.records([(key(n), f"shipped/{n}", {"number": n}) for n in numbers], AT)


def answers(numbers: Iterable[int], key: Callable[[int], str] = "p{}".format) -> list[Record]:
    """The answers to these parcels."""
    return ANSWERED.records([(key(n), f"answer/{n}", {"answered": n}) for n in numbers], AT)


def bare(record: Any) -> Record:
    """What a record says, whoever holds it."""
    return Record(record.key, record.value, [tuple(header) for header in record.headers])


def event_id(record: Any) -> str:
    """The event's id."""
    headers: dict[str, bytes] = dict(record.headers)
    return headers["ce_id"].decode()


class PowerCut(BaseException):
    """The process is gone at this point: nothing catches it."""


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> None:
    """Wait until it is so; raises `TimeoutError` if it never is."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 — what is waited for happens in other processes
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[asyncio.Task[None]]:
    """The consumer at work; asked to stop at the end, and whatever it raised is raised."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(consumer.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, SECONDS)


@dataclass
class Trial:
    """The parcels' topic, the answers' topic, the database, and what a service of parcels consists of."""

    kafka: str
    pool: Pool
    publisher: Publisher
    topic: str
    answers: str
    group: str = field(default_factory=lambda: f"trial-{uuid4().hex[:8]}")

    async def send(self, records: Sequence[Record]) -> None:
        """Put records into the parcels' topic."""
        await self.publisher.publish({self.topic: records})

    async def handle(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Note each parcel and answer it."""
        await transaction.connection.execute(
            "INSERT INTO parcel SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::jsonb[])",
            [message.record.partition for message in batch],
            [message.record.offset for message in batch],
            [message.data.number for message in batch],
            [message.data.note for message in batch],
        )
        transaction.publish(self.answers, answers(message.data.number for message in batch))

    def workbench(self, step: Step = no_step, publisher: Publisher | None = None) -> Workbench:
        """A workbench with metrics of its own; `step` is called between any two steps."""
        return Workbench(
            self.pool, Relay(self.pool, publisher or self.publisher), Metrics(), seconds=SECONDS, step=step
        )

    def consumer(
        self,
        workbench: Workbench | None = None,
        handle: Handler | None = None,
        *,
        group: str = "",
        batch_records: int = 500,
        limit: Limit | None = None,
    ) -> Consumer:
        """One member of the trial's group."""
        return Consumer(
            self.kafka,
            group or self.group,
            {self.topic: Route(DECODER, handle or self.handle)},
            workbench or self.workbench(),
            batch_records=batch_records,
            patience_seconds=SECONDS,
            limit=limit or Limit(in_a_row=1_000, share=1.0, window=10_000),
        )

    async def effects(self) -> list[tuple[int, int]]:
        """(partition, offset) of every parcel noted, sorted; a repetition shows."""
        rows = await self.pool.fetch("SELECT partition, record_offset FROM parcel ORDER BY 1, 2")
        return [tuple(row) for row in rows]

    async def numbers(self) -> list[int]:
        """The number of every parcel noted, sorted; a repetition shows."""
        return [row[0] for row in await self.pool.fetch("SELECT number FROM parcel ORDER BY 1")]

    async def positions(self) -> dict[int, int]:
        """Where the database stands, by partition."""
        return dict(await self.pool.fetch("SELECT partition, next FROM position WHERE topic = $1", self.topic))

    async def quarantined(self) -> list[Any]:
        """What was set aside, in the order of the log."""
        return list(await self.pool.fetch("SELECT * FROM quarantine ORDER BY topic, partition, record_offset"))

    async def pending(self) -> int:
        """Outbox rows that nobody has published."""
        return int(await self.pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"))

    async def read(self, topic: str) -> list[Any]:
        """Everything in a topic, read from the outside."""
        return await read(self.kafka, topic)

    async def ends(self) -> dict[int, int]:
        """Where the parcels' log ends, by partition."""
        return {partition: end for partition, end in (await _extent(self.kafka, self.topic)).items() if end}

    async def done(self, numbers: int) -> None:
        """Wait until so many parcels are noted and every answer is published."""

        async def all_there() -> bool:
            return await self.pool.fetchval("SELECT count(*) FROM parcel") >= numbers and not await self.pending()

        await until(all_there)

    async def follow(self, numbers: int, consumer: Consumer | None = None) -> None:
        """Let one consumer work until so many parcels are noted and answered; raises what ends it before."""
        async with running(consumer or self.consumer()) as task:
            done = asyncio.ensure_future(self.done(numbers))
            await asyncio.wait([task, done], return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                done.cancel()
                task.result()
                raise AssertionError("the consumer ended without a word")
            done.result()


async def _extent(kafka: str, topic: str) -> dict[int, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        return {tp.partition: end for tp, end in (await consumer.end_offsets(partitions)).items()}
    finally:
        await consumer.stop()


async def read(kafka: str, topic: str) -> list[Any]:
    """Every record of a topic, partition by partition, with a plain consumer."""
    ends = await _extent(kafka, topic)
    partitions = [TopicPartition(topic, p) for p in sorted(ends)]
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    found: list[Any] = []
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async with asyncio.timeout(SECONDS):
            while any([await consumer.position(tp) < ends[tp.partition] for tp in partitions]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))
