"""A plan that is run again grants what is missing, and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from services.entitlements.register import Register
from services.runtime.errors import Conflict
from services.runtime.work import Workbench
from tests.integration.entitlements.builders import (
    INCIDENT,
    Entitlements,
    declared,
    dedicated,
    hosting,
    remedies,
    said,
    told,
)
from tests.integration.wire import until


async def run_again(entitlements: Entitlements) -> None:
    async with entitlements.pool.acquire() as connection:
        assert await Register(connection).plan(INCIDENT) is not None
    await entitlements.cut()
    await entitlements.decide()


async def test_a_second_run_without_news_says_and_writes_nothing(entitlements: Entitlements) -> None:
    await entitlements.take(told(hosting("H1", "C1"), dedicated("D2", "C2", terminated_on="2011-01-01")))
    await entitlements.run(said())
    before = await entitlements.events(), await entitlements.grants(), await entitlements.exclusions()
    await run_again(entitlements)
    assert (await entitlements.events(), await entitlements.grants(), await entitlements.exclusions()) == before
    runs = await entitlements.pool.fetch("SELECT run, state FROM plan ORDER BY run")
    assert [tuple(row) for row in runs] == [(1, "done"), (2, "done")]


async def test_a_second_run_grants_only_what_a_late_contract_adds(entitlements: Entitlements) -> None:
    await entitlements.take(told(hosting("H1", "C1")))
    await entitlements.run(said())
    first = await entitlements.events()
    await entitlements.take(told(dedicated("D1", "C1"), dedicated("D2", "C2")))
    await run_again(entitlements)
    news = [event for event in await entitlements.events() if event not in first]
    assert remedies(news) == [
        ("C1", "extra-days", "D1", "dedicated-server"),
        ("C2", "extra-days", "D2", "dedicated-server"),
        ("C2", "photo-voucher", "customer", ""),
    ]


async def test_who_was_excluded_and_is_owed_something_now_is_no_longer_excluded(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("D1", "C1", terminated_on="2011-01-01")))
    await entitlements.run(said())
    assert await entitlements.exclusions() == {"C1": "terminated_before"}
    await entitlements.take(told(dedicated("D2", "C1")))
    await run_again(entitlements)
    assert await entitlements.exclusions() == {"C1": None}


async def test_who_was_given_something_stays_entitled_when_his_contract_is_gone(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("D1", "C1")))
    await entitlements.run(said())
    await entitlements.take(told(dedicated("D1", "C1", terminated_on="2011-01-01", version=2)))
    await run_again(entitlements)
    assert await entitlements.exclusions() == {"C1": None}
    assert len(await entitlements.grants()) == 2


async def test_never_both_the_gift_and_its_alternative(entitlements: Entitlements) -> None:
    await entitlements.take(told(hosting("H1", "gift"), hosting("H2", "instead", addons=["business-mail"])))
    await entitlements.run(said())
    # What comes late would have turned the choice round: the choice that was made stands, on the new contracts too.
    await entitlements.take(told(hosting("H1b", "gift", addons=["business-mail"])))
    await entitlements.take(told(hosting("H2", "instead", version=2), hosting("H2b", "instead")))
    await run_again(entitlements)
    mails = [grant for grant in await entitlements.grants() if grant[1] == "business-mail"]
    assert mails == [
        ("gift", "business-mail", "H1", "give"),
        ("gift", "business-mail", "H1b", "give"),
        ("instead", "business-mail", "H2", "instead"),
        ("instead", "business-mail", "H2b", "instead"),
    ]
    products = {(c, p) for c, rule, _, p in remedies(await entitlements.events()) if rule == "business-mail"}
    assert products == {("gift", "business-mail"), ("instead", "gigamail")}


async def test_what_the_incident_itself_gave_is_not_owned_already(entitlements: Entitlements) -> None:
    await entitlements.take(told(hosting("H1", "C1")))
    await entitlements.run(said())
    gift = {"addon_id": "A1", "product": "business-mail", "starts_on": "2011-04-29", "ends_on": "2012-05-13"}
    await entitlements.take(told(hosting("H1", "C1", complimentary=[gift], version=1), hosting("H2", "C1")))
    await run_again(entitlements)
    assert ("C1", "business-mail", "H2", "business-mail") in remedies(await entitlements.events())


async def test_the_next_revision_grants_only_the_difference(entitlements: Entitlements) -> None:
    await entitlements.take(
        told(hosting("H1", "C1"), dedicated("D1", "C1", site="milano"), dedicated("D2", "C2", site="milano"))
    )
    await entitlements.run(said(scope={"sites": ["arezzo"]}))
    first = await entitlements.events()
    await entitlements.run(said(revision=2, scope={"sites": ["arezzo", "milano"]}))
    news = [event for event in await entitlements.events() if event not in first]
    assert {event["revision"] for event in news} == {2}
    assert remedies(news) == [
        ("C1", "extra-days", "D1", "dedicated-server"),
        ("C2", "extra-days", "D2", "dedicated-server"),
        ("C2", "photo-voucher", "customer", ""),
    ]


async def test_two_runs_at_once_grant_everything_once(entitlements: Entitlements) -> None:
    await entitlements.take(told(*[dedicated(f"D{n}", f"C{n:02}") for n in range(30)]), declared(said()))
    async with entitlements.pool.acquire() as connection:
        await Register(connection).plan(INCIDENT)
    await entitlements.cut(chunk_customers=3)
    stop = asyncio.Event()

    async def work(lane: str) -> None:
        workbench = entitlements.workbench_on(entitlements.pool)
        worker = entitlements.worker(lane, workbench)
        while not stop.is_set():
            with suppress(Conflict):  # the runtime begins the task again
                await worker.run(stop)

    async with asyncio.timeout(30), asyncio.TaskGroup() as workers:
        for number in range(3):
            workers.create_task(work(f"w{number}"))
        await until(lambda: entitlements.pool.fetchval("SELECT bool_and(done_at IS NOT NULL) FROM chunk"))
        stop.set()
    assert len(await entitlements.grants()) == 60
    assert sorted(event["customer_id"] for event in await entitlements.events()) == [f"C{n:02}" for n in range(30)]


async def test_of_two_runs_that_meet_at_a_customer_the_later_decides_again(entitlements: Entitlements) -> None:
    """He was read as owing nothing yet by both; the first to write stands, with its choice."""
    await entitlements.take(told(hosting("H1", "C1")), declared(said()))
    async with entitlements.pool.acquire() as connection:
        await Register(connection).plan(INCIDENT)
    await entitlements.cut()
    written, go_on = asyncio.Event(), asyncio.Event()

    async def wait(step: str) -> None:
        if step == "worked":
            written.set()
            await go_on.wait()

    like = entitlements.workbench
    slow = Workbench(like.pool, like.relay, like.metrics, seconds=20, step=wait)
    first = asyncio.create_task(slow.run(entitlements.worker("w1", slow).decide_chunk))
    await asyncio.wait_for(written.wait(), 20)
    second = asyncio.create_task(like.run(entitlements.worker("w2").decide_chunk))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    await until(lambda: entitlements.pool.fetchval(waiting))
    await entitlements.take(told(hosting("H1", "C1", addons=["business-mail"], version=1)))
    go_on.set()
    assert await first
    with pytest.raises(Conflict, match="written by somebody else"):
        await second
    await entitlements.decide()
    assert await entitlements.grants() == [
        ("C1", "business-mail", "H1", "give"),
        ("C1", "photo-voucher", "customer", "give"),
    ]
    assert len(await entitlements.events()) == 1
    assert await entitlements.pool.fetchval("SELECT count(*) FROM plan WHERE state = 'done'") == 2
