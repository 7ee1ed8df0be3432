"""Revisions: they come in any order and any number of times, and what is in force is always the same."""

from __future__ import annotations

import itertools
from hashlib import sha256
from typing import Any

import orjson
import pytest

from schemas import topics
from services.entitlements.register import Register
from tests.integration.entitlements.builders import (
    INCIDENT,
    Entitlements,
    declared,
    dedicated,
    remedies,
    said,
    told,
)

REVERSE = """
name: reversing
version: 1
title: What is narrowed is taken back
time_zone: Europe/Rome
when_narrowed: reverse
rules:
  - rule: days
    per: contract
    give: {extension: {days: 10}}
  - rule: gesture
    per: customer
    give: {credit: {amount: {amount: "2.00", currency: EUR}}}
letters: [announcement, details]
"""
HOURLY = """
name: hourly
version: 1
title: An amount for each started hour
time_zone: Europe/Rome
rules:
  - rule: by-the-hour
    per: contract
    give:
      credit: {amount: {amount: "1.00", currency: EUR}, per: started hour}
"""
NEXT = "2011-05-14T10:00:00+02:00"


def amended(revision: int, **changed: Any) -> list[Any]:
    body = said(**{"revision": revision, "declared_at": NEXT, "declared_by": "desk", **changed})
    return declared(body, event_type="incident.amended.v1")


def resolved(revision: int, ends_at: str) -> list[Any]:
    body = {"incident_id": INCIDENT, "revision": revision, "ends_at": ends_at, "declared_by": "desk"}
    return declared(body | {"declared_at": NEXT}, event_type="incident.resolved.v1")


def retracted(revision: int) -> list[Any]:
    body = {"incident_id": INCIDENT, "revision": revision, "reason": "a false alarm", "declared_by": "desk"}
    return declared(body | {"declared_at": NEXT}, event_type="incident.retracted.v1")


async def reasons(entitlements: Entitlements) -> list[str]:
    rows = await entitlements.pool.fetch("SELECT reason FROM quarantine ORDER BY quarantine_id")
    return [row[0] for row in rows]


async def run_on(entitlements: Entitlements, *batches: list[Any]) -> None:
    await entitlements.take(*batches)
    await entitlements.cut()
    await entitlements.decide()


# ── Order and repetition ─────────────────────────────────────────────────────────────────────────────────────────

WIDENING = [
    declared(said(scope={"sites": ["arezzo"]})),
    amended(2, scope={"sites": ["arezzo", "milano"]}),
    amended(3, scope={"everyone": True}),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "run in between"])
async def test_any_order_of_the_revisions_gives_the_same_entries(
    entitlements: Entitlements, order: tuple[int, ...], at_once: bool
) -> None:
    await entitlements.take(
        told(dedicated("K1", "C1"), dedicated("K2", "C1", site="milano"), dedicated("K3", "C2", site="roma"))
    )
    for number in order:
        batch = WIDENING[number]
        await entitlements.take(batch, batch)
        if not at_once:
            await entitlements.cut()
            await entitlements.decide()
    await entitlements.cut()
    await entitlements.decide()
    assert await entitlements.entries() == [
        ("C1", "extra-days", "K1", 1, "15", "granted"),
        ("C1", "extra-days", "K2", 2, "15", "granted"),
        ("C1", "photo-voucher", "customer", 1, "5.0000", "granted"),
        ("C2", "extra-days", "K3", 3, "15", "granted"),
        ("C2", "photo-voucher", "customer", 3, "5.0000", "granted"),
    ]
    assert await entitlements.state() == (3, 1, "done")
    assert await reasons(entitlements) == []


async def test_a_revision_that_comes_early_waits_and_nothing_is_decided_meanwhile(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("K1", "C1")), declared(said()))
    await entitlements.cut()
    await entitlements.take(retracted(3))
    await entitlements.decide()
    assert await entitlements.entries() == []
    assert await entitlements.state() == (1, 1, "running")
    await run_on(entitlements, resolved(2, "2011-04-29T15:00:00+02:00"))
    assert await entitlements.entries() == []
    assert await entitlements.state() == (3, 1, "done")


async def test_the_first_revision_may_come_last(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("K1", "C1")), amended(2))
    assert await entitlements.state() is None
    await run_on(entitlements, declared(said()))
    assert await entitlements.state() == (2, 1, "done")
    assert [e["revision"] for e in await entitlements.events()] == [2]


