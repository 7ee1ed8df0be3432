"""Poison is set aside, with its bytes, its headers and the reason, and the position moves on.

The table is for the people who mend it, the topic's `.dlq` for programs that watch. Too many in a row, or too high a
share, is no poison but a fault of ours (a bad deploy, a wrong topic): then the consumer halts rather than drain the
topic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgpack

from services.runtime.database import Connection, queries
from services.runtime.envelope import Consumed, Record, Unreadable
from services.runtime.errors import Halted

SQL = queries(Path(__file__).with_name("queries.sql"))


async def set_aside(connection: Connection, cluster: str, unreadable: Sequence[Unreadable]) -> None:
    """Keep the records in the caller's transaction; a record that is there already stays as it is."""
    records = [bad.record for bad in unreadable]
    await connection.execute(
        SQL["set_aside"],
        cluster,
        [record.topic for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
        [record.key for record in records],
        [record.value for record in records],
        [msgpack.packb([(name, value) for name, value in record.headers]) for record in records],
        [_plain(bad.reason) for bad in unreadable],
    )


def dead_letter(bad: Unreadable) -> Record:
    """The record for the topic's `.dlq`: the original bytes and headers, and where it came from and why it is here."""
    record: Consumed = bad.record
    return Record(
        record.key,
        record.value,
        [
            *record.headers,
            ("amends_reason", _plain(bad.reason).encode()),
            ("amends_topic", record.topic.encode()),
            ("amends_partition", str(record.partition).encode()),
            ("amends_offset", str(record.offset).encode()),
        ],
    )


def _plain(reason: str) -> str:
    """A reason as text that the database can hold, bounded."""
    return reason.replace("\x00", "\\0").encode("utf-8", "replace").decode()[:2_000]


@dataclass(frozen=True, slots=True)
class Limit:
    """How much poison is too much: `in_a_row`, or `share` of the last `window` records."""

    in_a_row: int
    share: float
    window: int
    recent: tuple[bool, ...] = ()
    run: int = 0

    def after(self, faults: Sequence[str | None]) -> Limit:
        """The limit after a batch: record by record what was wrong, None for nothing; raises `Halted` when passed.

        A value, so that a batch that is rolled back and read again is not counted twice.
        """
        run = self.run
        for fault in faults:
            run = 0 if fault is None else run + 1
            if run >= self.in_a_row:
                raise Halted(f"{run} records in a row cannot be processed, the last: {fault}")
        recent = (*self.recent, *(fault is not None for fault in faults))[-self.window :]
        bad = sum(recent)
        if len(recent) == self.window and bad >= self.share * self.window:
            here = [fault for fault in faults if fault is not None]
            last = f", the last: {here[-1]}" if here else ""
            raise Halted(f"{bad} of the last {self.window} records cannot be processed{last}")
        return replace(self, recent=recent, run=run)
