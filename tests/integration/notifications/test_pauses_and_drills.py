"""A paused incident's letters wait; a drill's are written like any other and reach no relay."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from tests.integration.notifications.builders import (
    INCIDENT,
    METRICS,
    Notifications,
    adjusted,
    announced,
    customers,
    declared,
    email_of,
    ordered,
    profile,
    reversed_,
)
from tests.integration.scripted_relay import Relay, relaying
from tests.integration.wire import arrived, events, until
from tests.unit.notifications.outcomes import extension, reversal

EARLY, LATE = "2011-05-13T10:00:00+02:00", "2011-05-13T08:00:01+00:00"


async def is_paused(notifications: Notifications) -> bool:
    return bool(await notifications.pool.fetchval("SELECT paused FROM pause WHERE incident_id = $1", INCIDENT))


# ── Pauses ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_letter_of_a_paused_incident_leaves_until_it_is_resumed(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(ordered("paused", EARLY), declared(), declared(incident_id="another"))
    await notifications.take(customers(profile("C1"), profile("C2")))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await notifications.take(adjusted("C1"), announced("C1"), adjusted("C2", incident_id="another"))
        await until(lambda: sent(notifications, 1))
        await asyncio.sleep(0.3)
        assert [recipient for recipient, _ in relay.accepted] == [email_of("C2")]
        await notifications.take(ordered("resumed", LATE))
        await until(lambda: notifications.all_are("sent"))
    assert len(relay.accepted) == 3


async def sent(notifications: Notifications, count: int) -> bool:
    return (await notifications.states()).get("sent") == count


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_later_order_counts_whatever_came_first(notifications: Notifications, order: tuple[int, ...]) -> None:
    orders = [ordered("paused", EARLY), ordered("resumed", LATE), ordered("paused", "2011-05-13T09:00:00+01:00")]
    for number in (*order, *order):
        await notifications.take(orders[number])
    assert not await is_paused(notifications)


@pytest.mark.parametrize("pause_first", [True, False])
async def test_of_two_orders_at_one_instant_the_higher_id_counts(
    notifications: Notifications, pause_first: bool
) -> None:
    orders = [ordered("paused", EARLY, "b"), ordered("resumed", "2011-05-13T08:00:00+00:00", "a")]
    for order in orders if pause_first else orders[::-1]:
        await notifications.take(order)
    assert await is_paused(notifications)


async def test_an_approval_is_none_of_our_business(notifications: Notifications) -> None:
    approval = {
        "incident_id": INCIDENT,
        "plan": "0" * 64,
        "approved_by": "cfo",
        "approved_at": EARLY,
    }
    await notifications.take(arrived(topics.INCIDENTS, events("incident.approved.v1", (INCIDENT, "yes", approval))))
    assert await notifications.pool.fetchval("SELECT count(*) FROM quarantine") == 0


# ── Drills ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_drills_letters_are_written_and_settled_and_reach_no_relay(
    notifications: Notifications, empty_folder: Path
) -> None:
    labels = {"kind": "details", "status": "suppressed", "drill": "true"}
    counted = METRICS._settled.labels(*labels.values())._value.get()
    await notifications.take(declared(drill=True), customers(profile("C1"), profile("C2", email=None)))
    await notifications.take(announced("C1", drill=True), adjusted("C1", "C2", drill=True))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("suppressed", "no_address"))
    assert relay.accepted == []
    assert relay.connections == 0
    assert await notifications.letters("customer_id", "kind", "state", "drill", "cancelled", "note", "attempts") == [
        ("C1", "details", "suppressed", True, None, "drill", 1),
        ("C1", "announcement", "suppressed", True, None, "drill", 1),
        ("C2", "details", "no_address", True, None, None, 0),
    ]
    assert {event["drill"] for event in await notifications.reader.data(topics.LETTERS)} == {True}
    assert {event["drill"] for event in await notifications.reader.data(topics.PROGRESS)} == {True}
    assert METRICS._settled.labels(*labels.values())._value.get() == counted + 1
    assert "[DRILL]" in (await notifications.texts())["C1", "details"]


@pytest.mark.parametrize("marked", ["the incident", "the answer"])
async def test_one_mark_of_a_drill_is_enough_to_keep_a_letter_from_the_relay(
    notifications: Notifications, empty_folder: Path, marked: str
) -> None:
    await notifications.take(declared(drill=marked == "the incident"), customers(profile("C1")))
    await notifications.take(adjusted("C1", **({"drill": True} if marked == "the answer" else {})))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("suppressed"))
    assert relay.accepted == []
    assert await notifications.letters("drill") == [(True,)]


async def test_a_drill_goes_the_way_that_it_would_go_in_earnest(
    notifications: Notifications, empty_folder: Path
) -> None:
    """What was told in a drill counts as told: additions and withdrawals make corrections."""
    marked: dict[str, Any] = {"drill": True}
    await notifications.take(declared(drill=True), customers(profile("C1")), adjusted("C1", **marked))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("suppressed"))
        await notifications.take(adjusted("C1", outcomes=[extension("K-8", entry_id="e8")], which="late", **marked))
        await until(lambda: settled(notifications, 2))
        await notifications.take(reversed_("C1", reversals=[reversal()], **marked))
        await until(lambda: settled(notifications, 3))
    assert sorted(await notifications.letters("kind", "note")) == [
        ("correction", "drill"),
        ("correction", "drill"),
        ("details", "drill"),
    ]
    assert relay.accepted == []


async def settled(notifications: Notifications, count: int) -> bool:
    return await notifications.states() == {"suppressed": count}


async def test_a_drills_letters_in_the_hands_of_a_dead_worker_are_in_no_doubt(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(drill=True), customers(profile("C1")), adjusted("C1", drill=True))
    await notifications.leave("sending")  # and no journal is left
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("suppressed"))
    assert await notifications.letters("note") == [("drill",)]