async def test_a_newer_revision_ends_the_run_of_the_older_one(entitlements: Entitlements) -> None:
    await entitlements.take(told(*[dedicated(f"K{n}", f"C{n}") for n in range(4)]), declared(said()))
    await entitlements.cut(chunk_customers=1)
    await entitlements.workbench.run(entitlements.worker().decide_chunk)
    await run_on(entitlements, retracted(2))
    plans = await entitlements.pool.fetch("SELECT revision, state FROM plan ORDER BY revision")
    assert [tuple(row) for row in plans] == [(1, "superseded"), (2, "done")]
    assert {entry[0] for entry in await entitlements.entries()} == {"C0"}
    assert await entitlements.pool.fetchval("SELECT count(*) FROM chunk WHERE done_at IS NULL") == 0


# ── What cannot be ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("impossible", "complaint"),
    [
        (amended(2, policy="sla-credit@1"), "was declared under aruba"),
        (amended(2, drill=True), "drill True"),
        (resolved(2, "2011-04-29T04:00:00+02:00"), "is not after the start"),
    ],
    ids=["another policy", "a drill of a sudden", "an end before the start"],
)
@pytest.mark.parametrize("early", [False, True], ids=["in order", "before the first"])
async def test_a_revision_that_cannot_follow_is_refused_and_another_may_take_its_place(
    entitlements: Entitlements, impossible: list[Any], complaint: str, early: bool
) -> None:
    await entitlements.take(told(dedicated("K1", "C1")))
    batches = [impossible, declared(said())] if early else [declared(said()), impossible]
    await entitlements.take(*batches)
    refusals = await entitlements.pool.fetch("SELECT detail ->> 'reason' FROM audit WHERE action = 'refused'")
    assert [complaint in row[0] for row in refusals] == [True]
    assert len(await reasons(entitlements)) == (0 if early else 1)
    await run_on(entitlements, amended(2))
    assert await entitlements.state() == (2, 1, "done")


async def test_a_contradiction_is_refused_and_kept_in_the_trail(entitlements: Entitlements) -> None:
    await entitlements.take(declared(said()), declared(said(title="Another")))
    assert await entitlements.trail() == [("noc", "declared"), ("noc", "refused")]
    (reason,) = await reasons(entitlements)
    assert "declared before with another body" in reason


async def test_a_declaration_from_before_a_field_was_added_is_still_the_same(entitlements: Entitlements) -> None:
    """Its digest was made when `impact` had no `also`: a replay of the topic must not contradict it."""
    body = said()
    del body["impact"]["also"]
    then = sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
    await entitlements.take(declared(said()))
    await entitlements.pool.execute("UPDATE declaration SET digest = $1", then)
    await entitlements.take(declared(body))
    assert await reasons(entitlements) == []


# ── Narrowed and taken back ──────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_given_is_honoured_by_default_and_told_so(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("K1", "C1")))
    await run_on(entitlements, declared(said()))
    await run_on(entitlements, retracted(2))
    assert [entry[3:] for entry in await entitlements.entries()] == [
        (1, "15", "granted"),
        (2, "15", "honoured"),
        (1, "5.0000", "granted"),
        (2, "5.0000", "honoured"),
    ]
    (event,) = await entitlements.withdrawals()
    assert {w["honoured"] for w in event["withdrawals"]} == {True}
    assert (event["revision"], event["declared_at"]) == (2, NEXT)


async def test_where_the_policy_reverses_each_entry_is_taken_back_by_one_of_its_own(entitlements: Entitlements) -> None:
    await entitlements.publish(REVERSE)
    await entitlements.take(told(dedicated("K1", "C1"), dedicated("K2", "C1", site="milano")))
    await run_on(entitlements, declared(said(policy="reversing@1")))
    await run_on(entitlements, amended(2, policy="reversing@1", scope={"sites": ["arezzo"]}))
    assert await entitlements.entries() == [
        ("C1", "days", "K1", 1, "10", "granted"),
        ("C1", "days", "K2", 1, "10", "granted"),
        ("C1", "days", "K2", 2, "10", "reversed"),
        ("C1", "gesture", "customer", 1, "2.0000", "granted"),
    ]
    before = await entitlements.entries()
    async with entitlements.pool.acquire() as connection:
        await Register(connection).plan(INCIDENT)
    await entitlements.cut()
    await entitlements.decide()
    assert await entitlements.entries() == before
    await run_on(entitlements, amended(3, policy="reversing@1"))
    assert (await entitlements.entries())[3] == ("C1", "days", "K2", 3, "10", "granted")


async def test_a_customer_whose_contracts_are_gone_is_withdrawn_from_too(entitlements: Entitlements) -> None:
    await entitlements.publish(REVERSE)
    await entitlements.take(told(dedicated("K1", "C1")))
    await run_on(entitlements, declared(said(policy="reversing@1")))
    await entitlements.pool.execute("DELETE FROM contract")
    await run_on(entitlements, retracted(2))
    assert [entry[5] for entry in await entitlements.entries()] == ["granted", "reversed"] * 2


# ── Rules that wait for the end ──────────────────────────────────────────────────────────────────────────────────


