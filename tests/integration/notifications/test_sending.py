"""The sender against a relay that does what the test says: each letter is sent exactly once, or it is known why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.notifications.domain import letter_id
from tests.integration.notifications.builders import (
    HEAD,
    INCIDENT,
    Notifications,
    adjusted,
    customers,
    declared,
    email_of,
    header_of,
    profile,
    text_of,
)
from tests.integration.scripted_relay import Answer, Relay, Verb, relaying
from tests.integration.wire import until
from tests.unit.notifications.outcomes import extension, voucher

Script = Callable[[Verb, str], Answer | None]


@pytest.fixture
async def three(notifications: Notifications) -> Notifications:
    """Three letters that are due: to C1, C2 and C3."""
    ids = ("C1", "C2", "C3")
    await notifications.take(declared(), customers(*map(profile, ids)), adjusted(*ids))
    return notifications


def to(customer_id: str, at: Verb, answer: Answer, times: int = 1_000) -> Script:
    """A relay that answers so at this step of this customer's letter, so many times, and as usual otherwise."""
    left = times

    def script(verb: Verb, argument: str) -> Answer | None:
        nonlocal left
        if verb != at or email_of(customer_id) not in argument or not left:
            return None
        left -= 1
        return answer

    return script


def received(relay: Relay) -> list[str]:
    return sorted(recipient for recipient, _ in relay.accepted)


# ── Taken ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_letter_reaches_the_mail_sink_once_and_is_settled(
    notifications: Notifications, foundation: Stack, empty_folder: Path
) -> None:
    ids = [f"M{n:03}" for n in range(300)]
    already = foundation.mailbox.read_bytes().count(b"\nX-Envelope-To: ")
    await notifications.take(declared(), customers(*map(profile, ids)), adjusted(*ids))
    port = int(foundation.smtp.rpartition(":")[2])
    async with notifications.sending(port, empty_folder, at_most=40, connections=3):
        await until(lambda: notifications.all_are("sent"))
    found = foundation.mailbox.read_text().splitlines()
    to_whom = Counter(line.removeprefix("X-Envelope-To: ") for line in found if line.startswith("X-Envelope-To: "))
    assert {email: to_whom[f"<{email}>"] or to_whom[email] for email in map(email_of, ids)} == dict.fromkeys(
        map(email_of, ids), 1
    )
    assert foundation.mailbox.read_bytes().count(b"\nX-Envelope-To: ") == already + len(ids)
    assert await notifications.told() == [(customer_id, "details", "sent") for customer_id in ids]
    notes = {note for (note,) in await notifications.letters("note")}
    assert notes == {"250 2.0.0 OK"}


async def test_a_letter_says_only_what_billing_applied_and_who_wrote_it(
    three: Notifications, empty_folder: Path
) -> None:
    async with relaying(Relay()) as relay, three.sending(relay.port, empty_folder):
        await until(lambda: three.all_are("sent"))
    for recipient, letter in relay.accepted:
        customer_id = recipient.partition("@")[0].upper()
        assert header_of(letter, "To") == recipient
        assert header_of(letter, "From") == HEAD.sender
        assert header_of(letter, "Auto-Submitted") == "auto-generated"
        assert f"Name-of {customer_id}" in text_of(letter)
        assert "K-1" in text_of(letter)


async def test_a_letters_message_id_is_its_own_in_every_attempt(three: Notifications, empty_folder: Path) -> None:
    script = to("C2", "message", "451 later", times=1)
    async with relaying(Relay(script)) as relay, three.sending(relay.port, empty_folder):
        await until(lambda: three.all_are("sent", "pending"))
        await until(lambda: tried(three, 1))
        await three.hurry()
        await until(lambda: three.all_are("sent"))
    seen = sorted(header_of(letter, "Message-ID") for _, letter in relay.accepted)
    expected = [f"<{letter_id(INCIDENT, customer, 'details')}@{HEAD.domain}>" for customer in ("C1", "C2", "C3")]
    assert seen == sorted(expected)


async def tried(notifications: Notifications, times: int) -> bool:
    return all(attempts >= times for (attempts,) in await notifications.letters("attempts"))


