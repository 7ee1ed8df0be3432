"""Chunks: each customer of a run is decided exactly once, by whichever worker, and all of it is written and told."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from schemas import topics
from schemas.ids import event_id
from services.runtime.work import Workbench
from tests.integration.entitlements.builders import (
    INCIDENT,
    Entitlements,
    declared,
    dedicated,
    hosting,
    identity,
    remedies,
    said,
    told,
)
from tests.integration.wire import ids

CUSTOMERS = 120


async def test_workers_side_by_side_decide_each_customer_exactly_once(entitlements: Entitlements) -> None:
    await entitlements.take(told(*[dedicated(f"K{n}", f"C{n:03}") for n in range(CUSTOMERS)]))
    await entitlements.take(declared(said()))
    await entitlements.cut(chunk_customers=7)
    decided: Counter[str] = Counter()

    async def work(lane: str) -> None:
        workbench = entitlements.workbench_on(entitlements.pool)
        worker = entitlements.worker(lane, workbench)
        while await workbench.run(worker.decide_chunk):
            decided[lane] += 1

    async with asyncio.timeout(30):
        await asyncio.gather(*[work(f"w{n}") for n in range(3)])
    await entitlements.planner().advance()

    assert sum(decided.values()) == -(-CUSTOMERS // 7)
    assert len(decided) == 3
    everyone = {f"C{n:03}": None for n in range(CUSTOMERS)}
    assert await entitlements.exclusions() == everyone
    assert Counter(event["customer_id"] for event in await entitlements.events()) == dict.fromkeys(everyone, 1)
    considered = "SELECT sum(total)::int FROM tally WHERE subject = $1 AND name = 'considered'"
    assert await entitlements.pool.fetchval(considered, INCIDENT) == CUSTOMERS
    assert await entitlements.pool.fetchval("SELECT state FROM plan") == "done"


async def test_a_chunk_that_somebody_holds_is_left_to_him(entitlements: Entitlements) -> None:
    await entitlements.take(told(dedicated("K1", "C1"), dedicated("K2", "C2")), declared(said()))
    await entitlements.cut(chunk_customers=1)
    held, go_on = asyncio.Event(), asyncio.Event()

    async def wait(step: str) -> None:
        if step == "worked":
            held.set()
            await go_on.wait()

    slow = Workbench(
        entitlements.pool, entitlements.workbench.relay, entitlements.workbench.metrics, seconds=20, step=wait
    )
    first = asyncio.create_task(slow.run(entitlements.worker("slow", slow).decide_chunk))
    await held.wait()
    await entitlements.decide()
    assert await entitlements.exclusions() == {"C2": None}
    assert await entitlements.pool.fetchval("SELECT state FROM plan") == "running"
    go_on.set()
    assert await first
    assert await entitlements.exclusions() == {"C1": None, "C2": None}


async def test_grants_and_entries_have_the_ids_that_their_causes_give_them(entitlements: Entitlements) -> None:
    await entitlements.take(told(hosting("H1", "C1"), dedicated("D1", "C1")))
    await entitlements.run(said())
    expected = {
        ("business-mail", "H1"): identity("C1", "business-mail", "H1"),
        ("extra-days", "D1"): identity("C1", "extra-days", "D1"),
        ("photo-voucher", "customer"): identity("C1", "photo-voucher", "customer"),
    }
    rows = await entitlements.pool.fetch("SELECT rule, target, grant_id::text, entry_id::text FROM granted")
    assert {(row[0], row[1]): (row[2], row[3]) for row in rows} == expected
    (event,) = await entitlements.events()
    assert {
        (r["rule"], r.get("contract_id", "customer")): (r["grant_id"], r["entry_id"]) for r in event["remedies"]
    } == expected
    (told_id,) = ids(await entitlements.reader.records(topics.ENTITLEMENTS))
    assert told_id == event_id("entitlement", *[remedy["entry_id"] for remedy in event["remedies"]])


async def test_an_event_says_what_is_owed_and_by_which_promise(entitlements: Entitlements) -> None:
    await entitlements.take(told(hosting("H1", "C1"), dedicated("D1", "C1")))
    await entitlements.run(said())
    (event,) = await entitlements.events()
    named = {key: event[key] for key in ("incident_id", "revision", "policy", "customer_id", "time_zone")}
    assert named == {
        "incident_id": INCIDENT,
        "revision": 1,
        "policy": "aruba-2011-04-29@1",
        "customer_id": "C1",
        "time_zone": "Europe/Rome",
    }
    terms = {
        r["rule"]: {k: v for k, v in r.items() if k not in ("entry_id", "grant_id", "rule")} for r in event["remedies"]
    }
    assert terms == {
        "business-mail": {"kind": "addon", "contract_id": "H1", "product": "business-mail", "ends_on": "2012-05-13"},
        "extra-days": {"kind": "extension", "contract_id": "D1", "product": "dedicated-server", "days": 15},
        "photo-voucher": {
            "kind": "voucher",
            "amount": {"amount": "5.00", "currency": "EUR"},
            "merchant": "Fotoaruba",
            "shipping_cap": {"amount": "1.90", "currency": "EUR"},
            "handling_covered": True,
            "valid_until": "2012-05-13",
        },
    }


async def test_progress_is_told_once_a_chunk_and_as_running_totals(entitlements: Entitlements) -> None:
    gone = dedicated("K3", "C3", terminated_on="2011-01-01")
    await entitlements.take(told(dedicated("K1", "C1"), dedicated("K2", "C2"), gone), declared(said()))
    await entitlements.cut(chunk_customers=1)
    await entitlements.decide()
    told_events = await entitlements.reader.data(topics.PROGRESS)
    reports = [e for e in told_events if e["incident_id"] == INCIDENT and "totals" in e]
    assert [(r["stage"], r["lane"]) for r in reports] == [("entitlements", "w1")] * 3
    assert [r["totals"] for r in reports] == [
        {"considered": 1, "entitled": 1, "excluded": 0, "remedies": 2},
        {"considered": 2, "entitled": 2, "excluded": 0, "remedies": 4},
        {"considered": 3, "entitled": 2, "excluded": 1, "remedies": 4},
    ]
    told_ids = ids(await entitlements.reader.records(topics.PROGRESS))
    assert len(set(told_ids)) == len(told_ids) == 3 + len(await entitlements.reports())


# ── Scope ────────────────────────────────────────────────────────────────────────────────────────────────────────

BASE = [
    dedicated("K1", "C1"),
    hosting("K2", "C2"),
    dedicated("K3", "C3", site="milano"),
    dedicated("K4", "C4", site=None),
    hosting("K5", "C5", site="milano"),
    dedicated("K5b", "C5"),
    dedicated("K6", "C6", family="virtual", product="cloud-server"),
]


@pytest.mark.parametrize(
    ("scope", "customers"),
    [
        ({"everyone": True}, {"C1", "C2", "C3", "C4", "C5", "C6"}),
        ({"sites": ["arezzo"]}, {"C1", "C2", "C5", "C6"}),
        ({"sites": ["arezzo", "milano"]}, {"C1", "C2", "C3", "C5", "C6"}),
        ({"families": ["hosting"]}, {"C2", "C5"}),
        ({"contract_ids": ["K3", "K4", "K-unknown"]}, {"C3", "C4"}),
        ({"sites": ["arezzo"], "families": ["dedicated"]}, {"C1", "C5"}),
        ({"sites": ["milano"], "families": ["hosting"], "contract_ids": ["K5", "K1"]}, {"C5"}),
        ({"sites": ["roma"]}, set()),
    ],
    ids=str,
)
@pytest.mark.parametrize("chunk_customers", [2, 100])
async def test_only_customers_with_a_contract_in_scope_are_considered(
    entitlements: Entitlements, scope: dict[str, object], customers: set[str], chunk_customers: int
) -> None:
    await entitlements.take(told(*BASE), declared(said(scope=scope)))
    await entitlements.cut(chunk_customers)
    await entitlements.decide()
    assert await entitlements.exclusions() == dict.fromkeys(customers)
    assert {event["customer_id"] for event in await entitlements.events()} == customers


async def test_only_the_contracts_in_scope_are_compensated(entitlements: Entitlements) -> None:
    await entitlements.take(told(*BASE))
    await entitlements.run(said(scope={"sites": ["milano"]}))
    assert remedies(await entitlements.events()) == [
        ("C3", "extra-days", "K3", "dedicated-server"),
        ("C3", "photo-voucher", "customer", ""),
        ("C5", "business-mail", "K5", "business-mail"),
        ("C5", "photo-voucher", "customer", ""),
    ]


async def test_what_a_customer_owns_outside_the_scope_still_counts(entitlements: Entitlements) -> None:
    await entitlements.take(told(hosting("K1", "C1"), dedicated("K2", "C1", site="milano", addons=["business-mail"])))
    await entitlements.run(said(scope={"sites": ["arezzo"]}))
    assert ("C1", "business-mail", "K1", "gigamail") in remedies(await entitlements.events())


# ── Exclusions ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_owed_nothing_is_kept_with_the_reason_that_came_closest(entitlements: Entitlements) -> None:
    late, ended = {"starts_on": "2011-05-01"}, {"ends_on": "2011-04-28"}
    await entitlements.take(
        told(
            dedicated("K1", "hit"),
            dedicated("K2", "late", **late),
            dedicated("K3", "ended", **ended),
            dedicated("K4", "terminated", terminated_on="2011-04-29"),
            dedicated("K5", "several", **late),
            dedicated("K6", "several", **ended),
            dedicated("K7", "partly", **ended),
            dedicated("K8", "partly"),
            dedicated("K9", "last-day", terminated_on="2011-04-30"),
        )
    )
    await entitlements.run(said())
    assert await entitlements.exclusions() == {
        "hit": None,
        "late": "started_after",
        "ended": "ended_before",
        "terminated": "terminated_before",
        "several": "ended_before",
        "partly": None,
        "last-day": None,
    }
    assert {event["customer_id"] for event in await entitlements.events()} == {"hit", "partly", "last-day"}
