"""Entitlements' books over HTTP: they add up, and tell of anyone why, from the facts as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.entitlements import books
from services.runtime import http
from tests.integration.entitlements.builders import (
    ARUBA,
    INCIDENT,
    Entitlements,
    declared,
    dedicated,
    hosting,
    identity,
    said,
    told,
)

TOKEN = "a-token-of-the-tests"


@pytest.fixture
async def asked(entitlements: Entitlements) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    books.mount(app, entitlements.pool, entitlements.catalogue, http.operator(SecretStr(TOKEN)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://entitlements") as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_books_add_up(entitlements: Entitlements, asked: httpx.AsyncClient) -> None:
    await entitlements.take(
        told(
            hosting("H1", "C1"),
            dedicated("D1", "C1"),
            dedicated("D2", "C2"),
            dedicated("D2b", "C2"),
            dedicated("D3", "C3", terminated_on="2011-01-01"),
            dedicated("D4", "C4", ends_on="2011-01-01"),
            dedicated("D5", "C5", ends_on="2011-01-01"),
        )
    )
    await entitlements.run(said())
    expected = {
        "considered": 5,
        "entitled": 2,
        "excluded": 3,
        "exclusions": {"terminated_before": 1, "ended_before": 2},
        "remedies": 3 + 3,
        "withdrawals": 0,
        "days": 15 + 30,
        "money": {"EUR": "10.00"},
        "open_chunks": 0,
        "drill": False,
    }
    assert await ask(asked, f"/incidents/{INCIDENT}/books") == expected
    buckets = await ask(asked, f"/census/{INCIDENT}/buckets")
    assert (sum(b["members"] for b in buckets), sum(b["items"] for b in buckets)) == (2, 6)


async def test_chunks_that_are_not_decided_are_counted_as_open(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    await entitlements.take(told(*[dedicated(f"D{n}", f"C{n}") for n in range(5)]), declared(said()))
    await entitlements.cut(chunk_customers=2)
    told_books = await ask(asked, f"/incidents/{INCIDENT}/books")
    assert (told_books["open_chunks"], told_books["considered"]) == (3, 0)
    known = await ask(asked, f"/incidents/{INCIDENT}")
    assert (known["customers"], known["state"], known["run"]) == (5, "running", 1)


async def test_a_story_tells_what_was_decided_and_why(entitlements: Entitlements, asked: httpx.AsyncClient) -> None:
    await entitlements.take(told(hosting("H1", "C1", addons=["business-mail"]), dedicated("D1", "C1")))
    await entitlements.run(said())
    story = await ask(asked, f"/incidents/{INCIDENT}/customers/C1")
    assert (story["considered"], story["exclusion"]) == (True, None)
    assert [(g["rule"], g["target"], g["choice"], g["grant_id"], g["entry_id"]) for g in story["grants"]] == [
        ("business-mail", "H1", "instead", *identity("C1", "business-mail", "H1")),
        ("extra-days", "D1", "give", *identity("C1", "extra-days", "D1")),
        ("photo-voucher", "customer", "give", *identity("C1", "photo-voucher", "customer")),
    ]
    (run,) = story["runs"]
    assert (run["revision"], run["run"], run["policy"]) == (1, 1, ARUBA)
    assert {(v["rule"], v["target"]): v["why"] for v in run["verdicts"]} == {
        ("business-mail", "D1"): "family",
        ("business-mail", "H1"): "granted_instead",
        ("extra-days", "D1"): "granted",
        ("extra-days", "H1"): "family",
        ("photo-voucher", "customer"): "granted",
    }


async def test_a_decision_is_explained_by_the_facts_as_they_were(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    facts = dedicated(
        "D1",
        "C1",
        ends_on="2011-12-01",
        monthly_fee={"amount": "49.90", "currency": "EUR"},
        attributes={"rack": 7},
        complimentary=[{"addon_id": "A", "product": "x", "starts_on": "2011-01-01", "ends_on": "2012-01-01"}],
    )
    await entitlements.take(told(facts, dedicated("D2", "C2"), dedicated("D0", "C0")))
    await entitlements.run(said())
    before = await ask(asked, f"/incidents/{INCIDENT}/customers/C1")
    changed = facts | {"family": "adsl", "ends_on": "2011-01-01", "customer_id": "C9", "version": 5}
    await entitlements.take(told(changed))
    assert await ask(asked, f"/incidents/{INCIDENT}/customers/C1") == before
    (fact,) = before["runs"][0]["facts"]
    assert fact["contract_id"] == "D1"
    assert (fact["family"], fact["ends_on"], fact["attributes"]) == ("dedicated", "2011-12-01", {"rack": 7})
    assert (float(fact["monthly_fee"]), fact["complimentary"]) == (49.9, [["x", "2011-01-01", "2012-01-01"]])


async def test_a_story_tells_run_by_run_what_was_new(entitlements: Entitlements, asked: httpx.AsyncClient) -> None:
    await entitlements.take(told(hosting("H1", "C1")))
    await entitlements.run(said(scope={"sites": ["arezzo"]}))
    await entitlements.take(told(dedicated("D1", "C1")))
    await entitlements.run(said(revision=2))
    story = await ask(asked, f"/incidents/{INCIDENT}/customers/C1")
    first, second = ({(v["rule"], v["target"]): v["why"] for v in run["verdicts"]} for run in story["runs"])
    assert first[("business-mail", "H1")] == "granted"
    assert ("extra-days", "D1") not in first
    assert second[("business-mail", "H1")] == "already_granted"
    assert second[("photo-voucher", "customer")] == "already_granted"
    assert second[("extra-days", "D1")] == "granted"


async def test_a_story_of_an_excluded_customer_says_why(entitlements: Entitlements, asked: httpx.AsyncClient) -> None:
    await entitlements.take(told(dedicated("D1", "C1", terminated_on="2011-01-01")))
    await entitlements.run(said())
    story = await ask(asked, f"/incidents/{INCIDENT}/customers/C1")
    assert (story["considered"], story["exclusion"], story["grants"]) == (True, "terminated_before", [])
    assert {v["why"] for v in story["runs"][0]["verdicts"]} == {"terminated_before", "no_eligible_contract"}
    assert any("2011-01-01" in v["sentence"] for v in story["runs"][0]["verdicts"])


async def test_nobody_knows_of_a_customer_who_was_never_considered(
    entitlements: Entitlements, asked: httpx.AsyncClient
) -> None:
    await entitlements.take(told(dedicated("D1", "C1")))
    await entitlements.run(said())
    story = await ask(asked, f"/incidents/{INCIDENT}/customers/nobody")
    assert (story["considered"], story["exclusion"], story["grants"], story["runs"]) == (False, None, [], [])


async def test_an_unknown_incident_is_not_found(asked: httpx.AsyncClient) -> None:
    assert (await asked.get("/incidents/none")).status_code == 404
    again = await asked.post("/incidents/none/runs", headers={"Authorization": f"Bearer {TOKEN}"})
    assert again.status_code == 404


async def test_a_run_is_repeated_for_the_operator_alone(entitlements: Entitlements, asked: httpx.AsyncClient) -> None:
    await entitlements.take(told(dedicated("D1", "C1")))
    await entitlements.run(said())
    path = f"/incidents/{INCIDENT}/runs"
    assert (await asked.post(path)).status_code == 401
    assert (await asked.post(path, headers={"Authorization": "Bearer somebody"})).status_code == 401
    answer = await asked.post(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.json() == {"incident_id": INCIDENT, "revision": 1, "run": 2}
    assert [row["run"] for row in await entitlements.pool.fetch("SELECT run FROM plan ORDER BY run")] == [1, 2]
