"""Trials: what billing would make of an entitlement, by the same decision, and nothing comes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import SecretStr

from schemas import topics
from schemas.events import EntitlementGranted
from schemas.examples import examples
from schemas.json_schemas import json_schema
from services.billing import trials
from services.runtime import http as runtime_http
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.billing.case import CONTRACTS, EVENTS
from tests.integration.billing.world import books_of, granted, hold, read, take, written
from tests.unit.billing.builders import CODES, event, extension, in_its_place, voucher

BEARER = {"Authorization": "Bearer sesame"}


@pytest.fixture
async def http(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the trials, with the case's contracts in the books."""
    app = FastAPI()
    trials.mount(app, pool, runtime_http.operator(SecretStr("sesame")))
    await hold(pool, CONTRACTS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing") as client:
        yield client


async def tried(http: httpx.AsyncClient, event_: EntitlementGranted) -> Any:
    answer = await http.post("/trials", json=event_.model_dump(mode="json"), headers=BEARER)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_trial_says_what_billing_then_does_but_for_the_code(
    workbench: Workbench, pool: Pool, http: httpx.AsyncClient
) -> None:
    first = EVENTS[:6]  # of the first incident: each against the contracts as they were agreed
    promised = [await tried(http, one) for one in first]
    await take(workbench, read(granted(first)))
    done = [json.loads(record.value or b"") for record in (await written(pool))[topics.ADJUSTMENTS]]
    for answer in done:
        for outcome in answer["outcomes"]:
            if "code" in outcome:
                outcome["code"] = "TRIAL"
    assert promised == done


async def test_a_trial_has_no_effect(pool: Pool, http: httpx.AsyncClient) -> None:
    before = await books_of(pool)
    for one in EVENTS:
        await tried(http, one)
    assert await books_of(pool) == before
    assert await written(pool) == {}


async def test_a_trial_gives_no_code_away(http: httpx.AsyncClient) -> None:
    told = await tried(http, event(voucher()))
    assert CODES.code(voucher().entry_id) not in json.dumps(told)
    assert told["outcomes"][0]["code"] == "TRIAL"


async def test_a_trial_of_what_was_applied_already_says_what_it_would_be_now(
    workbench: Workbench, http: httpx.AsyncClient
) -> None:
    one = event(extension("K-1"), customer_id="C-1")
    await take(workbench, read(granted([one])))
    assert (await tried(http, one))["outcomes"][0]["ends_on"] == {"before": "2012-03-16", "after": "2012-03-31"}


async def test_a_trial_tells_substitutes_drills_and_letters(http: httpx.AsyncClient) -> None:
    remedy = extension("K-3", substitutes=[in_its_place(extension("K-3"), ["open_ended"])])
    told = await tried(http, event(remedy, customer_id="C-2", drill=True, letters=("announcement",)))
    assert [(one["kind"], one["outcome"]) for one in told["outcomes"]] == [
        ("extension", "refused"),
        ("credit", "applied"),
    ]
    assert told["outcomes"][1]["substitutes"] == remedy.entry_id
    assert (told["drill"], told["letters"]) == (True, ["announcement"])


@pytest.mark.parametrize("name", examples("entitlement.granted.v1"))
async def test_a_trial_of_every_worked_example_keeps_to_the_schema(http: httpx.AsyncClient, name: str) -> None:
    told = await tried(http, EntitlementGranted.model_validate_json(examples("entitlement.granted.v1")[name]))
    Draft202012Validator(json_schema("adjustment.applied.v1")).validate(told)


async def test_what_is_no_entitlement_is_refused_with_the_reason(http: httpx.AsyncClient) -> None:
    answer = await http.post("/trials", json={"incident_id": "x"}, headers=BEARER)
    assert answer.status_code == 422
    assert "customer_id" in answer.json()["detail"]


async def test_a_trial_needs_the_operators_token(http: httpx.AsyncClient) -> None:
    assert (await http.post("/trials", json=event(voucher()).model_dump(mode="json"))).status_code == 401
