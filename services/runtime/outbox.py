"""What a batch publishes, as one compressed row in the database: the truth on the wire.

The row holds every record byte for byte, so that what is published after a crash, or once more after the broker lost
its log, is what was decided then. Publishing is the relay's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import cramjam
import msgpack

from services.runtime.database import Connection, queries
from services.runtime.envelope import Record

SQL = queries(Path(__file__).with_name("queries.sql"))

Outgoing: TypeAlias = Mapping[str, Sequence[Record]]
"""Records by topic, each topic's in the order they are to stand in."""

_LEVEL = 1  # zstd: at this size of batch a higher level costs more time than it saves bytes


def pack(outgoing: Outgoing) -> bytes:
    """Outgoing records as bytes: zstd over msgpack."""
    plain = [
        [topic, [(record.key, record.value, record.headers) for record in records]]
        for topic, records in outgoing.items()
    ]
    return bytes(cramjam.zstd.compress(msgpack.packb(plain), level=_LEVEL))


def unpack(payload: bytes) -> dict[str, list[Record]]:
    """The records of `pack`, byte for byte."""
    plain = msgpack.unpackb(bytes(cramjam.zstd.decompress(payload)), strict_map_key=False)
    return {
        topic: [Record(key, value, [(name, content) for name, content in headers]) for key, value, headers in records]
        for topic, records in plain
    }


async def write(connection: Connection, outgoing: Outgoing) -> int:
    """Write the batch's row in the caller's transaction; returns its outbox_id."""
    count = sum(len(records) for records in outgoing.values())
    outbox_id: int = await connection.fetchval(SQL["write_outbox"], count, pack(outgoing))
    return outbox_id
