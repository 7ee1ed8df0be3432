"""Publishing: the partition that Kafka's Java clients would choose, and the order in which records were given."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.stack import Stack
from services.runtime.envelope import Record
from services.runtime.errors import Transient
from services.runtime.metrics import Metrics
from services.runtime.relay import Publisher
from tests.integration.runtime.trial import SECONDS, bare, read

NewTopicOf = Callable[..., Awaitable[str]]

# The vectors of Apache Kafka's own test of its hash (murmur2, as a signed 32-bit integer).
JAVA_HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("partitions", [1, 3, 8])
async def test_a_key_goes_to_the_partition_that_javas_client_would_choose(
    foundation: Stack, publisher: Publisher, new_topic: NewTopicOf, partitions: int
) -> None:
    topic = await new_topic(partitions)
    await publisher.publish({topic: [Record(key, b"{}", []) for key in JAVA_HASHES]})
    found = {record.key: record.partition for record in await read(foundation.kafka, topic)}
    assert found == {key: (signed & 0x7FFFFFFF) % partitions for key, signed in JAVA_HASHES.items()}


async def test_more_than_a_batch_holds_is_split_and_stays_in_order(
    foundation: Stack, publisher: Publisher, new_topic: NewTopicOf
) -> None:
    topic = await new_topic(2)
    records = [Record(b"key-%d" % (n % 4), b"%d " % n + os.urandom(1_000), [("n", b"%d" % n)]) for n in range(4_000)]
    await publisher.publish({topic: records})
    found = await read(foundation.kafka, topic)
    assert len(found) == 4_000
    for key in {record.key for record in records}:
        assert [bare(one) for one in found if one.key == key] == [one for one in records if one.key == key]


async def test_one_record_larger_than_a_batch_is_published_whole(
    foundation: Stack, publisher: Publisher, new_topic: NewTopicOf
) -> None:
    topic = await new_topic()
    records = [Record(b"k", os.urandom(size), []) for size in (10, 1_500_000, 10)]
    await publisher.publish({topic: records})
    assert [bare(one) for one in await read(foundation.kafka, topic)] == records


async def test_tombstones_and_records_without_a_key_keep_their_form(
    foundation: Stack, publisher: Publisher, new_topic: NewTopicOf
) -> None:
    topic = await new_topic(3)
    records = [Record(None, b"value", [("h", b"")]), Record(b"gone", None, [])]
    await publisher.publish({topic: records})
    found = [bare(one) for one in await read(foundation.kafka, topic)]
    assert sorted(found, key=lambda one: one.key is not None) == records


async def test_several_publications_at_once_share_one_producer(
    foundation: Stack, publisher: Publisher, new_topic: NewTopicOf
) -> None:
    topic = await new_topic()
    await asyncio.gather(*[publisher.publish({topic: [Record(b"k", b"%d" % n, [])]}) for n in range(20)])
    assert sorted(int(one.value) for one in await read(foundation.kafka, topic)) == list(range(20))


async def test_publishing_to_a_topic_that_is_not_there_is_transient(foundation: Stack) -> None:
    hasty = Publisher(foundation.kafka, delivery_seconds=1.0, metrics=Metrics())
    try:
        with pytest.raises(Transient):
            await hasty.publish({"no-such-topic": [Record(b"k", b"v", [])]})
    finally:
        await hasty.close()


async def test_a_publisher_works_again_after_a_publication_that_failed(foundation: Stack) -> None:
    topic = f"late-{os.urandom(4).hex()}"
    hasty = Publisher(foundation.kafka, delivery_seconds=2.0, metrics=Metrics())
    admin = AIOKafkaAdminClient(bootstrap_servers=foundation.kafka)
    await admin.start()
    try:
        with pytest.raises(Transient):
            await hasty.publish({topic: [Record(b"k", b"v", [])]})
        await admin.create_topics([NewTopic(topic, 1, 1)], timeout_ms=int(SECONDS * 1000))
        await hasty.publish({topic: [Record(b"k", b"v", [])]})
    finally:
        await admin.close()
        await hasty.close()
    assert [bare(one) for one in await read(foundation.kafka, topic)] == [Record(b"k", b"v", [])]


async def test_what_the_broker_has_not_acknowledged_counts_as_not_published(
    foundation: Stack, new_topic: NewTopicOf
) -> None:
    """The broker freezes for a while after the first publication: the connection is there, and no reply comes."""
    topic, broker = await new_topic(), foundation.pids["kafka"]
    hasty = Publisher(foundation.kafka, delivery_seconds=2.0, metrics=Metrics())
    first, second = Record(b"k", b"1", []), Record(b"k", b"2", [])
    try:
        await hasty.publish({topic: [first]})
        os.kill(broker, signal.SIGSTOP)
        thawing = asyncio.get_running_loop().call_later(4.0, os.kill, broker, signal.SIGCONT)
        try:
            with pytest.raises(Transient, match="has not acknowledged"):
                await hasty.publish({topic: [second]})
        finally:
            thawing.cancel()
            os.kill(broker, signal.SIGCONT)
        await hasty.publish({topic: [second]})
    finally:
        await hasty.close()
    found = [bare(one) for one in await read(foundation.kafka, topic)]
    assert found[0] == first
    assert set(map(repr, found[1:])) == {repr(second)}  # twice, when the first try was taken after all


async def test_a_publisher_that_is_closed_while_the_broker_is_frozen_leaves_nothing_at_work(
    foundation: Stack, new_topic: NewTopicOf
) -> None:
    """What it had not delivered would otherwise come out in the end, behind what another producer has sent since."""
    topic, broker = await new_topic(), foundation.pids["kafka"]
    hasty = Publisher(foundation.kafka, delivery_seconds=1.0, metrics=Metrics())
    await hasty.publish({topic: [Record(b"k", b"1", [])]})
    before = asyncio.all_tasks()
    os.kill(broker, signal.SIGSTOP)
    try:
        with pytest.raises(Transient, match="has not acknowledged"):
            await hasty.publish({topic: [Record(b"k", b"2", [])]})
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before
    finally:
        os.kill(broker, signal.SIGCONT)