async def test_a_rule_by_the_hour_waits_for_the_end_and_then_gives_the_difference(entitlements: Entitlements) -> None:
    await entitlements.publish(HOURLY)
    await entitlements.take(told(dedicated("K1", "C1")))
    lasting = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None}
    await run_on(entitlements, declared(said(policy="hourly@1", impact=lasting)))
    assert await entitlements.exclusions() == {"C1": "waits_for_end"}
    await run_on(entitlements, resolved(2, "2011-04-29T07:00:00+02:00"))
    assert await entitlements.exclusions() == {"C1": None}
    await run_on(entitlements, resolved(3, "2011-04-29T09:00:00+02:00"))
    assert [entry[3:5] for entry in await entitlements.entries()] == [(2, "3.0000"), (3, "2.0000")]


async def test_two_incidents_pay_an_hour_once_whichever_is_run_first(entitlements: Entitlements) -> None:
    await entitlements.publish(HOURLY)
    await entitlements.take(told(dedicated("K1", "C1"), dedicated("K2", "C2")))
    hours = {"one": ("04:00", "08:00"), "two": ("06:00", "12:00")}
    for first, second in (("one", "two"), ("two", "one")):
        for name in (first, second):
            starts, ends = hours[name]
            impact = {"starts_at": f"2011-04-29T{starts}:00+02:00", "ends_at": f"2011-04-29T{ends}:00+02:00"}
            mark = f"{name}-{first}-first"
            day = impact if first == "one" else {k: v.replace("-29T", "-28T") for k, v in impact.items()}
            await entitlements.run(said(incident_id=mark, policy="hourly@1", impact=day))
        paid = await entitlements.pool.fetch(
            "SELECT customer_id, sum(amount)::text FROM granted WHERE incident_id LIKE $1 GROUP BY 1",
            f"%-{first}-first",
        )
        assert dict(paid) == {"C1": "8.0000", "C2": "8.0000"}


async def test_an_incident_that_comes_in_the_middle_of_another_s_run_counts_from_then_on(
    entitlements: Entitlements,
) -> None:
    await entitlements.publish(HOURLY)
    await entitlements.take(told(dedicated("K1", "C1"), dedicated("K2", "C2")))
    await entitlements.take(declared(said(policy="hourly@1")))
    await entitlements.cut(chunk_customers=1)
    worker = entitlements.worker()
    assert await worker.work()
    await entitlements.take(declared(said(incident_id="a-beside", policy="hourly@1")))
    await entitlements.cut()
    await entitlements.workbench.run(entitlements.worker().decide_chunk)  # it comes first by its name
    assert await worker.work()
    assert [entry[0] for entry in await entitlements.entries()] == ["C1"]
    assert [entry[0] for entry in await entitlements.entries("a-beside")] == ["C2"]


async def test_what_one_takes_back_the_other_pays(entitlements: Entitlements) -> None:
    await entitlements.publish(HOURLY.replace("rules:", "when_narrowed: reverse\nrules:"))
    await entitlements.take(told(dedicated("K1", "C1")))
    await entitlements.run(said(policy="hourly@1"))
    await entitlements.run(said(incident_id="beside", policy="hourly@1"))
    assert await entitlements.entries("beside") == []
    await run_on(entitlements, retracted(2))
    await entitlements.cut()
    await entitlements.decide()
    assert [entry[4] for entry in await entitlements.entries("beside")] == ["9.0000"]


# ── Drills, announcements ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_drill_is_marked_wherever_it_goes(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("K1", "C1")))
    await entitlements.run(said(drill=True))
    for table in ("incident", "consideration", "granted"):
        assert await entitlements.pool.fetchval(f"SELECT bool_and(drill) FROM {table}"), table
    assert [event["drill"] for event in await entitlements.events()] == [True]
    told_events = [e for e in await entitlements.reader.data(topics.PROGRESS) if e["incident_id"] == INCIDENT]
    assert {event["drill"] for event in told_events} == {True}


async def test_customers_are_announced_what_they_are_owed_where_the_policy_wants_it(entitlements: Entitlements) -> None:
    await entitlements.publish(REVERSE)
    await entitlements.take(told(dedicated("K1", "C1")))
    await entitlements.run(said(), said(incident_id="announced", policy="reversing@1"))
    (event,) = await entitlements.reader.data(topics.ANNOUNCEMENTS)
    assert (event["incident_id"], event["customer_id"]) == ("announced", "C1")
    assert remedies([event]) == [("C1", "days", "K1", "dedicated-server"), ("C1", "gesture", "customer", "")]
    (granted,) = await entitlements.events("announced")
    assert granted["letters"] == ["announcement", "details"]
    assert all("letters" not in event for event in await entitlements.events())
