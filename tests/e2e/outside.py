"""Reading Amends from the outside, as anyone could: the topics with a plain consumer, the mbox with `email`.

Also the one thing that an outsider writes: a record with a plain producer. Shares no code with the services.
"""

from __future__ import annotations

import asyncio
import json
import mailbox
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

_SECONDS = 60.0
_MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@", re.MULTILINE)


class Record:
    """One record of a topic, read as far as it is looked at."""

    def __init__(self, raw: Any) -> None:
        self.topic: str = raw.topic
        self.partition: int = raw.partition
        self.key: str = (raw.key or b"").decode()
        self.value: bytes = raw.value or b""
        self._headers: Iterable[tuple[str, bytes]] = raw.headers

    @cached_property
    def headers(self) -> dict[str, str]:
        return {name: content.decode("utf-8", "replace") for name, content in self._headers}

    @cached_property
    def data(self) -> Any:
        """The value read as JSON, None for a tombstone or bytes that are none."""
        try:
            return json.loads(self.value) if self.value else None
        except ValueError:
            return None

    @cached_property
    def event_id(self) -> str:
        return next((content.decode() for name, content in self._headers if name == "ce_id"), "")


Positions: TypeAlias = dict[TopicPartition, int]
"""How far a reader has come."""


def read(kafka: str, topics: Iterable[str], since: Positions | None = None) -> dict[str, list[Record]]:
    """Every record of each topic to the end as it is now, partition by partition.

    From the beginning, or from the positions `since`, which are moved on.
    """
    return asyncio.run(asyncio.wait_for(_read(kafka, list(topics), {} if since is None else since), _SECONDS))


def ends(kafka: str, *topics: str) -> Positions:
    """The end offset of each partition of these topics."""

    async def ask() -> Positions:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
        await consumer.start()
        try:
            return dict(
                await consumer.end_offsets([tp for topic in topics for tp in await _partitions(consumer, topic)])
            )
        finally:
            await consumer.stop()

    return asyncio.run(asyncio.wait_for(ask(), _SECONDS))


async def _partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    await consumer._client.force_metadata_update()  # a consumer without topics asks for none by itself
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


def each(kafka: str, topic: str, see: Callable[[Record], None], seconds: float = 900.0) -> None:
    """Show every record of a topic that may be too long to hold, from its beginning to its end as it is now."""
    asyncio.run(asyncio.wait_for(_visit(kafka, [topic], {}, see), seconds))


async def _read(kafka: str, topics: list[str], since: Positions) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {topic: [] for topic in topics}
    await _visit(kafka, topics, since, lambda record: found[record.topic].append(record))
    return found


async def _visit(kafka: str, topics: list[str], since: Positions, see: Callable[[Record], None]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await consumer.start()
    try:
        end = await consumer.end_offsets([tp for topic in topics for tp in await _partitions(consumer, topic)])
        consumer.assign([tp for tp in end if end[tp] > since.get(tp, 0)])
        for tp in consumer.assignment():
            consumer.seek(tp, since.get(tp, 0))
        while [tp for tp in consumer.assignment() if await consumer.position(tp) < end[tp]]:
            batch = await consumer.getmany(timeout_ms=500)
            for tp, records in batch.items():
                for raw in records:
                    if raw.offset < end[tp]:
                        see(Record(raw))
        since |= end
    finally:
        await consumer.stop()


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def declare(kafka: str, declaration: Mapping[str, Any], *, structured: bool = False) -> str:
    """Publish a declaration as any pipeline would, in binary or structured mode; returns the event's id."""
    event_id = str(uuid4())
    attributes = {
        "id": event_id,
        "source": "urn:monitoring:pipeline",
        "type": "incident.declared.v1",
        "specversion": "1.0",
        "time": datetime.now(UTC).isoformat(),
    }
    if structured:
        value = json.dumps({**attributes, "datacontenttype": "application/json", "data": declaration}).encode()
        headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    else:
        value = json.dumps(declaration).encode()
        headers = [*binary(**attributes), ("content-type", b"application/json")]
    publish(kafka, "amends.incidents.v1", declaration["incident_id"].encode(), value, headers)
    return event_id


def binary(**attributes: str) -> list[tuple[str, bytes]]:
    """An event's attributes as the headers of a record in binary mode."""
    return [(f"ce_{name}", content.encode()) for name, content in attributes.items()]


def publish(kafka: str, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    """One record, with aiokafka's producer as it comes."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        try:
            await producer.send_and_wait(topic, key=key, value=value, headers=headers)
        finally:
            await producer.stop()

    asyncio.run(asyncio.wait_for(send(), _SECONDS))


# ── The mailbox ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Received:
    """One letter as the mail server has it; `text` and `page` are its two parts, decoded."""

    recipients: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    text: str
    page: str

    def header(self, name: str) -> str:
        """The one header of this name."""
        (value,) = (value for given, value in self.headers if given.lower() == name.lower())
        return value

    @property
    def letter_id(self) -> str:
        return self.header("Message-ID").strip("<>").partition("@")[0]


def letters(path: Path) -> list[Received]:
    """Every letter in the mbox."""
    box = mailbox.mbox(path, create=False)
    try:
        return [_letter(message) for message in box]
    finally:
        box.close()


def letter_ids(path: Path) -> Counter[str]:
    """How often each letter is in the mbox, by its Message-ID; quicker than reading them."""
    return Counter(found.decode() for found in _MESSAGE_ID.findall(path.read_bytes()))


def _letter(message: Message) -> Received:
    headers = [(name, str(value)) for name, value in message.items()]
    to = tuple(value for name, value in headers if name == "X-Envelope-To")
    own = tuple((name, value) for name, value in headers if not name.startswith("X-Envelope-"))
    parts = message.get_payload()
    assert isinstance(parts, list), message.defects
    assert not message.defects
    bodies = {}
    for part in parts:
        assert isinstance(part, Message)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        bodies[part.get_content_type()] = content.decode(part.get_content_charset() or "ascii")
    assert bodies.keys() == {"text/plain", "text/html"}
    return Received(to, own, bodies["text/plain"], bodies["text/html"])
