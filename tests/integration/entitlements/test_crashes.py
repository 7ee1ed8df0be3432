"""A worker that dies between any two steps of a chunk, and another that comes after: as if nothing had happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from schemas import topics
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.entitlements.builders import Entitlements, declared, dedicated, hosting, remedies, said, told
from tests.integration.wire import ids

STATEMENTS = ("fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table")


class Death(BaseException):
    """The worker's end."""


class Mortal:
    """Counts the steps of a piece of work, statements and the workbench's own, and dies before one of them."""

    def __init__(self, dies_before: int) -> None:
        self.steps = 0
        self._dies_before = dies_before

    def live(self) -> None:
        self.steps += 1
        if self.steps > self._dies_before:
            raise Death

    async def step(self, _: str) -> None:
        self.live()


class MortalPool:
    """A pool whose connections' statements are the mortal's steps."""

    def __init__(self, pool: Pool, mortal: Mortal) -> None:
        self._pool, self._mortal = pool, mortal

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as connection:
            yield MortalConnection(connection, self._mortal)


class MortalConnection:
    """A connection whose statements are the mortal's steps."""

    def __init__(self, connection: Any, mortal: Mortal) -> None:
        self._connection, self._mortal = connection, mortal

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._connection, name)
        if name not in STATEMENTS:
            return real

        async def counted(*arguments: Any, **named: Any) -> Any:
            self._mortal.live()
            return await real(*arguments, **named)

        return counted


async def died(entitlements: Entitlements, dies_before: int) -> bool:
    """Decide one chunk with a worker that dies before that step; whether it came to that."""
    mortal = Mortal(dies_before)
    pool = MortalPool(entitlements.pool, mortal)
    relay, metrics = entitlements.workbench.relay, entitlements.workbench.metrics
    workbench = Workbench(pool, relay, metrics, seconds=20, step=mortal.step)
    try:
        assert await workbench.run(entitlements.worker("mortal", workbench).decide_chunk)
    except Death:
        return True
    return False


async def test_a_death_between_any_two_steps_loses_nothing_and_gives_nothing_twice(entitlements: Entitlements) -> None:
    await entitlements.take(
        told(
            hosting("H1", "C1"),
            dedicated("D1", "C1"),
            hosting("H2", "C2", addons=["business-mail"]),
            dedicated("D3", "C3", terminated_on="2011-01-01"),
            dedicated("D4", "C4"),
        )
    )
    at = 0
    while True:
        incident_id = f"incident-{at}"
        await entitlements.take(declared(said(incident_id=incident_id)))
        await entitlements.cut()
        has_died = await died(entitlements, at)
        await entitlements.workbench.relay.flush()
        await entitlements.decide()
        if not has_died:
            break
        at += 1
    assert at >= 12, "a chunk has a dozen steps at least: claim, read, write, count, tell, commit, publish, mark"

    published: dict[str, list[Any]] = defaultdict(list)
    records = await entitlements.reader.records(topics.ENTITLEMENTS)
    by_id = dict(zip(ids(records), records, strict=True))
    told_events = await entitlements.reader.data(topics.ENTITLEMENTS)
    for event_id, event in zip(ids(records), told_events, strict=True):
        published[event["incident_id"]].append((event_id, event))
    assert len({(event_id, bytes(record.value)) for event_id, record in by_id.items()}) == len(by_id)
    expected = remedies(event for _, event in published[f"incident-{at}"])
    assert {customer for customer, *_ in expected} == {"C1", "C2", "C4"}
    for number in range(at + 1):
        incident_id = f"incident-{number}"
        events = dict(published[incident_id])
        assert remedies(events.values()) == expected, f"told after a death before step {number}"
        granted = [grant[:3] for grant in await entitlements.grants(incident_id)]
        assert granted == [remedy[:3] for remedy in sorted(expected)], f"written after a death before step {number}"
        assert await entitlements.exclusions(incident_id) == {
            "C1": None,
            "C2": None,
            "C3": "terminated_before",
            "C4": None,
        }
    totals = await entitlements.pool.fetch(
        "SELECT sum(total)::int FROM tally WHERE name = 'considered' GROUP BY subject"
    )
    assert [total for (total,) in totals] == [4] * (at + 1)
