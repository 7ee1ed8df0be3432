"""The wire, for tests: records as they arrive from a topic, a batch taken in as the consumer would, a plain reader."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas.json_schemas import json_schema
from services.runtime import broker, positions
from services.runtime.database import Pool
from services.runtime.envelope import Encoder, Headers, Record
from services.runtime.handling import Route
from services.runtime.positions import Extent
from services.runtime.work import Workbench

CLUSTER = "tests"
AT = datetime(2011, 5, 13, 8, 0, tzinfo=UTC)
_SECONDS = 20.0
_KEYS = {"progress.reported.v1": "incident_id", "run.reported.v1": "incident_id", "policy.published.v1": "policy"}
_offsets = itertools.count()


@dataclass(slots=True)
class Arrived:
    """A record as the broker's client hands it over; no two have the same offset."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


async def until(so: Callable[[], Awaitable[object]], seconds: float = _SECONDS) -> None:
    """Wait until it is so; raises TimeoutError if it is not in time."""
    async with asyncio.timeout(seconds):
        while not await so():  # noqa: ASYNC110 — what is waited for happens in a database or another process
            await asyncio.sleep(0.03)


def arrived(topic: str, records: Iterable[Record], partition: int = 0) -> list[Arrived]:
    """Records as if read from a partition of a topic, one after the other."""
    now = int(AT.timestamp() * 1000)
    return [Arrived(topic, partition, next(_offsets), now, r.key, r.value, r.headers) for r in records]


def events(event_type: str, *told: tuple[str, str, Any]) -> list[Record]:
    """Records of one type from (key, event id, data) triples, as somebody outside would write them."""
    return Encoder(event_type, "urn:tests").records(told)


async def take_in(workbench: Workbench, route: Route, batch: Sequence[Arrived]) -> None:
    """A batch in one transaction, as the consumer has it: what cannot be read is set aside, the rest is handled."""
    messages, bad = route.decoder.decode(batch)

    async def work(transaction: Any) -> None:
        transaction.set_aside(bad)
        if messages:
            await route.handle(messages, transaction)

    await workbench.run(work, cluster=CLUSTER)


async def stand_at_the_ends(pool: Pool, kafka: str, *topics: str) -> None:
    """All that is on these topics counts as read: what earlier tests left there is none of this test's business."""
    cluster = await broker.cluster_id(kafka)
    for topic in topics:
        ends = await broker.end_offsets(kafka, topic)
        extents = {(topic, partition): Extent(end, end) for partition, end in ends.items()}
        async with pool.acquire() as connection, connection.transaction():
            await positions.stand(connection, cluster, extents)


class Reader:
    """A plain consumer without a group that reads what came onto some topics since it was made."""

    def __init__(self, consumer: Any, ends: Mapping[TopicPartition, int]) -> None:
        self._consumer, self._ends = consumer, ends

    async def records(self, topic: str) -> list[Any]:
        """All records of a topic that have come so far, partition by partition."""
        read: list[Any] = []
        async with asyncio.timeout(_SECONDS):
            mine = [partition for partition in self._ends if partition.topic == topic]
            now = await self._consumer.end_offsets(mine)
            self._consumer.pause(*self._ends)
            self._consumer.resume(*mine)
            for partition in mine:
                self._consumer.seek(partition, self._ends[partition])
            while any([await self._consumer.position(partition) < now[partition] for partition in mine]):
                batches = await self._consumer.getmany(*mine, timeout_ms=200)
                read += [record for records in batches.values() for record in records]
        return read

    async def data(self, topic: str) -> list[Any]:
        """What the events that have come onto a topic say; each is checked against its JSON Schema."""
        return [checked(record) for record in await self.records(topic)]


@asynccontextmanager
async def reading(kafka: str, *topics: str) -> AsyncIterator[Reader]:
    """A reader of what comes onto these topics from now on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions: list[TopicPartition] = []
        for topic in topics:
            ends = await broker.end_offsets(kafka, topic)
            partitions += [TopicPartition(topic, partition) for partition in ends]
        consumer.assign(partitions)
        yield Reader(consumer, await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()


def checked(record: Any) -> Any:
    """An event's data, once it was found to be what its schema says and to lie under its customer's or incident's key.

    Raises `jsonschema.ValidationError` or AssertionError.
    """
    headers = dict(record.headers)
    event_type = headers["ce_type"].decode()
    data = orjson.loads(record.value)
    _validator(event_type).validate(data)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"]
    key = record.key.decode()
    assert key == data[_KEYS.get(event_type, "customer_id")]
    return data


@cache
def _validator(event_type: str) -> Any:
    return Draft202012Validator(json_schema(event_type), format_checker=Draft202012Validator.FORMAT_CHECKER)


def ids(records: Iterable[Any]) -> list[str]:
    """The events' ids."""
    return [dict(record.headers)["ce_id"].decode() for record in records]
