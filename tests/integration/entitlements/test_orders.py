"""What people order: a plan is approved by a second person, a run halts at its ceiling, pauses, goes on."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from schemas import topics
from schemas.audit import flaws
from services.entitlements import books, previews
from services.runtime import http
from tests.integration.entitlements.builders import INCIDENT, Entitlements, declared, dedicated, said, told
from tests.integration.entitlements.test_life import amended, reasons, resolved, retracted
from tests.integration.wire import arrived, events

TOKEN = "a-token-of-the-tests"
CREDIT = """
name: credit
version: 1
title: Two euros each
time_zone: Europe/Rome
rules:
  - rule: gesture
    per: customer
    give: {{credit: {{amount: {{amount: "2.00", currency: EUR}}}}}}
{more}
"""
BUDGET = 'budget: [{currency: EUR, ceiling: "10.00", approval_above: "50 %"}]'
_numbers = itertools.count()


def order(kind: str, event_id: str | None = None, **said_so: Any) -> list[Any]:
    body = {"incident_id": INCIDENT, **said_so}
    triple = (INCIDENT, event_id or f"order-{next(_numbers)}", body)
    return arrived(topics.INCIDENTS, events(f"incident.{kind}.v1", triple))


def approved(plan: str, by: str = "finance", at: str = "2011-05-13T12:00:00+02:00", **more: Any) -> list[Any]:
    return order("approved", plan=plan, approved_by=by, approved_at=at, **more)


async def declare(entitlements: Entitlements, customers: int, more: str, chunk: int = 1, **changed: Any) -> None:
    """A policy of two euros each, with `more` to it, for so many customers: run as far as it goes."""
    await entitlements.publish(CREDIT.format(more=more))
    await entitlements.take(told(*[dedicated(f"K{n}", f"C{n}") for n in range(customers)]))
    await entitlements.take(declared(said(policy="credit@1", **changed)))
    await entitlements.cut(chunk_customers=chunk)
    await go_on(entitlements)


async def go_on(entitlements: Entitlements) -> None:
    for _ in range(3):
        await entitlements.decide()


async def plan(entitlements: Entitlements) -> Any:
    return await entitlements.pool.fetchrow(
        "SELECT hash, gate, reason, allowed, expires_at FROM plan ORDER BY revision DESC"
    )


async def granted(entitlements: Entitlements) -> int:
    return len(await entitlements.entries())


async def last_refusal(entitlements: Entitlements) -> str:
    query = "SELECT detail ->> 'reason' FROM audit WHERE action = 'refused' ORDER BY number DESC LIMIT 1"
    return str(await entitlements.pool.fetchval(query))


# ── Approval ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_stays_below_the_threshold_runs_by_itself(entitlements: Entitlements) -> None:
    await declare(entitlements, 2, BUDGET)
    assert await entitlements.state() == (1, 1, "done")
    assert await granted(entitlements) == 2


async def test_above_the_threshold_nothing_is_granted_before_somebody_else_approves(
    entitlements: Entitlements,
) -> None:
    await declare(entitlements, 4, BUDGET)
    assert await entitlements.state() == (1, 1, "approval")
    assert await granted(entitlements) == 0
    assert [e["state"] for e in await entitlements.reports()] == ["forecasting", "approval"]
    row = await plan(entitlements)
    assert row["reason"] == "the incident would come to 8.00 EUR; nobody is asked up to 5.00 EUR"
    await entitlements.take(approved(row["hash"]))
    await go_on(entitlements)
    assert await entitlements.state() == (1, 1, "done")
    assert await granted(entitlements) == 4
    actors = ("noc", "amends", "amends", "finance", "amends")
    actions = ("declared", "forecasting", "asked", "approved", "done")
    assert await entitlements.trail() == list(zip(actors, actions, strict=True))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"by": "noc"}, "noc declared the incident: somebody else has to approve it"),
        ({"plan": "0" * 64}, "is not the one that waits"),
        ({"at": "2999-01-01T00:00:00+00:00"}, "the plan could be approved until"),
    ],
    ids=["by who declared it", "of another plan", "after it expired"],
)
async def test_an_approval_that_does_not_count_is_refused_and_kept(
    entitlements: Entitlements, changed: dict[str, str], complaint: str
) -> None:
    await declare(entitlements, 4, BUDGET)
    row = await plan(entitlements)
    await entitlements.take(approved(**{"plan": row["hash"], **changed}))
    await go_on(entitlements)
    assert complaint in await last_refusal(entitlements)
    assert len(await reasons(entitlements)) == 1
    assert await entitlements.state() == (1, 1, "approval")
    assert await granted(entitlements) == 0


async def test_whoever_declared_a_later_revision_may_not_approve_either(entitlements: Entitlements) -> None:
    await declare(entitlements, 4, BUDGET)
    await entitlements.take(amended(2, policy="credit@1"))
    await entitlements.cut(chunk_customers=1)
    await go_on(entitlements)
    row = await plan(entitlements)
    await entitlements.take(approved(row["hash"], by="desk"))
    assert "desk declared the incident" in await last_refusal(entitlements)


async def test_an_approval_of_a_plan_that_was_superseded_does_not_count(entitlements: Entitlements) -> None:
    await declare(entitlements, 4, BUDGET)
    first = await plan(entitlements)
    await entitlements.take(resolved(2, "2011-04-29T15:00:00+02:00"))
    await entitlements.cut(chunk_customers=1)
    await go_on(entitlements)
    await entitlements.take(approved(first["hash"]))
    assert await entitlements.state() == (2, 1, "approval")
    assert await granted(entitlements) == 0


async def test_an_approval_that_is_heard_twice_counts_once(entitlements: Entitlements) -> None:
    await declare(entitlements, 4, BUDGET)
    row = await plan(entitlements)
    twice = approved(row["hash"], event_id="the-same")
    await entitlements.take(twice, twice)
    assert [action for _, action in await entitlements.trail()].count("approved") == 1
    assert await reasons(entitlements) == []


# ── The ceiling ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_halts_before_the_chunk_that_would_cross_the_ceiling_and_goes_on_when_approved(
    entitlements: Entitlements,
) -> None:
    await declare(entitlements, 9, BUDGET, chunk=2)
    await entitlements.take(approved((await plan(entitlements))["hash"]))
    await go_on(entitlements)
    assert await entitlements.state() == (1, 1, "halted")
    assert await granted(entitlements) == 4
    row = await plan(entitlements)
    assert row["gate"] == "ceiling"
    assert row["reason"] == "8.00 EUR are granted, the next customers would make it 12.00, and 10.00 is allowed"
    (report,) = [e for e in await entitlements.reports() if e["state"] == "halted"]
    assert (report["plan"], report["reason"]) == (row["hash"], row["reason"])
    await entitlements.take(approved(row["hash"]))
    await go_on(entitlements)
    assert await entitlements.state() == (1, 1, "done")
    assert await granted(entitlements) == 9


async def test_the_approval_at_the_start_is_not_the_one_past_the_ceiling(entitlements: Entitlements) -> None:
    await declare(entitlements, 9, BUDGET, chunk=2)
    first = (await plan(entitlements))["hash"]
    await entitlements.take(approved(first))
    await go_on(entitlements)
    await entitlements.take(approved(first, by="another"))
    await go_on(entitlements)
    assert await entitlements.state() == (1, 1, "halted")


async def test_contracts_that_come_after_the_approval_do_not_go_past_what_was_approved(
    entitlements: Entitlements,
) -> None:
    await declare(entitlements, 4, BUDGET, chunk=2)
    await entitlements.take(told(dedicated("late", "C0a")))
    await entitlements.take(approved((await plan(entitlements))["hash"]))
    await go_on(entitlements)
    assert await entitlements.state() == (1, 1, "halted")
    assert await granted(entitlements) == 3


async def test_what_was_taken_back_is_no_longer_spent(entitlements: Entitlements) -> None:
    more = f"{BUDGET}\nwhen_narrowed: reverse"
    await declare(entitlements, 2, more)
    await entitlements.take(retracted(2))
    await entitlements.cut()
    await go_on(entitlements)
    assert await entitlements.pool.fetchval("SELECT spent FROM incident") == {"EUR": "0.00"}


# ── The canary ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_rest_follows_the_canary_when_a_person_has_approved_it(entitlements: Entitlements) -> None:
    await declare(entitlements, 7, "canary: 2", chunk=3)
    assert await entitlements.state() == (1, 1, "approval")
    assert {entry[0] for entry in await entitlements.entries()} == {"C0", "C1"}
    row = await plan(entitlements)
    assert row["gate"] == "rest"
    await entitlements.take(approved(row["hash"]))
    await go_on(entitlements)
    assert await entitlements.state() == (1, 1, "done")
    assert await granted(entitlements) == 7


async def test_the_rest_follows_the_canary_by_itself_after_a_while(entitlements: Entitlements) -> None:
    await declare(entitlements, 7, "canary: {customers: 2, then: 30 minutes}", chunk=3)
    assert await entitlements.state() == (1, 1, "canary")
    assert await granted(entitlements) == 2
    assert (await plan(entitlements))["reason"] == "the first 2 customers are done: the rest follows after 0:30:00"
    await entitlements.pool.execute("UPDATE plan SET go_on_at = now() - interval '1 second'")
    await go_on(entitlements)
    assert await entitlements.state() == (1, 1, "done")
    assert await granted(entitlements) == 7


# ── Pause and resume ─────────────────────────────────────────────────────────────────────────────────────────────


def paused(at: str, **more: Any) -> list[Any]:
    return order("paused", paused_by="ops", paused_at=at, reason="looking", **more)


def resumed(at: str, **more: Any) -> list[Any]:
    return order("resumed", resumed_by="ops", resumed_at=at, **more)


async def test_a_paused_incident_stands_still_until_it_is_resumed(entitlements: Entitlements) -> None:
    await entitlements.take(told(*[dedicated(f"K{n}", f"C{n}") for n in range(3)]), declared(said()))
    await entitlements.cut(chunk_customers=1)
    await entitlements.workbench.run(entitlements.worker().decide_chunk)
    await entitlements.take(paused("2011-05-13T11:00:00+00:00"))
    await entitlements.decide()
    assert len({entry[0] for entry in await entitlements.entries()}) == 1
    await entitlements.take(resumed("2011-05-13T12:00:00+00:00"))
    await entitlements.decide()
    assert len({entry[0] for entry in await entitlements.entries()}) == 3
    assert [e["state"] for e in await entitlements.reports()] == ["running", "paused", "running", "done"]


@pytest.mark.parametrize("swapped", [False, True])
async def test_of_two_orders_the_later_counts_whatever_comes_first(entitlements: Entitlements, swapped: bool) -> None:
    await entitlements.take(declared(said()))
    both = [paused("2011-05-13T11:00:00+00:00"), resumed("2011-05-13T12:00:00+00:00")]
    heard = both[::-1] if swapped else both
    await entitlements.take(*heard, *heard)
    assert await entitlements.pool.fetchval("SELECT paused FROM incident") is False


async def test_an_approval_for_an_incident_that_nobody_declared_is_set_aside(entitlements: Entitlements) -> None:
    await entitlements.take(approved("0" * 64))
    assert await reasons(entitlements) == [f"there is no incident {INCIDENT}: declare it first"]


@pytest.mark.parametrize("drill", [False, True])
async def test_an_incident_that_was_paused_before_it_was_declared_stands_still(
    entitlements: Entitlements, drill: bool
) -> None:
    await entitlements.take(told(dedicated("K1", "C1")), paused("2011-05-13T11:00:00+00:00"))
    await entitlements.take(declared(said(drill=drill)))
    await entitlements.cut()
    await go_on(entitlements)
    assert await entitlements.entries() == []
    await entitlements.take(resumed("2011-05-13T12:00:00+00:00"))
    await entitlements.cut()
    await go_on(entitlements)
    assert len(await entitlements.entries()) == 2
    assert await entitlements.state() == (1, 1, "done")
    assert await reasons(entitlements) == []
    assert await entitlements.pool.fetchval("SELECT drill FROM incident") is drill


# ── Preview, comparison, audit over HTTP ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def asked(entitlements: Entitlements) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    operator = http.operator(SecretStr(TOKEN))
    books.mount(app, entitlements.pool, entitlements.catalogue, operator)
    previews.mount(app, entitlements.pool, entitlements.catalogue, operator, 2)
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://entitlements", headers=headers) as client:
        yield client


async def last_line(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert all({"done", "of"} == set(line) for line in lines[:-1])
    return lines[-1]


async def test_a_preview_and_the_run_agree_to_the_cent_and_the_customer(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    await entitlements.publish(CREDIT.format(more=BUDGET))
    await entitlements.take(told(*[dedicated(f"K{n}", f"C{n}") for n in range(5)]))
    gone = dedicated("K9", "C9", terminated_on="2011-01-01")
    await entitlements.take(told(gone))
    declaration = said(policy="credit@1")
    foreseen = (await last_line(asked, "/previews", {"declaration": declaration}))["preview"]
    assert await entitlements.pool.fetchval("SELECT count(*) FROM incident") == 0
    await entitlements.take(declared(declaration))
    await entitlements.cut(chunk_customers=2)
    await go_on(entitlements)
    assert (await plan(entitlements))["hash"] == foreseen["plan"]
    await entitlements.take(approved(foreseen["plan"]))
    await go_on(entitlements)
    made = (await asked.get(f"/incidents/{INCIDENT}/books")).json()
    assert foreseen["customers"] == {name: made[name] for name in ("considered", "entitled", "excluded")}
    assert (foreseen["exclusions"], foreseen["money"]) == (made["exclusions"], made["money"])
    assert foreseen["budget"]["needs_approval"] is True
    again = (await last_line(asked, "/previews", {"incident_id": INCIDENT}))["preview"]
    assert (again["money"], again["days"], again["rules"]) == ({}, 0, [])


async def test_a_preview_of_the_next_revision_shows_the_difference(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    await declare(entitlements, 3, "", scope={"contract_ids": ["K0"]})
    await entitlements.take(amended(2, policy="credit@1", scope={"contract_ids": ["K0", "K1"]}))
    second = said(policy="credit@1", revision=2)
    foreseen = (await last_line(asked, "/previews", {"declaration": second}))["preview"]
    assert (foreseen["revision"], foreseen["money"]) == (2, {"EUR": "4.00"})
    early = await asked.post("/previews", json={"declaration": second | {"revision": 4}})
    assert (early.status_code, early.json()["detail"]) == (409, "revision 4 would wait for revision 3")


async def test_two_policies_are_compared_customer_by_customer(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    await entitlements.publish(CREDIT.format(more=""))
    await entitlements.take(told(dedicated("K1", "C1"), dedicated("K2", "C2", family="adsl")))
    other = CREDIT.format(more="").replace("per: customer", "per: customer\n    when: {families: [adsl]}")
    dearer = other.replace('"2.00"', '"3.00"')
    body = {"declaration": said(policy="credit@1"), "a": "credit@1", "b": {"text": dearer}}
    told_diff = (await last_line(asked, "/diffs", body))["diff"]
    assert {name: told_diff[name] for name in ("customers", "gain", "lose", "mixed", "same")} == {
        "customers": 2, "gain": 1, "lose": 1, "mixed": 0, "same": 0,
    }  # fmt: skip
    assert told_diff["money"] == {"a": {"EUR": "4.00"}, "b": {"EUR": "3.00"}}
    assert told_diff["samples"]["gain"] == [{"customer_id": "C2", "a": {"EUR": "2.00"}, "b": {"EUR": "3.00"}}]


async def test_the_trail_is_whole_and_a_changed_byte_is_found(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    await declare(entitlements, 4, BUDGET)
    trail = (await asked.get(f"/incidents/{INCIDENT}/audit")).json()
    assert [entry["action"] for entry in trail] == ["declared", "forecasting", "asked"]
    assert flaws(INCIDENT, trail) == []
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await entitlements.pool.execute("UPDATE audit SET actor = 'nobody'")
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await entitlements.pool.execute("DELETE FROM audit")
    async with entitlements.pool.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE audit DISABLE TRIGGER append_only")
        await connection.execute("UPDATE audit SET actor = 'nobody' WHERE number = 2")
        await connection.execute("ALTER TABLE audit ENABLE TRIGGER append_only")
    trail = (await asked.get(f"/incidents/{INCIDENT}/audit")).json()
    assert flaws(INCIDENT, trail) == ["entry 2 was changed: its hash is not of what it says"]


async def test_an_incident_says_what_it_waits_for(entitlements: Entitlements, asked: httpx.AsyncClient) -> None:
    await declare(entitlements, 4, BUDGET)
    known = (await asked.get(f"/incidents/{INCIDENT}")).json()
    assert (known["state"], known["gate"], known["revision"], known["waits_for"]) == ("approval", "start", 1, None)
    assert known["plan"]["forecast"]["money"] == {"EUR": "8.00"}
    await entitlements.take(amended(3, policy="credit@1"))
    known = (await asked.get(f"/incidents/{INCIDENT}")).json()
    assert (known["state"], known["revision"], known["declared"], known["waits_for"]) == ("held", 1, 3, 2)


async def test_the_latest_incidents_are_listed_with_where_they_are(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    await declare(entitlements, 4, BUDGET)
    await entitlements.take(declared(said(incident_id="a-drill", drill=True)), amended(2, incident_id="early"))
    listed = {row["incident_id"]: row for row in (await asked.get("/incidents")).json()}
    shown = {name: (row["revision"], row["state"], row["drill"], row["held"]) for name, row in listed.items()}
    assert shown == {
        INCIDENT: (1, "approval", False, False),
        "a-drill": (1, "declared", True, False),
        "early": (0, None, False, True),
    }
