"""Poison is set aside, with its bytes, its headers and the reason, and the position moves on.

The table is for the people who mend it, the topic's `.dlq` for programs that watch. Too many in a row, or too high a
share, is no poison but a fault of ours (a bad deploy, a wrong topic): then the consumer halts rather than drain the
topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import msgpack

from services.runtime.database import Connection, queries
from services.runtime.envelope import Consumed, Record, Unreadable
from services.runtime.errors import Halted

STATES = ("set_aside", "applied", "dropped", "superseded")
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
        [plain(bad.reason) for bad in unreadable],
        [record.timestamp for record in records],
    )


async def supersede(
    connection: Connection, cluster: str, followed: Sequence[Consumed], before: int | None = None
) -> None:
    """Mark what is set aside and was told anew by one of these later records of a compacted topic.

    To apply it now would bring back a profile or a contract as it was. `before`: only what was set aside before that
    record of the quarantine.
    """
    topics = list({record.topic for record in followed})
    if not await connection.fetchval(SQL["anything_set_aside"], topics):
        return  # nearly always
    keyed = [record for record in followed if record.key is not None]
    await connection.execute(
        SQL["supersede"],
        cluster,
        [record.topic for record in keyed],
        [record.partition for record in keyed],
        [record.key for record in keyed],
        [record.offset for record in keyed],
        before,
    )


async def count(connection: Connection) -> dict[str, int]:
    """How many records are in each state; those that there are none in are told too."""
    return dict.fromkeys(STATES, 0) | dict(await connection.fetch(SQL["quarantine_states"]))


class Standing(NamedTuple):
    """Whose records were not applied: `waiting` are set aside, of `dropped` alone a person answers for every one."""

    waiting: list[str]
    dropped: list[str]


async def standing(connection: Connection, topics: Sequence[str], words: bytes) -> Standing:
    """The keys of all records of these topics that were not applied; one that is no text is nobody's.

    A record that was dropped is an answer for what it was about, and for nothing else: it counts when its bytes hold
    the `words` that name the subject, readable or not.
    """
    found = Standing([], [])
    for key, waits in await connection.fetch(SQL["standing_keys"], list(topics), words):
        try:
            (found.waiting if waits else found.dropped).append(key.decode())
        except UnicodeDecodeError:
            continue
    return found


def dead_letter(bad: Unreadable) -> Record:
    """The record for the topic's `.dlq`: the original bytes and headers, and where it came from and why it is here."""
    record: Consumed = bad.record
    return Record(
        record.key,
        record.value,
        [
            *record.headers,
            ("amends_reason", plain(bad.reason).encode()),
            ("amends_topic", record.topic.encode()),
            ("amends_partition", str(record.partition).encode()),
            ("amends_offset", str(record.offset).encode()),
        ],
    )


def plain(reason: str) -> str:
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


_SAMPLED_AT_MOST = 20


class Fault(NamedTuple):
    """What is wrong with how many records of a topic, and where the first of them stands."""

    topic: str
    reason: str
    records: int
    partition: int
    offset: int


def faults(unreadable: Sequence[Unreadable]) -> list[Fault]:
    """What is wrong with these records, the most frequent first; bounded."""
    counts = Counter((bad.record.topic, plain(bad.reason)) for bad in unreadable)
    first = {(bad.record.topic, plain(bad.reason)): bad.record for bad in reversed(unreadable)}
    return [
        Fault(*what, count, first[what].partition, first[what].offset)
        for what, count in counts.most_common(_SAMPLED_AT_MOST)
    ]


def what_to_do(service: str, unreadable: Sequence[Unreadable]) -> str:
    """For the person who looks at a halt: where to look, what to mend, how it goes on."""
    found = faults(unreadable)
    topic = found[0].topic if found else "TOPIC"
    return (
        f"on {topic}: see `amends quarantine list --service {service} --topic {topic}`, mend what is wrong "
        "(a deploy, a producer; if it is poison indeed: a higher AMENDS_QUARANTINE_IN_A_ROW and _SHARE), "
        f"then restart the service or `amends quarantine resume {service}`: it reads the same records again"
    )
