"""A story holds everything that it was judged by: anybody can judge it again, and find where it was changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.entitlements import books
from services.entitlements.__main__ import main
from services.runtime import http
from tests.integration.entitlements.builders import INCIDENT, Entitlements, declared, dedicated, said, told
from tests.integration.entitlements.test_life import HOURLY, resolved, retracted, run_on

LASTING = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None}


@pytest.fixture
async def story(entitlements: Entitlements) -> AsyncIterator[Any]:
    """Three revisions beside another incident: hours, a difference, all of it taken back."""
    await entitlements.publish(HOURLY.replace("rules:", "when_narrowed: reverse\nrules:"))
    await entitlements.take(told(dedicated("K1", "C1"), dedicated("K2", "C1", site="milano")))
    beside = {"starts_at": "2011-04-29T05:00:00+02:00", "ends_at": "2011-04-29T06:00:00+02:00"}
    await entitlements.run(said(incident_id="beside", policy="hourly@1", impact=beside, scope={"sites": ["arezzo"]}))
    await run_on(entitlements, declared(said(policy="hourly@1", impact=LASTING)))
    await run_on(entitlements, resolved(2, "2011-04-29T07:00:00+02:00"))
    await run_on(entitlements, resolved(3, "2011-04-29T09:00:00+02:00"))
    await run_on(entitlements, retracted(4))
    app = FastAPI()
    books.mount(app, entitlements.pool, entitlements.catalogue, http.operator(SecretStr("x" * 20)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://entitlements") as client:
        yield (await client.get(f"/incidents/{INCIDENT}/customers/C1")).json()


def check(tmp_path: Path, story: Any) -> int:
    file = tmp_path / "story.json"
    file.write_bytes(orjson.dumps(story))
    return main(["explain-check", str(file)])


def test_a_story_follows_from_its_own_facts(story: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [(run["revision"], run["run"]) for run in story["runs"]] == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert [len(run["granted"]) for run in story["runs"]] == [0, 2, 2, 0]
    assert len(story["runs"][3]["withdrawn"]) == 4
    assert check(tmp_path, story) == 0
    assert capsys.readouterr().out == "4 runs, each as its facts have it\n"


def _cheaper(story: Any) -> None:
    body = story["policies"]["hourly@1"]["body"]
    body["rules"][0]["give"]["credit"]["amount"]["amount"] = "0.50"


def _shorter(story: Any) -> None:
    story["revisions"][2]["body"]["ends_at"] = "2011-04-29T07:30:00+02:00"


def _spared(story: Any) -> None:
    story["runs"][1]["facts"][0]["terminated_on"] = "2011-01-01"


def _unpaid(story: Any) -> None:
    for run in story["runs"]:
        run["others"] = []


def _otherwise(story: Any) -> None:
    story["runs"][1]["verdicts"][0]["why"] = "family"


@pytest.mark.parametrize("change", [_cheaper, _shorter, _spared, _unpaid, _otherwise])
def test_a_story_that_was_changed_is_found_out(
    story: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Any], None]
) -> None:
    change(story)
    assert check(tmp_path, story) == 1
    assert "the facts say" in capsys.readouterr().err


def test_what_is_no_story_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, {"runs": [{}]}) == 1
    assert "is no story" in capsys.readouterr().err
    assert main(["explain-check", str(tmp_path / "nowhere.json")]) == 1
    assert main(["explain-check"]) == 2
