"""Two at the same time: incidents over the same contracts, workers with the same event, redeemers of one voucher."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from schemas import topics
from schemas.events import ContractChanged, EntitlementGranted
from services.billing.store import SQL
from services.runtime.database import Pool
from services.runtime.errors import Conflict
from services.runtime.metrics import Metrics
from services.runtime.work import Workbench
from tests.integration.billing.case import CONTRACTS, EVENTS
from tests.integration.billing.world import books_of, granted, hold, read, take, written
from tests.unit.billing.builders import CODES, INCIDENT, contract, event, extension, voucher

SECONDS = 20.0
SECOND = "second"
CONTRACTS_HELD = 40
NOON = datetime(2011, 6, 1, 12, 0, tzinfo=UTC)


def of_everyone(incident: str, days: int) -> list[EntitlementGranted]:
    """An extension for every contract, an event for every holder."""
    names = [f"K-{n}" for n in range(CONTRACTS_HELD)]
    return [event(extension(n, days, incident=incident), incident=incident, customer_id=f"C-{n}") for n in names]


async def held_by_everyone(pool: Pool) -> None:
    await hold(pool, [contract(f"K-{n}", customer_id=f"C-K-{n}") for n in range(CONTRACTS_HELD)])


async def until_somebody_waits(pool: Pool) -> None:
    """Until a connection waits for another's lock."""
    async with asyncio.timeout(SECONDS):
        while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class Held:
    """A workbench that stands still with its work done and not committed, until it is let go."""

    def __init__(self, workbench: Workbench) -> None:
        self._reached, self._let_go = asyncio.Event(), asyncio.Event()
        self.workbench = Workbench(workbench.pool, workbench.relay, Metrics(), seconds=SECONDS, step=self._step)

    async def _step(self, done: str) -> None:
        if done == "written":
            self._reached.set()
            await self._let_go.wait()

    async def and_then(self, mine: Sequence[EntitlementGranted], other: Workbench, theirs: Sequence[EntitlementGranted],
                       partition: int = 1) -> list[BaseException | None]:  # fmt: skip
        """Work on mine, meanwhile on theirs, which has to wait for mine; what each of the two raised."""
        first = asyncio.create_task(take(self.workbench, read(granted(mine), 0)))
        await asyncio.wait_for(self._reached.wait(), SECONDS)
        second = asyncio.create_task(take(other, read(granted(theirs), partition)))
        await until_somebody_waits(other.pool)
        self._let_go.set()
        return list(await asyncio.gather(first, second, return_exceptions=True))


async def test_two_incidents_at_once_over_the_same_contracts_are_both_counted(workbench: Workbench, pool: Pool) -> None:
    await held_by_everyone(pool)
    theirs = list(reversed(of_everyone(SECOND, 7)))
    assert await Held(workbench).and_then(of_everyone(INCIDENT, 15), workbench, theirs) == [None, None]
    rows = await pool.fetch("SELECT DISTINCT ends_on::text, extension_days, version FROM contract")
    assert [tuple(row) for row in rows] == [("2012-03-23", 22, 3)]
    assert await pool.fetch(SQL["out_of_balance"]) == []


async def test_the_later_of_two_incidents_tells_the_end_after_both(workbench: Workbench, pool: Pool) -> None:
    await held_by_everyone(pool)
    await Held(workbench).and_then(of_everyone(INCIDENT, 15), workbench, of_everyone(SECOND, 7))
    told = [ContractChanged.model_validate_json(r.value or b"") for r in (await written(pool))[topics.CONTRACTS]]
    latest = {c.contract_id: c for c in sorted(told, key=lambda c: c.version)}
    assert {(c.ends_on and c.ends_on.isoformat(), c.version) for c in latest.values()} == {("2012-03-23", 3)}
    dates = await pool.fetch(
        "SELECT ends_on_before::text, ends_on_after::text FROM entry WHERE incident_id = $1", SECOND
    )
    assert {tuple(row) for row in dates} == {("2012-03-16", "2012-03-23")}


async def test_contracts_are_locked_in_one_order_so_that_nobody_locks_another_out(
    workbench: Workbench, pool: Pool
) -> None:
    """In the order of their ids, whatever the order of the events, and of the rows in the table."""
    names = [f"K-{n:02}" for n in range(20)]
    await hold(pool, [contract(name) for name in reversed(names)])
    events = [event(extension(name)) for name in (*names[10:], *names[:10])]
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM contract WHERE contract_id = $1 FOR UPDATE", names[5])
        waiting = asyncio.create_task(take(workbench, read(granted(events))))
        await until_somebody_waits(pool)
        free = await pool.fetch("SELECT contract_id FROM contract ORDER BY 1 FOR UPDATE SKIP LOCKED")
    await waiting
    assert [row[0] for row in free] == names[6:]


