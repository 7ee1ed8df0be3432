"""What becomes of a record that was set aside: it is tried again once the reason is gone, or somebody drops it.

A record that is tried again goes through the decoder and the handler that the consumer has, in one transaction with
the mark on its row and with what it publishes: applied once, whatever dies and whoever else tries. Leaves asking to
`quarantine_routes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgpack

from services.runtime import quarantine
from services.runtime.database import queries
from services.runtime.envelope import Headers
from services.runtime.errors import AmendsError, Poison, Transient, classify
from services.runtime.handling import Route, handle
from services.runtime.work import Transaction, Workbench

SQL = queries(Path(__file__).with_name("queries.sql"))
_TRIES = 3

Row: TypeAlias = Mapping[str, Any]
Result: TypeAlias = Literal["applied", "refused", "dropped", "already_applied", "already_dropped", "superseded"]
"""What was done (`applied`, `refused`, `dropped`), or why there was nothing to do."""


class NobodyReadsError(AmendsError):
    """The record is of a topic that this service does not read any more."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a record, why if it was refused again, and how often it was tried again so far."""

    id: int
    result: Result
    reason: str
    attempts: int


@dataclass(slots=True)
class Kept:
    """A record as it was read when it was set aside: what a handler is given."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(cls, row: Row) -> Kept:
        """From its row; where its own time was not kept yet, the time when it was set aside comes nearest."""
        time = row["record_time"]
        return cls(
            row["topic"],
            row["partition"],
            row["record_offset"],
            int(row["set_aside_at"].timestamp() * 1000) if time is None else time,
            row["key"],
            row["value"],
            headers(row),
        )


def headers(row: Row) -> Headers:
    """The record's headers, in their order."""
    return [(name, value) for name, value in msgpack.unpackb(row["headers"])]


class Mender:
    """Tries records again, and drops them."""

    def __init__(self, workbench: Workbench, routes: Mapping[str, Route]) -> None:
        self._workbench, self._routes = workbench, routes

    async def retry(self, quarantine_id: int, *, even_dropped: bool = False) -> Mended | None:
        """Try a record again; None when there is none of this id.

        Raises `NobodyReadsError`, `Transient` when it cannot be told just now, and whatever else a handler raises that
        is no poison: then nothing has changed. A record that somebody dropped is tried only with `even_dropped`.
        """
        for _ in range(_TRIES):
            try:
                row = await self._row(quarantine_id)
                if row is None:
                    return None
                work = partial(self._retry, quarantine_id, row["topic"], even_dropped)
                return self._counted(await self._workbench.run(work), row["topic"])
            except Exception as error:
                if classify(error) is not Transient:
                    raise
                trouble = error
            # It may have been committed, and only its publication has failed: the sweep sees to that.
            row = await self._row(quarantine_id)
            if row is not None and row["state"] == "applied":
                return self._counted(_told(row, "applied"), row["topic"])
        raise Transient(f"not now: {type(trouble).__name__}") from trouble

    async def drop(self, quarantine_id: int, by: str, why: str) -> Mended | None:
        """Note who answers for it that a record is not applied, and why; it stays. None when there is no such record.

        Raises what the database raises.
        """
        known = await self._row(quarantine_id)
        if known is None:
            return None

        async def work(transaction: Transaction) -> Mended:
            row = await transaction.connection.fetchrow(SQL["hold_quarantined"], quarantine_id)
            if row["state"] != "set_aside":
                return _told(row, _done(row, even_dropped=False) or "dropped")
            await transaction.connection.fetchval(SQL["mark_dropped"], quarantine_id, by, why)
            return _told(row, "dropped")

        return self._counted(await self._workbench.run(work), known["topic"])

    async def _row(self, quarantine_id: int) -> Row | None:
        """The record as it is kept: none is ever deleted, and its topic never changes."""
        row: Row | None = await self._workbench.pool.fetchrow(SQL["quarantined"], quarantine_id)
        return row

    async def _retry(self, quarantine_id: int, topic: str, even_dropped: bool, transaction: Transaction) -> Mended:
        connection = transaction.connection
        route = self._routes.get(topic)
        if route is None:
            raise NobodyReadsError(f"nobody reads {topic} here any more")
        # As if it were a batch of the topic's: whoever works on one commits first, or begins after us. By the whole
        # topic, because in this life of the log its key may be in another partition than it was in.
        await connection.fetch(SQL["hold_topic"], topic)
        row = await connection.fetchrow(SQL["hold_quarantined"], quarantine_id)
        done = _done(row, even_dropped)
        if done is not None:
            return _told(row, done)
        record = Kept.of(row)
        try:
            async with connection.transaction():
                attempt = Transaction(connection)
                await handle(route, [record], attempt)
                if attempt.unreadable:
                    raise Poison(attempt.unreadable[0].reason)  # and no second dead letter
        except Poison as poison:
            reason = quarantine.plain(poison.reason)
            attempts = await connection.fetchval(SQL["mark_refused"], quarantine_id, reason)
            return Mended(quarantine_id, "refused", reason, attempts)
        transaction.take_over(attempt)
        transaction.followed.clear()
        if attempt.followed:
            await quarantine.supersede(connection, row["cluster"], attempt.followed, quarantine_id)
        attempts = await connection.fetchval(SQL["mark_applied"], quarantine_id)
        return Mended(quarantine_id, "applied", row["reason"], attempts)

    def _counted(self, mended: Mended, topic: str) -> Mended:
        if mended.result in ("applied", "refused", "dropped"):
            self._workbench.metrics.mended.labels(topic, mended.result).inc()
        return mended


def _done(row: Row, even_dropped: bool) -> Result | None:
    """Why there is nothing to do for a record, None when there is."""
    match row["state"]:
        case "applied":
            return "already_applied"
        case "superseded":
            return "superseded"
        case "dropped" if not even_dropped:
            return "already_dropped"
    return None


def _told(row: Row, result: Result) -> Mended:
    return Mended(row["quarantine_id"], result, row["reason"], row["attempts"])
