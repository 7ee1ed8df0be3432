"""Statements in any order: what is in force, what a retraction stops at once, and what a statement after it frees."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.notifications.metrics import LetterMetrics
from services.notifications.retractions import Retractions
from tests.integration.notifications.builders import (
    INCIDENT,
    SECONDS,
    Notifications,
    adjusted,
    amended,
    announced,
    customers,
    declared,
    email_of,
    profile,
    resolved,
    retracted,
    reversed_,
    text_of,
)
from tests.integration.scripted_relay import Relay, relaying
from tests.integration.wire import Arrived, until
from tests.unit.notifications.outcomes import reversal, voucher

Row = tuple[Any, ...]
BACK = [reversal(), reversal("voucher", "e3")]


async def in_force(notifications: Notifications) -> Row | None:
    row = await notifications.pool.fetchrow(
        "SELECT revision, title, ends_at, retracted_since FROM incident WHERE incident_id = $1", INCIDENT
    )
    return row and tuple(row)


# ── What is in force ─────────────────────────────────────────────────────────────────────────────────────────────


def life() -> list[Arrived]:
    """Declared, ended, taken back, reopened."""
    return [
        *declared(),
        *resolved(2),
        *retracted(3),
        *amended(4, title="Reopened", impact={"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": None}),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
async def test_statements_in_any_order_and_again_come_to_the_same(
    notifications: Notifications, order: tuple[int, ...]
) -> None:
    said = life()
    for number in (*order, *order):
        await notifications.take([said[number]])
    assert await in_force(notifications) == (4, "Reopened", None, None)


async def test_a_revision_that_comes_early_is_held(notifications: Notifications) -> None:
    await notifications.take(retracted(3), amended(2, title="Wider"))
    assert await in_force(notifications) is None
    await notifications.take(declared())
    assert await in_force(notifications) == (3, "Wider", "2011-04-29T13:30:00+02:00", 3)


async def test_a_retraction_that_is_said_twice_dates_from_the_first(notifications: Notifications) -> None:
    await notifications.take(declared(), retracted(2), retracted(3))
    assert (await in_force(notifications) or ())[3] == 2


async def test_an_impossible_revision_is_ignored_and_another_one_may_take_its_place(
    notifications: Notifications,
) -> None:
    await notifications.take(declared(), amended(2, policy="another@1"))
    assert (await in_force(notifications) or ())[0] == 1
    await notifications.take(amended(2, title="Possible"))
    assert (await in_force(notifications) or ())[:2] == (2, "Possible")


# ── What a retraction stops ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def many(notifications: Notifications) -> Notifications:
    """Seven letters that could leave, and one that waits for a profile."""
    ids = [f"C{number}" for number in range(8)]
    await notifications.take(declared(), customers(*map(profile, ids[:7])), adjusted(*ids))
    return notifications


async def test_after_a_retraction_no_letter_leaves_and_all_are_cancelled_some_at_a_time(
    many: Notifications, empty_folder: Path
) -> None:
    async with relaying(Relay()) as relay:
        await many.take(retracted(2))
        async with many.sending(relay.port, empty_folder):
            await asyncio.sleep(1.2)
            assert await many.states() == {"pending": 7, "waiting": 1}, "not claimed, though nobody cancelled it yet"
            await many.see_to_retractions(at_most=3)
            assert await many.states() == {"suppressed": 8}
            await many.take(adjusted("C9"))
            await many.take(customers(profile("C9")))
            await asyncio.sleep(0.3)
    assert relay.accepted == []
    assert set(await many.letters("state", "cancelled")) == {("suppressed", "retracted")}
    assert len(await many.told()) == 9
    assert {note for (note,) in await many.letters("note")} == {"the incident was retracted before the letter left"}


async def test_the_service_sees_to_it_by_itself_and_counts(many: Notifications) -> None:
    registry = CollectorRegistry()
    stop = asyncio.Event()
    running = asyncio.create_task(Retractions(many.workbench, LetterMetrics(registry), at_most=3).run(stop))
    await many.take(retracted(2))
    await until(lambda: many.all_are("suppressed"))
    stop.set()
    await asyncio.wait_for(running, SECONDS)
    assert registry.get_sample_value("amends_letters_cancelled_total", {"kind": "details"}) == 8


async def test_other_incidents_letters_leave(many: Notifications, empty_folder: Path) -> None:
    await many.take(declared(incident_id="another"), adjusted("C1", incident_id="another"), retracted(2))
    await many.see_to_retractions()
    async with relaying(Relay()) as relay, many.sending(relay.port, empty_folder):
        await until(lambda: many.all_are("sent", "suppressed"))
    assert [recipient for recipient, _ in relay.accepted] == [email_of("C1")]


async def test_who_was_told_gets_a_correction_and_who_was_not_gets_nothing(many: Notifications) -> None:
    await many.pool.execute("UPDATE letter SET state = 'sent', settled_at = now() WHERE customer_id = 'C0'")
    await many.take(retracted(2))
    await many.see_to_retractions()
    await many.take(reversed_(*[f"C{n}" for n in range(8)], reversals=BACK))
    assert await many.letters("customer_id", "kind", "state") == [
        ("C0", "details", "sent"),
        ("C0", "correction", "pending"),
        *[(f"C{number}", "details", "suppressed") for number in range(1, 8)],
    ]


@pytest.mark.parametrize("retraction_first", [True, False])
async def test_what_was_announced_and_is_honoured_is_told_in_detail_after_a_retraction(
    notifications: Notifications, retraction_first: bool
) -> None:
    await notifications.take(declared(), customers(profile("C1")), announced("C1"))
    await notifications.leave()
    honoured = [reversal(reason="honoured"), reversal("voucher", "e3", "honoured")]
    news = [adjusted("C1"), reversed_("C1", reversals=honoured)]
    for batch in [retracted(2), *news] if retraction_first else [*news, retracted(2)]:
        await notifications.take(batch)
        await notifications.see_to_retractions()
    assert await notifications.letters() == [("C1", "details", "pending"), ("C1", "announcement", "sent")]


# ── A correction that has not left when the rest is taken back too ───────────────────────────────────────────────


async def corrected(notifications: Notifications, reversals: list[dict[str, Any]], where: str) -> Notifications:
    """One customer who was told of two remedies, and a correction about what a narrower revision took of them."""
    await notifications.take(declared(), customers(profile("C1", locale="en")), adjusted("C1"))
    await notifications.leave()
    await notifications.take(amended(2, scope={"sites": ["elsewhere"]}))
    await notifications.take(*([retracted(3)] if where == "first" else []), reversed_("C1", reversals=reversals))
    if where == "last":
        await notifications.take(retracted(3))
    return notifications


@pytest.mark.parametrize("where", ["first", "last"])
async def test_a_correction_leaves_after_a_retraction_that_has_nothing_more_to_take(
    notifications: Notifications, empty_folder: Path, where: str
) -> None:
    it = await corrected(notifications, BACK, where)
    await it.see_to_retractions()
    async with relaying(Relay()) as relay, it.sending(relay.port, empty_folder):
        await until(lambda: it.all_are("sent"))
    ((_, letter),) = relay.accepted
    assert "end date again: 1 December 2011" in text_of(letter)
    assert "is no longer valid" in text_of(letter)
    assert await it.told() == [("C1", "correction", "sent")], "it was never cancelled in between"


@pytest.mark.parametrize("where", ["first", "last"])
async def test_a_correction_waits_for_what_the_retraction_takes_and_tells_it_too(
    notifications: Notifications, empty_folder: Path, where: str
) -> None:
    it = await corrected(notifications, BACK[:1], where)
    async with relaying(Relay()) as relay, it.sending(relay.port, empty_folder):
        await it.see_to_retractions()
        await asyncio.sleep(0.3)
        assert await it.letters("kind", "state") == [("details", "sent"), ("correction", "suppressed")]
        await it.take(reversed_("C1", reversals=BACK[1:], revision=3))
        await until(lambda: it.all_are("sent"))
    ((_, letter),) = relay.accepted
    assert "end date again: 1 December 2011" in text_of(letter)
    assert "is no longer valid" in text_of(letter)


async def test_a_correction_waits_for_a_second_retraction_as_for_the_first(notifications: Notifications) -> None:
    """It may leave under the first; the incident is reopened, something is given, and it is taken back again."""
    it = await corrected(notifications, BACK, "last")
    await it.see_to_retractions()
    await it.take(amended(4), adjusted("C1", outcomes=[voucher(entry_id="e5", code="NEW")], which="again", revision=4))
    await it.take(retracted(5))
    await it.see_to_retractions()
    assert await it.letters("kind", "state") == [("details", "sent"), ("correction", "suppressed")]
    await it.take(reversed_("C1", reversals=[reversal("voucher", "e5")], revision=5))
    assert await it.letters("kind", "state") == [("details", "sent"), ("correction", "pending")]
    assert "NEW" not in (await it.texts())["C1", "correction"]


# ── What a statement after it frees ──────────────────────────────────────────────────────────────────────────────


async def test_a_reopened_incident_frees_what_the_retraction_stopped(many: Notifications, empty_folder: Path) -> None:
    await many.take(reversed_("C0", reversals=BACK), retracted(2))
    await many.see_to_retractions(at_most=3)
    await many.take(amended(3))
    await many.see_to_retractions(at_most=3)
    states = dict(await many.letters("customer_id", "state"))
    assert states == {"C0": "suppressed", "C7": "waiting", **{f"C{n}": "pending" for n in range(1, 7)}}
    async with relaying(Relay()) as relay, many.sending(relay.port, empty_folder):
        await until(lambda: many.all_are("sent", "suppressed", "waiting"))
    assert len(relay.accepted) == 6
    totals = dict(await many.pool.fetch("SELECT name, sum(total) FROM tally GROUP BY name"))
    assert totals["letters"] == totals["suppressed"] + totals["sent"] + 1, "one waits"


async def test_news_of_the_reopening_leaves_though_the_retraction_is_all_that_is_known_yet(
    notifications: Notifications,
) -> None:
    await notifications.take(declared(), retracted(2), customers(profile("C1"), profile("C2")))
    await notifications.take(adjusted("C1"), adjusted("C2", outcomes=[voucher()], revision=3))
    assert await notifications.letters() == [("C1", "details", "suppressed"), ("C2", "details", "pending")]
