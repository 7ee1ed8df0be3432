"""The quarantine over HTTP: a list that shows nobody's data, one record whole, and orders with the operator's token."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.runtime import http, quarantine_routes
from services.runtime.mending import Mender
from services.runtime.metrics import Metrics
from services.runtime.relay import Relay
from services.runtime.settings import RuntimeSettings
from tests.integration.runtime.test_mending import Desk, set_aside
from tests.integration.runtime.trial import Trial, parcels

SETTINGS = RuntimeSettings.model_validate(
    {"kafka": "127.0.0.1:1", "http": "127.0.0.1:1", "database": "x", "operator_token": "a-token-of-the-trial"}
)
OPERATOR = {"Authorization": "Bearer a-token-of-the-trial"}
SECRET = "Ermenegilda"


@pytest.fixture
def desk(trial: Trial) -> Desk:
    return Desk(trial, 3)


@pytest.fixture
async def client(trial: Trial, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    token, metrics = SETTINGS.operator_token, Metrics()
    app: FastAPI = http.api("trial", metrics, {}, trial.pool, Relay(trial.pool, trial.publisher), token)
    consumer = trial.consumer()
    quarantine_routes.mount(app, trial.pool, desk.mender(), [consumer], http.operator(token))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trial") as client:
        yield client


@pytest.fixture
async def kept(trial: Trial, desk: Desk) -> dict[int, int]:
    """Three records that are set aside, by offset: noise, one that says a name, one that the handler refuses."""
    records = parcels(range(5))
    records[0] = replace(records[0], value=b"\xff\x00", headers=[*records[0].headers, ("note", b"\xfe"), ("none", b"")])
    records[1] = replace(records[1], value=f'{{"number": "{SECRET}"}}'.encode())
    return await set_aside(trial, desk, records, 2)


async def got(client: httpx.AsyncClient, path: str, **asked: Any) -> Any:
    answer = await client.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_list_shows_what_is_there_and_nothing_of_what_it_says(
    trial: Trial, client: httpx.AsyncClient, kept: dict[int, int]
) -> None:
    page = await got(client, "/quarantine")
    assert [(row["id"], row["topic"], row["offset"], row["state"], row["bytes"]) for row in page["records"]] == [
        (kept[offset], trial.topic, offset, "set_aside", size) for offset, size in ((0, 2), (1, 25), (3, 12))
    ]
    assert page["records"][0].keys() == {
        "id", "topic", "partition", "offset", "reason", "set_aside_at", "state", "attempts", "bytes"
    }  # fmt: skip
    assert SECRET not in str(page)
    assert (page["count"], page["next"], page["halted"]) == (3, None, [])
    assert sum(total["records"] for total in page["totals"]) == 3


async def test_the_list_is_paged_and_bounded(client: httpx.AsyncClient, kept: dict[int, int]) -> None:
    first = await got(client, "/quarantine", limit=2)
    assert ([row["id"] for row in first["records"]], first["count"]) == ([kept[0], kept[1]], 3)
    rest = await got(client, "/quarantine", limit=2, after=first["next"])
    assert ([row["id"] for row in rest["records"]], rest["next"]) == ([kept[3]], None)
    for wrong in ({"limit": 501}, {"limit": 0}, {"state": "lost"}, {"after": -1}, {"after": 2**63}, {"reason": "\x00"}):
        assert (await client.get("/quarantine", params=wrong)).status_code == 422, wrong


@pytest.mark.parametrize(
    ("asked", "offsets"),
    [
        ({"reason": "NOT LIKED"}, [3]),
        ({"reason": "%"}, []),
        ({"key": "p1"}, [1]),
        ({"state": "set_aside"}, [0, 1, 3]),
        ({"state": "dropped"}, []),
        ({"topic": "another"}, []),
    ],
)
async def test_the_list_can_be_narrowed(
    client: httpx.AsyncClient, kept: dict[int, int], asked: dict[str, str], offsets: list[int]
) -> None:
    page = await got(client, "/quarantine", **asked)
    assert [row["offset"] for row in page["records"]] == offsets
    assert page["count"] == sum(total["records"] for total in page["totals"]) == len(offsets)


async def test_one_record_is_shown_whole_to_the_operator_alone(
    trial: Trial, client: httpx.AsyncClient, kept: dict[int, int]
) -> None:
    assert (await client.get(f"/quarantine/{kept[1]}")).status_code == 401
    told = (await client.get(f"/quarantine/{kept[1]}", headers=OPERATOR)).json()
    assert told["value"] == {"text": f'{{"number": "{SECRET}"}}'}
    assert (told["key"], told["topic"], told["partition"], told["offset"]) == ({"text": "p1"}, trial.topic, 0, 1)
    assert {"name": "ce_type", "value": {"text": "parcel.shipped.v1"}} in told["headers"]
    assert (told["state"], told["attempts"], told["dropped"]) == ("set_aside", 0, None)
    noise = (await client.get(f"/quarantine/{kept[0]}", headers=OPERATOR)).json()
    assert base64.b64decode(noise["value"]["base64"]) == b"\xff\x00"
    assert {"name": "note", "value": {"base64": base64.b64encode(b"\xfe").decode()}} in noise["headers"]


async def test_an_order_needs_the_operators_token(
    trial: Trial, desk: Desk, client: httpx.AsyncClient, kept: dict[int, int]
) -> None:
    desk.unbearable.clear()
    for path in (f"/quarantine/{kept[3]}/retry", f"/quarantine/{kept[3]}/drop", "/consumer/resume"):
        assert (await client.post(path, json={"by": "anna", "why": "x"})).status_code == 401
    assert await trial.numbers() == [2, 4]
    assert [row["state"] for row in await trial.quarantined()] == ["set_aside"] * 3


async def test_a_record_is_tried_again_and_dropped(
    trial: Trial, desk: Desk, client: httpx.AsyncClient, kept: dict[int, int]
) -> None:
    desk.unbearable.clear()
    done = (await client.post(f"/quarantine/{kept[3]}/retry", headers=OPERATOR)).json()
    assert (done["id"], done["result"], done["attempts"]) == (kept[3], "applied", 1)
    refused = (await client.post(f"/quarantine/{kept[1]}/retry", headers=OPERATOR)).json()
    assert (refused["result"], refused["attempts"]) == ("refused", 1)
    assert SECRET not in refused["reason"]
    said = {"by": "anna", "why": "a test of theirs"}
    dropped = (await client.post(f"/quarantine/{kept[0]}/drop", headers=OPERATOR, json=said)).json()
    assert dropped["result"] == "dropped"
    told = (await client.get(f"/quarantine/{kept[0]}", headers=OPERATOR)).json()
    assert (told["dropped"]["by"], told["dropped"]["why"]) == ("anna", "a test of theirs")
    metrics = (await client.get("/metrics")).text
    for state, count in (("set_aside", 1), ("applied", 1), ("dropped", 1), ("superseded", 0)):
        assert f'amends_quarantine_records{{state="{state}"}} {count}.0' in metrics


async def test_what_cannot_be_done_is_said(client: httpx.AsyncClient, kept: dict[int, int], trial: Trial) -> None:
    async def status(path: str, **body: Any) -> int:
        return (await client.post(path, headers=OPERATOR, json=body or None)).status_code

    assert (await client.get("/quarantine/999999", headers=OPERATOR)).status_code == 404
    assert await status("/quarantine/999999/retry") == 404
    assert await status("/quarantine/999999/drop", by="anna", why="x") == 404
    assert await status(f"/quarantine/{2**63}/retry") == 422
    assert await status(f"/quarantine/{kept[1]}/drop", by="anna") == 422
    assert await status(f"/quarantine/{kept[1]}/drop", by="anna", why=" ") == 422
    assert await status(f"/quarantine/{kept[1]}/drop", by="two words", why="x") == 422
    assert await status(f"/quarantine/{kept[1]}/drop", by="anna", why="a\x00b") == 422
    await trial.pool.execute("UPDATE quarantine SET topic = 'nobody.reads.v1'")
    assert await status(f"/quarantine/{kept[1]}/retry") == 409


async def test_nobody_is_resumed_who_has_not_halted(client: httpx.AsyncClient) -> None:
    assert (await client.post("/consumer/resume", headers=OPERATOR)).json() == {"resumed": False}
    assert (await client.get("/quarantine")).json()["records"] == []


async def test_mending_is_asked_of_a_service_by_the_routes_of_its_consumer(trial: Trial) -> None:
    assert await Mender(trial.workbench(), {}).retry(1) is None
