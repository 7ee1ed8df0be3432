"""What the runtime asks of a Kafka cluster: its identity, the ends of its logs, membership in a group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from services.runtime import lenient
from services.runtime.errors import Transient

_SESSION_MS, _HEARTBEAT_MS = 6_000, 2_000
_FETCH_BYTES_PER_PARTITION = 2 << 20
_REQUEST_MS = 10_000
_METADATA_MS = 15_000  # a topic that is made (anew) while we run is found so soon, not after five minutes


async def cluster_id(kafka: str) -> str:
    """The id that a cluster got when its storage was made: it changes when the storage is lost."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka, request_timeout_ms=_REQUEST_MS)
    try:
        await admin.start()
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


async def end_offsets(kafka: str, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends just now; raises `Transient` while the topic is not there."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, request_timeout_ms=_REQUEST_MS)
    try:
        await consumer.start()
        partitions = consumer.assignment()
        if not partitions:
            raise Transient(f"the topic {topic} does not exist")
        consumer.pause(*partitions)
        ends = await consumer.end_offsets(partitions)
        return {tp.partition: end for tp, end in ends.items()}
    except UnknownTopicOrPartitionError as error:
        raise Transient(f"the topic {topic} does not exist") from error
    finally:
        await consumer.stop()


async def join(kafka: str, group: str, topics: Sequence[str], on_change: Callable[[], None]) -> Any:
    """A member of a group that never trusts the broker's memory of where it stood.

    `on_change` is called whenever the assignment changes.
    """
    lenient.install()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=_HEARTBEAT_MS,
        metadata_max_age_ms=_METADATA_MS,
        max_partition_fetch_bytes=_FETCH_BYTES_PER_PARTITION,
    )
    consumer.subscribe(topics, listener=_Listener(on_change))
    try:
        await consumer.start()
    except BaseException:
        await consumer.stop()
        raise
    return consumer


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Only takes notice: aiokafka swallows what a listener raises, so the consumer's loop does the work."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    async def on_partitions_revoked(self, revoked: object) -> None:
        self._on_change()

    async def on_partitions_assigned(self, assigned: object) -> None:
        self._on_change()
