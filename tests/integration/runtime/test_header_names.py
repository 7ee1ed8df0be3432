"""A header's name that is no UTF-8 stops nobody: the record is processed, and so are those around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgpack
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from deploy.local.stack import Stack
from services.runtime.envelope import Record
from tests.integration.runtime.trial import Trial, parcels


class Octets(str):
    """A header's name as a producer in C may write it."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return bytes(ord(character) for character in self)


async def send_raw(kafka: str, topic: str, records: Sequence[Record], compression: int) -> None:
    """One batch, whatever its headers are called."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, compression_type="zstd" if compression else None)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(
            magic=2, compression_type=compression, is_transactional=0, producer_id=-1, producer_epoch=-1,
            base_sequence=-1, batch_size=1 << 20,
        )  # fmt: skip
        for record in records:
            assert batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is not None
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


def with_odd_headers() -> list[Record]:
    records = parcels(range(6))
    for n, name in ((2, "odd\xff\xfe"), (3, "\xc3(")):
        records[n] = replace(records[n], headers=[*records[n].headers, (Octets(name), b"x")])
    records[4] = replace(records[4], value=b"{", headers=[(Octets("\xff"), b"y"), *records[4].headers])
    return records


async def test_a_header_name_that_is_no_text_stops_nobody(trial: Trial, foundation: Stack) -> None:
    await trial.send(parcels([10]))
    for compression in (0, 4):
        await send_raw(foundation.kafka, trial.topic, with_odd_headers(), compression)
    await trial.send(parcels([11]))
    await trial.follow(12)
    assert await trial.numbers() == sorted([0, 1, 2, 3, 5] * 2 + [10, 11])
    assert await trial.positions() == {0: 14}
    rows = await trial.quarantined()
    assert [row["record_offset"] for row in rows] == [5, 11]
    assert [msgpack.unpackb(row["headers"])[0] for row in rows] == [["\\xff", b"y"]] * 2
