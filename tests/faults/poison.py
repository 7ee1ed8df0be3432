"""Sending mutated records beside good ones to the real services, and reading what each made of them.

Leaves the making of the records to `mutations` and the judging to `judgement`; what must have come of it is the test's.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import asyncpg
import httpx
import msgpack
from aiokafka import AIOKafkaProducer

from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from tests.e2e import outside
from tests.faults.judgement import Sent, fault, readers
from tests.integration.runtime.trial import read

NEVER_HALT = {
    "AMENDS_QUARANTINE_IN_A_ROW": "1000000",
    "AMENDS_QUARANTINE_SHARE": "1",
    "AMENDS_QUARANTINE_WINDOW": "1000000",
}
"""Half of what is sent is poison: more than any service bears by itself."""
_AT_A_TIME = 500
_SECONDS = 120.0


def with_limits(stack: Stack, limits: Mapping[str, str]) -> Stack:
    """Every service anew, with other limits for what it sets aside."""
    for service in SERVICES:
        stack.stop(service)
        stack = stack.start(service, environment=limits)
    return stack


def send(kafka: str, records: Iterable[Sent]) -> None:
    """Put the records into their topics, as a careless producer would."""
    asyncio.run(asyncio.wait_for(_send(kafka, records), 10 * _SECONDS))


async def _send(kafka: str, records: Iterable[Sent]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, max_request_size=64 << 20, max_batch_size=64 << 10, compression_type="zstd"
    )
    await producer.start()
    try:
        pending = iter(records)
        while some := list(islice(pending, _AT_A_TIME)):
            sent = [await producer.send(one.topic, value=one.value, key=one.key, headers=one.headers) for one in some]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


def poison(records: Iterable[Sent]) -> dict[str, dict[int, str]]:
    """Which of the records each service has to set aside, by number, and why."""
    found: dict[str, dict[int, str]] = {service: {} for service in SERVICES}
    for sent in records:
        for service in readers(sent.topic):
            wrong = fault(sent, service)
            if wrong is not None:
                found[service][sent.number] = wrong
    return found


def caught_up(stack: Stack) -> bool:
    """Whether every service has read its topics to their ends, as they are now."""
    ends: dict[str, int] = defaultdict(int)
    topics = {row["topic"] for service in SERVICES for row in _positions(stack, service)}
    for partition, end in outside.ends(stack.kafka, *sorted(topics)).items():
        ends[partition.topic] += end
    return all(
        sum(row["next"] for row in _positions(stack, service) if row["topic"] == topic) >= ends[topic]
        for service in SERVICES
        for topic in {row["topic"] for row in _positions(stack, service)}
    )


def _positions(stack: Stack, service: str) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = httpx.get(f"{stack.http[service]}/positions", timeout=_SECONDS).json()
    return rows


def set_aside(stack: Stack, service: str) -> dict[int, str]:
    """The mutated records in a service's quarantine, by their number, with the service's reason; each there once."""

    async def look() -> list[tuple[bytes, str]]:
        connection = await asyncpg.connect(stack.databases[service])
        try:
            return [tuple(row) for row in await connection.fetch("SELECT headers, reason FROM quarantine")]
        finally:
            await connection.close()

    rows = asyncio.run(asyncio.wait_for(look(), _SECONDS))
    numbers = Counter[int]()
    reasons = {}
    for headers, reason in rows:
        number = int(dict(msgpack.unpackb(headers))["mutant"])
        numbers[number] += 1
        reasons[number] = reason
    assert all(count == 1 for count in numbers.values()), numbers.most_common(5)
    return reasons


def dead_letters(stack: Stack, topic: str) -> Counter[int]:
    """How often each mutated record stands on a topic's `.dlq`: once for each service that could not process it."""
    records = asyncio.run(asyncio.wait_for(read(stack.kafka, f"{topic}.dlq"), _SECONDS))
    return Counter(int(dict(record.headers)["mutant"]) for record in records)


def contracts_of_billing(stack: Stack) -> list[outside.Record]:
    """What billing says of the contracts, without what the mutations say."""
    records = asyncio.run(asyncio.wait_for(read(stack.kafka, "amends.contracts.v1"), _SECONDS))
    return [outside.Record(raw) for raw in records if "mutant" not in dict(raw.headers)]
