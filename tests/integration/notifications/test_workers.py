"""Several senders, and senders that end: whose letters are whose, and what is known of those that were in hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from services.notifications.domain import letter_id
from services.notifications.journal import Journal
from tests.integration.notifications.builders import (
    INCIDENT,
    SECONDS,
    Notifications,
    adjusted,
    customers,
    declared,
    email_of,
    profile,
)
from tests.integration.scripted_relay import Relay, listening, relaying
from tests.integration.wire import until

IDS = ("C1", "C2", "C3", "C4")


async def four(notifications: Notifications) -> None:
    """Four letters that are due."""
    await notifications.take(declared(), customers(*map(profile, IDS)), adjusted(*IDS))


async def in_hand(notifications: Notifications, worker: str, hours: float = 0) -> None:
    """The letters are in the hands of a worker that took them so long ago."""
    await notifications.pool.execute(
        "UPDATE letter SET state = 'sending', claimed_by = $1, claimed_at = now() - $2::interval",
        worker,
        timedelta(hours=hours),
    )


def of(customer_id: str) -> UUID:
    return letter_id(INCIDENT, customer_id, "details")


async def test_two_senders_share_the_letters_and_send_none_twice(
    notifications: Notifications, empty_folder: Path
) -> None:
    ids = [f"C{n}" for n in range(400)]
    await notifications.take(declared(), customers(*map(profile, ids)), adjusted(*ids))
    lines = Counter[str]()
    async with (
        relaying(Relay()) as relay,
        notifications.sending(relay.port, empty_folder, "w1", at_most=10),
        notifications.sending(relay.port, empty_folder, "w2", at_most=10),
    ):
        await until(lambda: notifications.all_are("sent"))
    assert Counter(recipient for recipient, _ in relay.accepted) == dict.fromkeys(map(email_of, ids), 1)
    assert len(await notifications.told()) == 400
    for lane, total in await notifications.pool.fetch("SELECT lane, total FROM tally WHERE name = 'sent'"):
        lines[lane] += total
    assert lines["w1"] + lines["w2"] == 400
    assert min(lines["w1"], lines["w2"]) > 0


async def test_a_sender_that_comes_back_judges_by_its_journal_what_it_had_in_hand(
    notifications: Notifications, empty_folder: Path
) -> None:
    """C1 was accepted, C2 has no reply, C3 was refused and C4 never started."""
    await four(notifications)
    await in_hand(notifications, "w1")
    with Journal.open(empty_folder, "w1") as journal:
        journal.forget(())
        for customer_id in ("C1", "C2", "C3"):
            journal.started(of(customer_id))
        journal.accepted(of("C1"))
        journal.refused(of("C3"))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent", "in_doubt"))
    assert [state for *_, state in await notifications.letters()] == ["sent", "in_doubt", "sent", "sent"]
    assert sorted(recipient for recipient, _ in relay.accepted) == [email_of("C3"), email_of("C4")]
    assert Counter(await notifications.told()) == {
        ("C1", "details", "sent"): 1,
        ("C2", "details", "in_doubt"): 1,
        ("C3", "details", "sent"): 1,
        ("C4", "details", "sent"): 1,
    }


async def test_without_its_journal_all_that_it_had_in_hand_is_in_doubt(
    notifications: Notifications, empty_folder: Path
) -> None:
    await four(notifications)
    await in_hand(notifications, "w1")
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("in_doubt"))
    assert relay.accepted == []
    assert await notifications.told() == [(customer_id, "details", "in_doubt") for customer_id in IDS]


async def test_a_sender_leaves_to_another_what_that_one_has_in_hand(
    notifications: Notifications, empty_folder: Path
) -> None:
    await four(notifications)
    await in_hand(notifications, "w2")
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await notifications.take(customers(profile("C5")), adjusted("C5"))
        await until(lambda: notifications.all_are("sent", "sending"))
        await until(lambda: sent(notifications, 1))
    assert await notifications.states() == {"sending": 4, "sent": 1}


async def sent(notifications: Notifications, count: int) -> bool:
    return (await notifications.states()).get("sent") == count


async def tidied(notifications: Notifications, folder: Path) -> None:
    """One round of tidying by another worker, told to stop at once."""
    with Journal.open(folder, "w9") as journal:
        sender, mailer = notifications.sender(9, journal, "w9", abandoned_after=timedelta(hours=1))
        stop = asyncio.Event()
        tidying = asyncio.create_task(sender.tidy(stop))
        await until(lambda: notifications.all_are("in_doubt", "sending", "pending"))
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.wait_for(tidying, SECONDS)
        await mailer.close()


async def test_letters_of_a_worker_that_never_comes_back_are_in_doubt_after_the_lease(
    notifications: Notifications, empty_folder: Path
) -> None:
    await four(notifications)
    await in_hand(notifications, "w1", hours=0.9)
    await tidied(notifications, empty_folder)
    assert await notifications.states() == {"sending": 4}
    assert await notifications.told() == []
    await in_hand(notifications, "w1", hours=1.1)
    await tidied(notifications, empty_folder)
    assert await notifications.states() == {"in_doubt": 4}
    assert await notifications.told() == [(customer_id, "details", "in_doubt") for customer_id in IDS]
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await notifications.take(customers(profile("C5")), adjusted("C5"))
        await until(lambda: notifications.all_are("sent", "in_doubt"))
    assert [recipient for recipient, _ in relay.accepted] == [email_of("C5")]


async def test_a_worker_that_comes_back_after_its_lease_changes_nothing_that_is_settled(
    notifications: Notifications, empty_folder: Path
) -> None:
    """The relay is so slow that the letter was given up; its reply comes after all."""
    await four(notifications)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 slow\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                asked.set()
                await go_on.wait()
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")

    async with listening(serve) as port, notifications.sending(port, empty_folder, connections=1):
        await asyncio.wait_for(asked.wait(), SECONDS)
        await in_hand(notifications, "w1", hours=2)
        await tidied(notifications, empty_folder)
        assert await notifications.states() == {"in_doubt": 4}
        go_on.set()
        await until(lambda: journal_is_empty(empty_folder))
    assert await notifications.states() == {"in_doubt": 4}
    assert await notifications.told() == [(customer_id, "details", "in_doubt") for customer_id in IDS]


async def journal_is_empty(folder: Path) -> bool:
    return (folder / "w1.journal").stat().st_size == 17


async def test_a_graceful_stop_sees_through_what_is_in_hand(notifications: Notifications, empty_folder: Path) -> None:
    ids = [f"C{n}" for n in range(200)]
    await notifications.take(declared(), customers(*map(profile, ids)), adjusted(*ids))
    async with relaying(Relay()) as relay:
        async with notifications.sending(relay.port, empty_folder, at_most=10):
            await until(lambda: some(relay))
        states = await notifications.states()
    assert set(states) <= {"sent", "pending"}
    assert states["sent"] == len(relay.accepted)
    assert states.get("pending", 0) > 0, "it was told to stop in the middle"


async def some(relay: Relay) -> bool:
    return len(relay.accepted) > 0
