"""Reading Amends from the outside, as anyone could: the topics with a plain consumer, the mbox with `email`.

Also the one thing that an outsider writes: a record with a plain producer. Shares no code with the services.
"""

from __future__ import annotations

import asyncio
import json
import mailbox
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

_SECONDS = 60.0
_MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic; `data` is its value read as JSON, None for a tombstone or bytes that are none."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Mapping[str, str]
    data: Any

    @property
    def event_id(self) -> str:
        return self.headers.get("ce_id", "")


def read(kafka: str, topics: Iterable[str]) -> dict[str, list[Record]]:
    """Every record of each topic, from the beginning to the end as it is now, partition by partition."""
    return asyncio.run(asyncio.wait_for(_read(kafka, list(topics)), _SECONDS))


def ends(kafka: str, topic: str) -> dict[int, int]:
    """The end offset of each partition."""

    async def ask() -> dict[int, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
        await consumer.start()
        try:
            found = await consumer.end_offsets(await _partitions(consumer, topic))
            return {tp.partition: end for tp, end in found.items()}
        finally:
            await consumer.stop()

    return asyncio.run(asyncio.wait_for(ask(), _SECONDS))


async def _partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    await consumer._client.force_metadata_update()  # a consumer without topics asks for none by itself
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def _read(kafka: str, topics: list[str]) -> dict[str, list[Record]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await consumer.start()
    found: dict[str, list[Record]] = {topic: [] for topic in topics}
    try:
        partitions = [tp for topic in topics for tp in await _partitions(consumer, topic)]
        end = await consumer.end_offsets(partitions)
        partitions = [tp for tp in partitions if end[tp]]
        consumer.assign(partitions)
        if partitions:
            await consumer.seek_to_beginning(*partitions)
        while [tp for tp in consumer.assignment() if await consumer.position(tp) < end[tp]]:
            batch = await consumer.getmany(timeout_ms=500)
            for tp, records in batch.items():
                found[tp.topic] += [_record(record) for record in records if record.offset < end[tp]]
    finally:
        await consumer.stop()
    return found


def _record(raw: Any) -> Record:
    value: bytes = raw.value or b""
    headers = {name: content.decode("utf-8", "replace") for name, content in raw.headers}
    try:
        data = json.loads(value) if value else None
    except ValueError:
        data = None
    return Record(raw.topic, raw.partition, raw.offset, (raw.key or b"").decode(), value, headers, data)


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
        headers = [(f"ce_{name}", content.encode()) for name, content in attributes.items()]
        headers.append(("content-type", b"application/json"))
    publish(kafka, "amends.incidents.v1", declaration["incident_id"].encode(), value, headers)
    return event_id


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