async def test_a_sender_that_comes_back_sends_nothing_again(three: Notifications, empty_folder: Path) -> None:
    async with relaying(Relay()) as relay:
        for _ in range(3):
            async with three.sending(relay.port, empty_folder):
                await until(lambda: three.all_are("sent"))
    assert received(relay) == sorted(map(email_of, ("C1", "C2", "C3")))
    assert len(await three.told()) == 3


async def test_letters_about_many_incidents_are_all_written(notifications: Notifications, empty_folder: Path) -> None:
    """More than the sender keeps ready at once, all in one claim."""
    incidents = [f"incident-{n:03}" for n in range(90)]
    for incident_id in incidents:
        await notifications.take(declared(incident_id=incident_id, title=f"Story of {incident_id}"))
    await notifications.take(customers(profile("C1")))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        for share in (incidents[:60], incidents):
            await notifications.take([one for i in share for one in adjusted("C1", incident_id=i)])
            await until(lambda: notifications.all_are("sent"))
    texts = [text_of(letter) for _, letter in relay.accepted]
    assert len(texts) == 90
    assert all(any(f"Story of {incident_id}" in text for text in texts) for incident_id in incidents)


# ── Refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("at", ["RCPT", "message"])
async def test_a_refusal_for_now_is_tried_again_later(three: Notifications, empty_folder: Path, at: Verb) -> None:
    due = "SELECT due_at FROM letter WHERE customer_id = 'C2'"
    before = await three.pool.fetchval(due)
    script = to("C2", at, "451 4.7.1 greylisted", times=1)
    async with relaying(Relay(script)) as relay, three.sending(relay.port, empty_folder):
        await until(lambda: tried(three, 1))
        assert [state for *_, state in await three.letters()] == ["sent", "pending", "sent"]
        assert (await three.letters("attempts", "note"))[1] == (1, "451 4.7.1 greylisted")
        assert (await three.pool.fetchval(due) - before).total_seconds() >= 5
        assert await three.told() == [("C1", "details", "sent"), ("C3", "details", "sent")]
        await three.hurry()
        await until(lambda: three.all_are("sent"))
    assert received(relay) == sorted(map(email_of, ("C1", "C2", "C3")))
    assert (await three.letters("attempts"))[1] == (2,)


async def test_refused_for_now_too_often_it_fails(three: Notifications, empty_folder: Path) -> None:
    await three.pool.execute("UPDATE letter SET attempts = 9 WHERE customer_id = 'C2'")
    script = to("C2", "message", "451 4.7.1 greylisted")
    async with relaying(Relay(script)) as relay, three.sending(relay.port, empty_folder):
        await until(lambda: three.all_are("sent", "failed"))
    assert (await three.letters("state", "note"))[1] == ("failed", "gave up after 10 attempts: 451 4.7.1 greylisted")
    assert ("C2", "details", "failed") in await three.told()


@pytest.mark.parametrize("at", ["RCPT", "message"])
async def test_a_refusal_for_good_fails_and_the_reply_is_kept(
    three: Notifications, empty_folder: Path, at: Verb
) -> None:
    async with relaying(Relay(to("C2", at, "550 5.1.1 no such user"))) as relay:
        async with three.sending(relay.port, empty_folder):
            await until(lambda: three.all_are("sent", "failed"))
        assert (await three.letters("state", "note", "attempts"))[1] == ("failed", "550 5.1.1 no such user", 1)
    assert received(relay) == sorted(map(email_of, ("C1", "C3")))
    assert ("C2", "details", "failed") in await three.told()


async def test_a_letter_that_cannot_be_written_fails_with_a_note_and_stops_no_other(
    notifications: Notifications, empty_folder: Path
) -> None:
    await notifications.take(declared(), customers(*map(profile, ("C1", "C2", "C3"))), adjusted("C1", "C3"))
    await notifications.take(adjusted("C2", outcomes=[extension(ends_on=None), voucher()]))
    async with relaying(Relay()) as relay, notifications.sending(relay.port, empty_folder):
        await until(lambda: notifications.all_are("sent", "failed"))
    assert received(relay) == sorted(map(email_of, ("C1", "C3")))
    ((state, note),) = [letter[1:] for letter in await notifications.letters("customer_id", "state", "note")][1:2]
    assert state == "failed"
    assert note.startswith("cannot be written: ")
    assert ("C2", "details", "failed") in await notifications.told()


