"""Samples over HTTP: what a letter would say, for a preview; nothing is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.notifications import samples
from services.runtime import http
from tests.integration.notifications.builders import HEAD, INCIDENT, POLICY
from tests.unit.notifications.outcomes import Outcome, extension, remedy, reversal, voucher

TOKEN = "a-token-of-the-tests"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
WHO = {"incident_id": INCIDENT, "revision": 1, "customer_id": "C1"}
GRANTED = {**WHO, "policy": POLICY, "remedies": [remedy(), remedy("voucher", "e3")]}
APPLIED = {**WHO, "outcomes": [extension(), voucher()]}
REVERSED = {**WHO, "reversals": [reversal()]}


def asking(kind: str, **changed: Any) -> dict[str, Any]:
    declaration = {
        "incident_id": INCIDENT,
        "revision": 1,
        "title": "Black-out",
        "drill": False,
        "impact": {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None},
        "scope": {"everyone": True},
        "policy": POLICY,
        "declared_by": "noc",
        "declared_at": "2011-05-13T10:00:00+02:00",
    }
    policy = {"policy": POLICY, "title": "t", "time_zone": "UTC", "letters": ["announcement", "details"], "texts": {}}
    return {
        "declaration": declaration,
        "kind": kind,
        "policy": policy,
        "granted": GRANTED,
        "applied": APPLIED,
        "language": "en",
        **changed,
    }


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """The routes alone: they need no database."""
    app = FastAPI()
    samples.mount(app, HEAD, "en", http.operator(SecretStr(TOKEN)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://notifications", headers=OPERATOR) as client:
        yield client


async def sampled(client: httpx.AsyncClient, asked: dict[str, Any]) -> dict[str, str]:
    answer = await client.post("/samples", json=asked)
    assert answer.status_code == 200, answer.text
    said: dict[str, str] = answer.json()
    assert set(said) == {"subject", "text"}
    return said


async def test_a_sample_of_each_kind_is_written_to_nobody_by_name(client: httpx.AsyncClient) -> None:
    announcement = await sampled(client, asking("announcement"))
    assert "15 calendar days added" in announcement["text"]
    assert "A second letter follows" in announcement["text"]
    details = await sampled(client, asking("details", language="it"))
    assert details["subject"].startswith("Le nostre scuse")
    assert details["text"].startswith("Gentile cliente,")
    assert "02:30 (UTC+00:00)" in details["text"], "in the policy's zone"
    correction = await sampled(client, asking("correction", applied=None, reversed=REVERSED))
    assert "end date again: 1 December 2011" in correction["text"]


async def test_a_sample_without_a_policy_or_of_a_drill_says_so(client: httpx.AsyncClient) -> None:
    asked = asking("details", policy=None)
    asked["declaration"] |= {"drill": True}
    said = await sampled(client, asked)
    assert said["subject"].startswith("[DRILL]")
    assert "04:30 (UTC+02:00)" in said["text"]


async def test_a_sample_opens_in_the_policys_words(client: httpx.AsyncClient) -> None:
    asked = asking("details")
    asked["policy"]["texts"] = {"en": {"details": "The lights went out."}}
    assert "The lights went out." in (await sampled(client, asked))["text"]


NO_CODE: Outcome = voucher(code=None)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"kind": "towel"}, "kind"),
        ({"kind": "announcement", "granted": None}, "give granted"),
        ({"kind": "details", "applied": None}, "give applied"),
        ({"kind": "correction", "applied": None}, "give applied or reversed"),
        ({"applied": {**APPLIED, "outcomes": [NO_CODE]}}, "cannot be written: outcome e3"),
        ({"declaration": {}}, "declaration"),
    ],
)
async def test_what_cannot_be_written_is_refused_with_the_reason(
    client: httpx.AsyncClient, changed: dict[str, Any], complaint: str
) -> None:
    answer = await client.post("/samples", json=asking("details") | changed)
    assert answer.status_code == 422
    assert complaint in answer.json()["detail"]


async def test_samples_are_for_the_operator(client: httpx.AsyncClient) -> None:
    assert (await client.post("/samples", json=asking("details"), headers={"Authorization": ""})).status_code == 401
    assert (await client.post("/samples", content=b"not json")).status_code == 422
