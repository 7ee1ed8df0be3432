"""Makes the topics that `schemas/topics` describes, where they are missing. Changes and removes none."""

from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from deploy.local.errors import StackError
from schemas.topics import DLQ_PARTITIONS, load_topics

REPLICAS = 1
SECONDS = 60.0
REQUEST_MS = 30_000


def wanted_topics() -> list[NewTopic]:
    """Every topic of the schemas and its dead-letter topic, as Kafka wants to hear of them."""
    wanted: list[NewTopic] = []
    for topic in load_topics():
        wanted.append(NewTopic(topic.name, topic.partitions, REPLICAS, topic_configs=topic.config))
        wanted.append(NewTopic(topic.dlq, DLQ_PARTITIONS, REPLICAS, topic_configs=topic.dlq_config))
    return wanted


def make_topics(bootstrap: str) -> None:
    """Make what is missing; raises `StackError` when the broker refuses, or does not answer in time."""
    try:
        asyncio.run(asyncio.wait_for(_make_topics(bootstrap), SECONDS))
    except TimeoutError as error:
        raise StackError(f"Kafka at {bootstrap} did not make the topics within {SECONDS:.0f} s") from error
    except KafkaError as error:
        raise StackError(f"Kafka at {bootstrap} did not make the topics: {error!r}") from error


async def _make_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_MS)
    await admin.start()
    try:
        present = set(await admin.list_topics())
        missing = [topic for topic in wanted_topics() if topic.name not in present]
        if not missing:
            return
        response = await admin.create_topics(missing, timeout_ms=REQUEST_MS)
        refused = [f"{name}: {message or code}" for name, code, message in response.topic_errors if code]
        if refused:
            raise StackError("Kafka refused topics: " + "; ".join(refused))
    finally:
        await admin.close()