async def test_many_batches_of_two_incidents_from_two_workers_do_not_lock_each_other_out(
    workbench: Workbench, pool: Pool
) -> None:
    await held_by_everyone(pool)

    async def worker(events: list[EntitlementGranted], partition: int) -> None:
        for at in range(0, CONTRACTS_HELD, 8):
            await take(workbench, read(granted(events[at : at + 8]), partition))

    backwards = list(reversed(of_everyone(SECOND, 7)))
    await asyncio.gather(worker(of_everyone(INCIDENT, 15), 0), worker(backwards, 1))
    assert await pool.fetchval("SELECT count(*) FROM contract WHERE extension_days = 22") == CONTRACTS_HELD


async def test_the_same_event_at_two_workers_at_once_has_one_effect(workbench: Workbench, pool: Pool) -> None:
    """A partition that changed hands: the second worker sees an entry appear, gives way, and has nothing to do."""
    await hold(pool, CONTRACTS)
    outcome = await Held(workbench).and_then(EVENTS, workbench, EVENTS)
    assert outcome[0] is None
    assert isinstance(outcome[1], Conflict)
    books = await books_of(pool)
    await take(workbench, read(granted(EVENTS), 1))
    assert await books_of(pool) == books
    assert await pool.fetch(SQL["out_of_balance"]) == []


async def issued(workbench: Workbench) -> bytes:
    """The hash of the code of a voucher that is valid through 13 May 2012."""
    await take(workbench, read(granted([event(voucher())])))
    return CODES.hashed(CODES.code(voucher().entry_id))


async def redeem(pool: Pool, code_hash: bytes, at: datetime = NOON, zone: str = "Europe/Rome") -> str | None:
    voucher_id: str | None = await pool.fetchval(SQL["redeem_voucher"], code_hash, at, zone)
    return voucher_id


async def test_of_two_who_redeem_a_voucher_at_once_one_wins(workbench: Workbench, pool: Pool) -> None:
    code_hash = await issued(workbench)
    async with pool.acquire() as mine, mine.transaction():
        assert await redeem(mine, code_hash) == voucher().entry_id
        other = asyncio.create_task(redeem(pool, code_hash))
        await until_somebody_waits(pool)
    assert await other is None


async def test_of_many_who_redeem_a_voucher_one_wins(workbench: Workbench, pool: Pool) -> None:
    code_hash = await issued(workbench)
    answers = await asyncio.gather(*[redeem(pool, code_hash, NOON + timedelta(seconds=n)) for n in range(20)])
    assert sorted(map(bool, answers)) == [False] * 19 + [True]
    winner = next(n for n, answer in enumerate(answers) if answer)
    assert await pool.fetchval("SELECT redeemed_at FROM voucher") == NOON + timedelta(seconds=winner)


async def test_a_redeemer_who_gives_up_leaves_the_voucher_to_the_next(workbench: Workbench, pool: Pool) -> None:
    code_hash = await issued(workbench)
    async with pool.acquire() as mine:
        transaction = mine.transaction()
        await transaction.start()
        assert await redeem(mine, code_hash)
        await transaction.rollback()
    assert await redeem(pool, code_hash)


@pytest.mark.parametrize(
    ("at", "zone", "redeemable"),
    [
        (datetime(2012, 5, 13, 21, 59, tzinfo=UTC), "Europe/Rome", True),  # a minute to midnight of the last day
        (datetime(2012, 5, 13, 22, 0, tzinfo=UTC), "Europe/Rome", False),
        (datetime(2012, 5, 13, 22, 0, tzinfo=UTC), "America/New_York", True),
    ],
)
async def test_a_voucher_is_valid_through_its_last_day(
    workbench: Workbench, pool: Pool, at: datetime, zone: str, redeemable: bool
) -> None:
    assert bool(await redeem(pool, await issued(workbench), at, zone)) is redeemable


async def test_a_code_that_was_never_issued_redeems_nothing(workbench: Workbench, pool: Pool) -> None:
    await issued(workbench)
    assert await redeem(pool, CODES.hashed(CODES.code(str(UUID(int=7))))) is None
    assert await pool.fetchval("SELECT count(*) FROM voucher WHERE redeemed_at IS NOT NULL") == 0


async def test_a_redeemed_voucher_stays_redeemed_through_a_replay(workbench: Workbench, pool: Pool) -> None:
    code_hash = await issued(workbench)
    await redeem(pool, code_hash)
    await issued(workbench)
    assert await redeem(pool, code_hash) is None
