"""Profiles and incidents as the topics tell them: who can be written to, who is forgotten, what a letter is about."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.notifications.handlers import address_waiting
from tests.integration.notifications.builders import (
    INCIDENT,
    METRICS,
    Notifications,
    adjusted,
    amended,
    customers,
    declared,
    email_of,
    erased,
    profile,
    resolved,
    text_of,
)
from tests.integration.scripted_relay import Relay, relaying
from tests.integration.wire import until


async def profiles(notifications: Notifications) -> list[tuple[Any, ...]]:
    rows = await notifications.pool.fetch("SELECT customer_id, name, email, locale FROM recipient ORDER BY 1")
    return [tuple(row) for row in rows]


# ── Profiles ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_last_telling_of_a_profile_stays(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1"), profile("C2"), profile("C1", name="Anna")))
    await notifications.take(customers(profile("C2", email=None, locale=None)))
    assert await profiles(notifications) == [
        ("C1", "Anna", email_of("C1"), "it-IT"),
        ("C2", "Name-of C2", None, None),
    ]


async def test_a_letter_that_waits_goes_when_the_profile_comes(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(), adjusted("C1", "C2"))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await notifications.take(customers(profile("C1")))
        await until(lambda: notifications.all_are("sent", "waiting"))
    assert await notifications.letters() == [("C1", "details", "sent"), ("C2", "details", "waiting")]
    assert [recipient for recipient, _ in relay.accepted] == [email_of("C1")]


async def test_a_letter_that_waits_is_settled_when_the_profile_has_no_address(notifications: Notifications) -> None:
    await notifications.take(adjusted("C1"), customers(profile("C1", email="nowhere")))
    assert await notifications.letters() == [("C1", "details", "no_address")]
    assert await notifications.told() == [("C1", "details", "no_address")]


async def test_a_letter_whose_profile_came_at_the_same_moment_does_not_wait_for_ever(
    notifications: Notifications,
) -> None:
    await notifications.take(adjusted("C1", "C2", "C3"))
    for customer_id, email in (("C1", email_of("C1")), ("C2", None)):
        await notifications.pool.execute(
            "INSERT INTO recipient (customer_id, email) VALUES ($1, $2)", customer_id, email
        )
    await notifications.workbench.run(partial(address_waiting, metrics=METRICS))
    assert [state for *_, state in await notifications.letters()] == ["pending", "no_address", "waiting"]
    assert await notifications.told() == [("C2", "details", "no_address")]


async def test_a_pending_letter_goes_to_the_address_as_it_is_when_it_leaves(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(), customers(profile("C1"), profile("C2")), adjusted("C1", "C2"))
    await notifications.take(customers(profile("C1", email="new@example.it"), profile("C2", email="nowhere")))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent", "no_address"))
    assert [recipient for recipient, _ in relay.accepted] == ["new@example.it"]
    assert await notifications.told() == [("C1", "details", "sent"), ("C2", "details", "no_address")]


# ── Erasure ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_customer_who_is_forgotten_gets_no_letter_any_more(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(), customers(profile("C1"), profile("C3")), adjusted("C1", "C2", "C3"))
    await notifications.take(erased("C1", "C2", "C4"))
    assert [state for *_, state in await notifications.letters()] == ["no_address", "no_address", "pending"]
    assert await notifications.told() == [("C1", "details", "no_address"), ("C2", "details", "no_address")]
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent", "no_address"))
    assert [recipient for recipient, _ in relay.accepted] == [email_of("C3")]


async def test_nothing_in_the_database_names_a_customer_who_is_forgotten(
    notifications: Notifications, empty_folder: Path
) -> None:
    """Not even the relay's reply, which likes to repeat the address that it refuses."""
    await notifications.take(declared(), customers(profile("C1"), profile("C2")), adjusted("C1", "C2"))
    refusing = Relay(lambda verb, argument: f"550 5.1.1 {argument}: who is that?" if verb == "RCPT" else None)
    async with relaying(refusing) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("failed"))
    assert email_of("C1") in await everything(notifications)
    await notifications.take(erased("C1"))
    left = await everything(notifications)
    assert email_of("C1") not in left
    assert "Name-of C1" not in left
    assert email_of("C2") in left
    assert await notifications.letters() == [("C1", "details", "failed"), ("C2", "details", "failed")]


async def everything(notifications: Notifications) -> str:
    """All rows of all tables, as text."""
    tables = await notifications.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [await notifications.pool.fetch(f"SELECT t::text FROM {table} AS t") for (table,) in tables]
    return "\n".join(text for found in rows for (text,) in found)


async def test_a_profile_told_after_the_erasure_in_the_same_batch_counts(notifications: Notifications) -> None:
    await notifications.take(customers(profile("C1")), erased("C1") + customers(profile("C1", name="Back")))
    assert await profiles(notifications) == [("C1", "Back", email_of("C1"), "it-IT")]
    await notifications.take(customers(profile("C1")) + erased("C1"))
    assert await profiles(notifications) == [("C1", None, None, None)]


# ── Incidents ────────────────────────────────────────────────────────────────────────────────────────────────────


async def titles(notifications: Notifications) -> list[tuple[Any, ...]]:
    rows = await notifications.pool.fetch("SELECT incident_id, revision, title FROM incident ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_the_first_telling_of_a_revision_stays(notifications: Notifications) -> None:
    await notifications.take(declared(title="First"), declared(title="Second"))
    assert await titles(notifications) == [(INCIDENT, 1, "First")]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_the_higher_revision_stays_whatever_the_order(
    notifications: Notifications, order: tuple[int, int]
) -> None:
    told = {1: declared(title="Revision 1"), 2: amended(2, title="Revision 2")}
    await notifications.take(*[told[number] for number in order])
    assert await titles(notifications) == [(INCIDENT, 2, "Revision 2")]


async def sent(notifications: Notifications, count: int) -> bool:
    return (await notifications.states()).get("sent") == count


async def test_a_letter_waits_for_the_incident_that_it_is_about(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(incident_id="known"), customers(profile("C1")))
    await notifications.take(adjusted("C1"), adjusted("C1", incident_id="known"))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: sent(notifications, 1))
        await notifications.take(declared(title="Come late"))
        await until(lambda: notifications.all_are("sent"))
    assert len(relay.accepted) == 2
    assert "Come late" in text_of(relay.accepted[1][1])


async def test_letters_after_the_end_is_known_tell_it(notifications: Notifications, empty_folder: Path) -> None:
    """The sender keeps what it has made of an incident, and must see that it has changed."""
    still = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None}
    await notifications.take(declared(impact=still), customers(profile("C1", locale="en"), profile("C2", locale="en")))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await notifications.take(adjusted("C1"))
        await until(lambda: notifications.all_are("sent"))
        await notifications.take(resolved(2), adjusted("C2"))
        await until(lambda: notifications.all_are("sent"))
    before, after = (text_of(letter) for _, letter in relay.accepted)
    assert ("17:45" in before, "17:45" in after) == (False, True)
