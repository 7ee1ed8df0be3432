"""A worker that dies between any two steps, and another that comes after: as if nothing had happened."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.notifications.journal import Journal
from services.runtime.work import Transaction, Workbench
from tests.integration.mortal import Death, Mortal
from tests.integration.notifications.builders import (
    INCIDENT,
    ROUTES,
    SECONDS,
    Notifications,
    adjusted,
    customers,
    declared,
    email_of,
    erased,
    profile,
)
from tests.integration.scripted_relay import Relay, relaying
from tests.integration.wire import Arrived, ids, take_in, until

HERE, NOWHERE, UNKNOWN = "C1", "C2", "C3"
T = TypeVar("T")


async def died(notifications: Notifications, batch: list[Arrived], dies_before: int) -> bool:
    """Take in a batch with a worker that dies before that step; whether it came to that."""
    try:
        await take_in(Mortal(dies_before).workbench(notifications.workbench), ROUTES[batch[0].topic], batch)
    except Death:
        return True
    return False


async def empty(notifications: Notifications) -> None:
    await notifications.pool.execute("TRUNCATE letter, recipient, tally, outbox")


async def test_a_death_among_adjustments_loses_no_letter_and_makes_none_twice(notifications: Notifications) -> None:
    """Each batch is read again, as after a crash: the position moves in the same transaction."""
    batch = adjusted(HERE, NOWHERE, UNKNOWN) + adjusted(HERE, which="more")
    late = adjusted(HERE, NOWHERE, which="late")
    at = 0
    while True:
        await empty(notifications)
        await notifications.take(customers(profile(HERE), profile(NOWHERE, email=None)))
        has_died = await died(notifications, batch, at)
        await notifications.workbench.relay.flush()
        await notifications.take(batch)
        await notifications.pool.execute("UPDATE letter SET state = 'sent', settled_at = now() WHERE state = 'pending'")
        has_died = await died(notifications, late, at) or has_died
        await notifications.workbench.relay.flush()
        await notifications.take(late)
        assert await notifications.letters("customer_id", "kind", "state", "cardinality(events)") == [
            (HERE, "details", "sent", 2),
            (HERE, "correction", "pending", 1),
            (NOWHERE, "details", "no_address", 2),
            (UNKNOWN, "details", "waiting", 1),
        ], f"after a death before step {at}"
        totals = await notifications.pool.fetch("SELECT name, total FROM tally WHERE subject = $1", INCIDENT)
        assert dict(totals) == {"answers": 6, "letters": 4, "no_address": 1}
        if not has_died:
            break
        at += 1
    assert at >= 8, "a batch has that many steps at least: read, write, count, ring, tell, commit, publish, mark"
    records = await notifications.reader.records(topics.LETTERS)
    assert len(set(ids(records))) == 1, "the same letter's end is the same event, however often it is told"


async def test_a_death_among_profiles_settles_every_letter_once(notifications: Notifications) -> None:
    batch = customers(profile(HERE), profile(NOWHERE, email=None)) + erased(UNKNOWN)
    at = 0
    while True:
        await empty(notifications)
        await notifications.take(adjusted(HERE, NOWHERE, UNKNOWN))
        has_died = await died(notifications, batch, at)
        await notifications.workbench.relay.flush()
        await notifications.take(batch)
        states = [state for *_, state in await notifications.letters()]
        assert states == ["pending", "no_address", "no_address"], f"after a death before step {at}"
        assert await notifications.pool.fetchval("SELECT total FROM tally WHERE name = 'no_address'") == 2
        if not has_died:
            break
        at += 1
    assert at >= 8
    assert len(set(ids(await notifications.reader.records(topics.LETTERS)))) == 2


async def test_a_sender_that_dies_between_any_two_steps_sends_no_letter_twice(
    notifications: Notifications, tmp_path: Path
) -> None:
    """One that dies while a letter is on the wire leaves it in doubt, and no other."""
    addressed = (HERE, "C4", "C5")
    at = 0
    while True:
        await empty(notifications)
        await notifications.take(declared(), customers(*map(profile, addressed)), adjusted(*addressed))
        async with relaying(Relay()) as relay:
            has_died = await sender_died(notifications, relay.port, tmp_path / str(at), at)
            await notifications.workbench.relay.flush()
            async with notifications.sending(relay.port, tmp_path / str(at)):
                await until(lambda: notifications.all_are("sent", "in_doubt"))
        received = Counter(recipient for recipient, _ in relay.accepted)
        assert set(received.values()) == {1}, f"after a death before step {at}"
        sent = {email_of(c) for c, _, state in await notifications.letters() if state == "sent"}
        assert sent <= set(received), f"after a death before step {at}"
        assert len(sent) >= len(addressed) - 1
        counted = await notifications.pool.fetch("SELECT name, sum(total)::int FROM tally GROUP BY name")
        assert dict(counted).get("sent") == len(sent)
        if not has_died:
            break
        at += 1
    assert at >= 12, "it recovers, claims, commits, sends, settles, commits, publishes and marks"
    told = {(dict(r.headers)["ce_id"], r.value) for r in await notifications.reader.records(topics.LETTERS)}
    assert len(told) == len({event_id for event_id, _ in told}), "an event that is told again is the same"


async def sender_died(notifications: Notifications, port: int, folder: Path, dies_before: int) -> bool:
    """Let a sender send until it dies before that step, or has sent all; whether it came to that."""
    stop = asyncio.Event()
    with Journal.open(folder, "w1") as journal:
        sender, mailer = notifications.sender(port, journal, mortal=Mortal(dies_before), connections=1)
        async with mailer:
            running = asyncio.create_task(sender.run(stop))
            try:
                await until(lambda: ended_or_sent(notifications, running))
            finally:
                stop.set()
            try:
                await asyncio.wait_for(running, SECONDS)
            except Death:
                return True
    return False


async def ended_or_sent(notifications: Notifications, running: asyncio.Task[None]) -> bool:
    return running.done() or await notifications.all_are("sent")


class _Failing(Workbench):
    """A workbench whose database goes away for one piece of work: the settling of the first letters."""

    failed = False

    async def run(self, work: Callable[[Transaction], Awaitable[T]], *, cluster: str = "") -> T:
        """The work, unless it is the one that fails."""
        if getattr(getattr(work, "func", None), "__name__", "") == "_record" and not self.failed:
            self.failed = True
            raise ConnectionResetError("the database has gone away")
        return await super().run(work, cluster=cluster)


async def test_letters_on_the_wire_are_seen_through_when_their_settling_fails(
    notifications: Notifications, foundation: Stack, tmp_path: Path
) -> None:
    """The relay is well: a database that goes away puts no letter in doubt."""
    many = [f"C{number}" for number in range(600)]
    await notifications.take(declared(), customers(*map(profile, many)), adjusted(*many))
    bench = notifications.workbench
    failing = _Failing(bench.pool, bench.relay, bench.metrics, seconds=SECONDS)
    port = int(foundation.smtp.rpartition(":")[2])
    with Journal.open(tmp_path, "w1") as journal:
        sender, mailer = notifications.sender(port, journal, at_most=100)
        sender._workbench = failing
        async with mailer:
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(sender.run(asyncio.Event()), SECONDS)
    async with notifications.sending(port, tmp_path):
        await until(lambda: notifications.all_are("sent", "in_doubt"))
    assert Counter(state for _, _, state in await notifications.letters()) == {"sent": len(many)}
