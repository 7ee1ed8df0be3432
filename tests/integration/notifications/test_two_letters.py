"""The announcement at once and the details later: from the topics to the relay, under the policy's wishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from tests.integration.notifications.builders import (
    INCIDENT,
    Notifications,
    adjusted,
    announced,
    customers,
    declared,
    email_of,
    header_of,
    profile,
    published,
    resolved,
    text_of,
)
from tests.integration.scripted_relay import Relay, relaying
from tests.integration.wire import until
from tests.unit.notifications.outcomes import extension, remedy, voucher

BOTH = ["announcement", "details"]
LETTERS: dict[str, Any] = {"letters": BOTH}
CODE = "7KQM-2XHD-94TB-WR6N-C"


async def only(notifications: Notifications, **changed: object) -> None:
    """This policy and no other."""
    await notifications.pool.execute("DELETE FROM policy")
    await notifications.take(published(**changed))


async def test_a_customer_is_told_at_once_and_then_in_detail(notifications: Notifications, empty_folder: Path) -> None:
    await only(notifications, letters=BOTH)
    await notifications.take(declared(), customers(profile("C1", locale="en")))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await notifications.take(announced("C1"))
        await until(lambda: notifications.all_are("sent"))
        await notifications.take(adjusted("C1", **LETTERS))
        await until(lambda: notifications.all_are("sent"))
    first, second = (letter for _, letter in relay.accepted)
    assert header_of(first, "Subject").startswith("Our apologies, and what we will do for you")
    assert "A second letter follows" in text_of(first)
    assert ("15 calendar days added" in text_of(first), CODE in text_of(first)) == (True, False)
    assert ("16 December 2011" in text_of(second), CODE in text_of(second)) == (True, True)
    assert await notifications.told() == [("C1", "announcement", "sent"), ("C1", "details", "sent")]
    totals = [r["totals"] for r in await notifications.reader.data(topics.PROGRESS) if r["lane"] == "p0"]
    assert totals[-1]["letters"] == 2


async def test_the_same_request_twice_is_one_announcement(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1")), announced("C1"), announced("C1") + announced("C1"))
    assert await notifications.letters("kind", "cardinality(events)") == [("announcement", 1)]
    totals = [r["totals"] for r in await notifications.reader.data(topics.PROGRESS)]
    assert totals[-1] == {"announcements": 1, "letters": 1}


async def test_announced_and_answered_in_one_moment_are_two_letters(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1"), profile("C2")))
    await notifications.take(adjusted("C1", **LETTERS), announced("C1", "C2"), adjusted("C2", **LETTERS))
    assert await notifications.letters() == [
        ("C1", "details", "pending"),
        ("C1", "announcement", "pending"),
        ("C2", "details", "pending"),
        ("C2", "announcement", "pending"),
    ]


async def test_an_amendment_is_announced_in_the_letter_that_has_not_left_and_never_in_a_second_one(
    notifications: Notifications,
) -> None:
    more: dict[str, Any] = {"remedies": [remedy("credit", "e4")], "revision": 2}
    await notifications.take(declared(), customers(profile("C1", locale="en"), profile("C2", locale="en")))
    await notifications.take(announced("C1", "C2"))
    await notifications.pool.execute("UPDATE letter SET state = 'sent', settled_at = now() WHERE customer_id = 'C2'")
    await notifications.take(announced("C1", "C2", **more), announced("C1", "C2", **more))
    assert await notifications.letters() == [("C1", "announcement", "pending"), ("C2", "announcement", "sent")]
    texts = await notifications.texts()
    assert ("€3.00" in texts["C1", "announcement"], "€3.00" in texts["C2", "announcement"]) == (True, False)


async def test_an_announcement_that_comes_after_the_details_have_left_is_not_sent(
    notifications: Notifications,
) -> None:
    await notifications.take(customers(profile("C1")), adjusted("C1", **LETTERS))
    await notifications.leave()
    await notifications.take(announced("C1"))
    assert await notifications.letters("kind", "state", "cancelled") == [
        ("details", "sent", None),
        ("announcement", "suppressed", "overtaken"),
    ]


async def test_under_a_policy_with_the_announcement_alone_nobody_gets_details(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1"), profile("C2")))
    await notifications.take(announced("C1"), adjusted("C1", "C2", letters=["announcement"]), announced("C2"))
    assert await notifications.letters() == [("C1", "announcement", "pending"), ("C2", "announcement", "pending")]
    totals = dict(await notifications.pool.fetch("SELECT name, sum(total) FROM tally GROUP BY name"))
    assert totals == {"answers": 2, "announcements": 2, "letters": 2}


async def test_answers_without_a_wish_are_details(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1")), adjusted("C1"))
    assert await notifications.letters() == [("C1", "details", "pending")]


async def test_later_additions_are_one_consolidated_letter(notifications: Notifications, empty_folder: Path) -> None:
    await notifications.take(declared(), customers(profile("C1")), adjusted("C1", outcomes=[voucher()]))
    await notifications.leave()
    later = [extension(f"K-{number}", entry_id=f"l{number}") for number in range(3)]
    for number, outcome in enumerate(later):
        await notifications.take(adjusted("C1", outcomes=[outcome], which=str(number), revision=number + 2))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent"))
    ((_, letter),) = relay.accepted
    assert all(f"K-{number}" in text_of(letter) for number in range(3))


# ── The policy ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_letter_waits_for_its_incidents_policy(notifications: Notifications, empty_folder: Path) -> None:
    await notifications.pool.execute("DELETE FROM policy")
    await notifications.take(published(policy="another@1"), declared(), customers(profile("C1")), adjusted("C1"))
    await notifications.take(declared(incident_id="known", policy="another@1"), adjusted("C1", incident_id="known"))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent", "pending"))
        await until(lambda: one_is_sent(notifications))
        await notifications.take(published())
        await until(lambda: notifications.all_are("sent"))
    assert [recipient for recipient, _ in relay.accepted] == [email_of("C1")] * 2


async def one_is_sent(notifications: Notifications) -> bool:
    return (await notifications.states()).get("sent") == 1


async def test_a_policy_stays_as_it_was_published_first(notifications: Notifications) -> None:
    await notifications.take(published(title="Another", time_zone="UTC"))
    assert await notifications.pool.fetchval("SELECT title FROM policy") == "The promise"


@pytest.mark.parametrize(
    ("time_zone", "told"), [("America/New_York", "22:30 (UTC-04:00)"), ("Mars/Olympus", "04:30–13:30 (UTC+02:00)")]
)
async def test_the_window_is_told_in_the_policys_zone(notifications: Notifications, time_zone: str, told: str) -> None:
    await only(notifications, time_zone=time_zone)
    await notifications.take(declared(), adjusted("C1"))
    assert told in (await notifications.texts())["C1", "details"]


async def test_a_letter_opens_in_the_policys_own_words(notifications: Notifications) -> None:
    await only(notifications, texts={"en": {"details": "The lights went out."}})
    await notifications.take(declared(), adjusted("C1"))
    text = (await notifications.texts())["C1", "details"]
    assert "Dear customer, The lights went out. An apology alone" in text
    assert "hit your services" not in text


async def test_further_windows_are_told_too(notifications: Notifications) -> None:
    impact = {
        "starts_at": "2011-04-29T04:30:00+02:00",
        "ends_at": None,
        "also": [{"starts_at": "2011-04-27T10:00:00+02:00", "ends_at": "2011-04-27T11:00:00+02:00"}],
    }
    await notifications.take(declared(impact=impact), adjusted("C1"), resolved(2))
    text = (await notifications.texts())["C1", "details"]
    assert "Wednesday, 27 April 2011, 10:00–11:00 (UTC+02:00); Friday, 29 April 2011, 04:30–17:45" in text


async def test_a_request_that_cannot_be_read_is_set_aside(notifications: Notifications) -> None:
    await notifications.take(announced("C1", remedies=[{"kind": "towel"}]), published(time_zone=7))
    aside = await notifications.pool.fetch("SELECT topic FROM quarantine ORDER BY topic")
    assert [row[0] for row in aside] == [topics.ANNOUNCEMENTS, topics.POLICIES]
    assert INCIDENT not in str(await notifications.letters("incident_id"))
