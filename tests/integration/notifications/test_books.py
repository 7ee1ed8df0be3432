"""Notifications' books over HTTP: they add up, and tell what a customer was written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.notifications import books
from services.notifications.domain import letter_id
from services.runtime import http
from tests.integration.notifications.builders import (
    HEAD,
    INCIDENT,
    Notifications,
    adjusted,
    announced,
    customers,
    declared,
    email_of,
    erased,
    profile,
    reversed_,
)
from tests.unit.notifications.outcomes import extension, reversal

TOKEN = "a-token-of-the-tests"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def asked(notifications: Notifications) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    books.mount(app, notifications.pool, HEAD, "en", http.operator(SecretStr(TOKEN)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://notifications") as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None) -> Any:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_books_count_every_letter_by_kind_and_state(
    notifications: Notifications, asked: httpx.AsyncClient
) -> None:
    ids = ["C1", "C2", "C3", "C4"]
    await notifications.take(declared(), customers(*map(profile, ids[:3])), customers(profile("C5", email=None)))
    await notifications.take(adjusted(*ids, "C5"), adjusted("C1", incident_id="another"))
    for customer_id, state in (("C1", "sent"), ("C2", "in_doubt")):
        await notifications.pool.execute(
            "UPDATE letter SET state = $2, settled_at = now() WHERE customer_id = $1", customer_id, state
        )
    await notifications.take(adjusted("C1", which="late"))
    assert await ask(asked, f"/incidents/{INCIDENT}/books") == {
        "customers": 5,
        "letters": {"details": {"sent": 1, "in_doubt": 1, "pending": 2, "no_address": 1}, "correction": {"pending": 1}},
        "without_profile": ["C4"],
        "quarantined": [],
        "dropped": [],
        "drill": False,
    }
    buckets = await ask(asked, f"/census/{INCIDENT}/buckets")
    assert sum(bucket["members"] for bucket in buckets) == 5


async def test_an_answer_that_was_set_aside_is_named_by_its_customer(
    notifications: Notifications, asked: httpx.AsyncClient
) -> None:
    refused_without_reason = extension() | {"outcome": "refused"}
    await notifications.take(adjusted("C1", outcomes=[refused_without_reason]))
    assert (await ask(asked, f"/incidents/{INCIDENT}/books"))["quarantined"] == ["C1"]


async def test_a_customers_letters_are_listed_without_what_they_say(
    notifications: Notifications, asked: httpx.AsyncClient
) -> None:
    await notifications.take(declared(), customers(profile("C1")), adjusted("C1"), adjusted("C1", incident_id="other"))
    listed = await ask(asked, "/customers/C1/letters", OPERATOR)
    assert sorted(letter["incident_id"] for letter in listed) == [INCIDENT, "other"]
    (letter,) = await ask(asked, f"/customers/C1/letters?incident_id={INCIDENT}", OPERATOR)
    identity = str(letter_id(INCIDENT, "C1", "details"))
    assert (letter["letter_id"], letter["kind"], letter["state"]) == (identity, "details", "pending")
    assert email_of("C1") not in str(listed)
    assert await ask(asked, "/customers/nobody/letters", OPERATOR) == []
    assert (await asked.get("/customers/C1/letters")).status_code == 401


async def test_what_a_letter_says_is_shown_to_the_operator_alone(
    notifications: Notifications, asked: httpx.AsyncClient
) -> None:
    await notifications.take(declared(), customers(profile("C1")), adjusted("C1"))
    path = f"/letters/{letter_id(INCIDENT, 'C1', 'details')}"
    assert (await asked.get(path)).status_code == 401
    letter = await ask(asked, path, OPERATOR)
    assert "Name-of C1" in letter["text"]
    assert "K-1" in letter["text"]
    await notifications.take(erased("C1"))
    assert "Name-of C1" not in (await ask(asked, path, OPERATOR))["text"]
    assert (await asked.get(f"/letters/{letter_id('none', 'C1', 'details')}", headers=OPERATOR)).status_code == 404


async def test_the_books_tell_announcements_and_corrections_apart_and_that_it_is_a_drill(
    notifications: Notifications, asked: httpx.AsyncClient
) -> None:
    marked: dict[str, Any] = {"drill": True}
    await notifications.take(declared(drill=True), customers(profile("C1"), profile("C2")))
    await notifications.take(announced("C1", "C2", **marked), adjusted("C1", **marked))
    await notifications.pool.execute(
        "UPDATE letter SET state = 'suppressed', settled_at = now() WHERE customer_id = 'C1'"
    )
    await notifications.take(adjusted("C1", which="late", **marked))
    books = await ask(asked, f"/incidents/{INCIDENT}/books")
    assert books["letters"] == {
        "announcement": {"suppressed": 1, "pending": 1},
        "details": {"suppressed": 1},
        "correction": {"pending": 1},
    }
    assert books["drill"] is True
    assert (await ask(asked, "/incidents/nobody-knows-it/books"))["drill"] is False


async def test_a_request_for_an_announcement_that_was_set_aside_is_named_by_its_customer(
    notifications: Notifications, asked: httpx.AsyncClient
) -> None:
    await notifications.take(announced("C7", remedies=[{"kind": "towel"}]))
    assert (await ask(asked, f"/incidents/{INCIDENT}/books"))["quarantined"] == ["C7"]


async def test_a_letter_is_shown_as_it_is_after_what_was_taken_back(
    notifications: Notifications, asked: httpx.AsyncClient
) -> None:
    await notifications.take(declared(), customers(profile("C1")), announced("C1"), adjusted("C1"))
    await notifications.leave(kind="announcement")
    wanted: dict[str, Any] = {"letters": ["announcement", "details"]}
    await notifications.take(reversed_("C1", reversals=[reversal()], **wanted))
    listed = await ask(asked, "/customers/C1/letters", OPERATOR)
    texts = {
        letter["kind"]: (await ask(asked, f"/letters/{letter['letter_id']}", OPERATOR))["text"] for letter in listed
    }
    assert {kind: "K-1" in text for kind, text in texts.items()} == {
        "announcement": True,
        "details": False,
        "correction": True,
    }
    await notifications.pool.execute("DELETE FROM policy")
    answer = await asked.get(f"/letters/{letter_id(INCIDENT, 'C1', 'details')}", headers=OPERATOR)
    assert answer.status_code == 409
    assert "policy" in answer.json()["detail"]