# ── Away, and in doubt ───────────────────────────────────────────────────────────────────────────────────────────


async def test_while_the_relay_is_away_letters_wait_and_no_attempt_is_used_up(
    three: Notifications, empty_folder: Path
) -> None:
    await three.pool.execute("UPDATE letter SET attempts = 9")
    away = True

    def script(verb: Verb, _: str) -> Answer | None:
        return "cut" if away and verb == "greeting" else None

    async with relaying(Relay(script)) as relay, three.sending(relay.port, empty_folder):
        await until(lambda: noted(three, "the relay cannot be reached"))
        assert set(await three.letters("state", "attempts")) == {("pending", 9)}
        assert await three.told() == []
        away = False
        await three.hurry()
        await until(lambda: three.all_are("sent"))
    assert received(relay) == sorted(map(email_of, ("C1", "C2", "C3")))
    assert set(await three.letters("attempts")) == {(10,)}


async def noted(notifications: Notifications, start: str) -> bool:
    return all((note or "").startswith(start) for (note,) in await notifications.letters("note"))


async def test_a_sender_without_a_relay_stops_when_it_is_told_and_puts_back_what_it_has_in_hand(
    notifications: Notifications, empty_folder: Path
) -> None:
    ids = [f"C{n}" for n in range(9)]
    await notifications.take(declared(), customers(*map(profile, ids)), adjusted(*ids))
    async with relaying(Relay(lambda verb, _: "cut" if verb == "greeting" else None)) as relay:
        async with notifications.sending(relay.port, empty_folder, at_most=2, connections=1):
            await until(lambda: some_are_noted(notifications, "the relay cannot be reached"))
            tried = relay.connections
        assert relay.connections == tried, "nothing was tried any more"
    assert await notifications.states() == {"pending": 9}
    assert {attempts for (attempts,) in await notifications.letters("attempts")} == {0}


async def some_are_noted(notifications: Notifications, start: str) -> bool:
    return any((note or "").startswith(start) for (note,) in await notifications.letters("note"))


async def test_a_letter_whose_reply_is_lost_after_the_final_dot_is_in_doubt_and_never_sent_again(
    three: Notifications, empty_folder: Path
) -> None:
    relay = Relay(to("C2", "message", "cut", times=1))
    async with relaying(relay):
        async with three.sending(relay.port, empty_folder):
            await until(lambda: three.all_are("sent", "in_doubt"))
        await three.hurry()
        async with three.sending(relay.port, empty_folder):
            await three.take(customers(profile("C4")), adjusted("C1", "C2", "C3", "C4"))
            await until(lambda: three.all_are("sent", "in_doubt"))
    assert [state for *_, state in await three.letters()] == ["sent", "in_doubt", "sent", "sent"]
    assert received(relay) == sorted(map(email_of, ("C1", "C3", "C4")))
    assert Counter(c for c, _, status in await three.told() if status == "in_doubt") == {"C2": 1}


async def test_what_the_journal_says_is_forgotten_once_the_database_knows(
    three: Notifications, empty_folder: Path
) -> None:
    async with relaying(Relay()) as relay, three.sending(relay.port, empty_folder):
        await until(lambda: three.all_are("sent"))
    assert (empty_folder / "w1.journal").stat().st_size == 17, "its first record, which names the boot"


async def test_progress_tells_how_many_letters_are_settled_in_which_way(
    three: Notifications, empty_folder: Path
) -> None:
    async with relaying(Relay(to("C2", "RCPT", "550 no"))) as relay, three.sending(relay.port, empty_folder):
        await until(lambda: three.all_are("sent", "failed"))
    reports = [r for r in await three.reader.data(topics.PROGRESS) if r["lane"] == "w1"]
    assert {r["stage"] for r in reports} == {"notifications"}
    last = {name: max(r["totals"].get(name, 0) for r in reports) for name in ("sent", "failed")}
    assert last == {"sent": 2, "failed": 1}
