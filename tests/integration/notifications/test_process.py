"""The service as a process, on the real topics: killed, stopped, its journal damaged; and what it never says aloud."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deploy.local.stack import Stack
from schemas import topics
from services.notifications.domain import letter_id
from services.notifications.journal import RECORD_OCTETS, Journal
from services.runtime.envelope import Record
from services.runtime.relay import Publisher
from tests.integration.notifications.builders import (
    INCIDENT,
    Notifications,
    adjusted,
    adjustment_records,
    announcement_records,
    customers,
    declaration_records,
    declared,
    email_of,
    policy_records,
    profile,
    profile_records,
)
from tests.integration.notifications.process import serving
from tests.integration.scripted_relay import Answer, Relay, Verb, relaying
from tests.integration.wire import events, stand_at_the_ends, until

LETTERS = 3_000
CONNECTIONS = 4

Publish = Callable[[str, list[Record]], Awaitable[None]]


@pytest.fixture
async def standing(notifications: Notifications, foundation: Stack) -> Notifications:
    """What earlier tests left on the real topics counts as read."""
    read = (topics.INCIDENTS, topics.CUSTOMERS, topics.ADJUSTMENTS, topics.POLICIES, topics.ANNOUNCEMENTS)
    await stand_at_the_ends(notifications.pool, foundation.kafka, *read)
    return notifications


@pytest.fixture
def publish(publisher: Publisher) -> Publish:
    async def to(topic: str, records: list[Record]) -> None:
        await publisher.publish({topic: records})

    return to


async def publish_all(publish: Publish, ids: list[str]) -> None:
    """Who they are, what happened, and what billing answered for each."""
    await publish(topics.CUSTOMERS, profile_records(*map(profile, ids)))
    await publish(topics.INCIDENTS, declaration_records())
    await publish(topics.ADJUSTMENTS, adjustment_records(*ids))


class Counting:
    """A relay that says when it has begun to take so many letters."""

    def __init__(self, enough: int) -> None:
        self.enough, self.messages, self.reached = enough, 0, asyncio.Event()
        self.relay = Relay(self._script)

    def _script(self, verb: Verb, _: str) -> Answer | None:
        self.messages += verb == "message"
        if self.messages >= self.enough:
            self.reached.set()
        return None

    def received(self) -> Counter[str]:
        return Counter(recipient for recipient, _ in self.relay.accepted)


async def settled(notifications: Notifications, count: int, *states: str) -> bool:
    found = await notifications.states()
    return sum(found.get(state, 0) for state in states) == count


async def test_killed_in_the_middle_and_started_again_it_sends_no_letter_twice_and_leaves_none(
    standing: Notifications, foundation: Stack, publish: Publish, empty_folder: Path
) -> None:
    ids = [f"C{n:04}" for n in range(LETTERS)]
    await publish_all(publish, ids)
    sink = Counting(enough=LETTERS // 3)
    settings = {"AMENDS_SMTP_CONNECTIONS": str(CONNECTIONS), "AMENDS_LETTERS_IN_HAND": "500"}
    async with relaying(sink.relay) as relay:
        smtp = f"127.0.0.1:{relay.port}"
        async with serving(foundation, smtp, empty_folder, **settings) as service:
            await asyncio.wait_for(sink.reached.wait(), 30)
            await service.kill()
        assert (await standing.states())["sending"] > 0, "it was killed with letters in hand"
        async with serving(foundation, smtp, empty_folder, **settings) as service:
            await until(lambda: settled(standing, LETTERS, "sent", "in_doubt"), 30)
            assert await service.end() == 0

    received = sink.received()
    states = dict(await standing.letters("customer_id", "state"))
    sent = {email_of(customer_id) for customer_id, state in states.items() if state == "sent"}
    in_doubt = {email_of(customer_id) for customer_id, state in states.items() if state == "in_doubt"}
    assert set(received.values()) == {1}
    assert sent <= set(received)
    assert set(received) <= sent | in_doubt
    assert len(in_doubt) <= CONNECTIONS
    assert len(sent | in_doubt) == LETTERS
    status = {"sent": "sent", "in_doubt": "in_doubt"}
    assert await standing.told() == sorted((c, "details", status[state]) for c, state in states.items())


async def test_told_to_stop_it_sees_through_what_is_in_hand_and_begins_nothing_else(
    standing: Notifications, foundation: Stack, publish: Publish, empty_folder: Path
) -> None:
    ids = [f"C{n:04}" for n in range(LETTERS)]
    await publish_all(publish, ids)
    sink = Counting(enough=200)
    async with relaying(sink.relay) as relay:
        smtp = f"127.0.0.1:{relay.port}"
        async with serving(foundation, smtp, empty_folder, AMENDS_LETTERS_IN_HAND="100") as service:
            await asyncio.wait_for(sink.reached.wait(), 30)
            assert await service.end() == 0
    states = await standing.states()
    assert states["sent"] == len(sink.relay.accepted)
    assert set(states) <= {"sent", "pending", "waiting"}
    assert states["sent"] < LETTERS, "it was told to stop in the middle"


async def test_a_damaged_journal_is_moved_aside_and_what_was_in_hand_is_in_doubt(
    standing: Notifications, foundation: Stack, empty_folder: Path
) -> None:
    ids = ("C1", "C2", "C3")
    await standing.take(declared(), customers(*map(profile, ids)), adjusted(*ids))
    await standing.pool.execute(
        "UPDATE letter SET state = 'sending', claimed_by = 'w1', claimed_at = now() WHERE customer_id <> 'C3'"
    )
    damaged = damaged_journal(empty_folder, letter_id(INCIDENT, "C1", "details"))
    async with relaying(Relay()) as relay, serving(foundation, f"127.0.0.1:{relay.port}", empty_folder) as service:
        await until(lambda: settled(standing, 3, "sent", "in_doubt"))
        assert await service.end() == 0
    assert [state for *_, state in await standing.letters()] == ["in_doubt", "in_doubt", "sent"]
    assert [recipient for recipient, _ in relay.accepted] == [email_of("C3")]
    assert (empty_folder / "w1.damaged-1").read_bytes() == damaged
    assert "the journal is damaged" in (empty_folder / "log").read_text()


def damaged_journal(folder: Path, letter: UUID) -> bytes:
    """A journal with a record in its middle that is none."""
    with Journal.open(folder, "w1") as journal:
        for number in (letter, UUID(int=1)):
            journal.started(number)
            journal.accepted(number)
    path = Journal.file(folder, "w1")
    content = bytearray(path.read_bytes())
    content[3 * RECORD_OCTETS - 1] = 0
    path.write_bytes(content)
    return bytes(content)


async def test_names_and_addresses_stand_in_no_log_line_and_in_no_event(
    standing: Notifications, foundation: Stack, publish: Publish, empty_folder: Path
) -> None:
    """Whatever happens to the letters: sent, refused, without an address, unreadable, forgotten."""
    secret = {"name": "Ermenegilda Quattrocchi", "email": "ermenegilda@quattrocchi.example"}
    told: list[dict[str, Any]] = [
        profile("C1", **secret),
        profile("C2", **secret | {"email": "gone.ermenegilda@quattrocchi.example"}),
        profile("C3", **secret | {"email": "ermenegilda quattrocchi"}),
        profile("C4", **secret | {"email": "later.ermenegilda@quattrocchi.example"}),
        profile("C5", **secret | {"locale": 7}),
        profile("C6", **secret | {"email": "cut.ermenegilda@quattrocchi.example"}),
    ]
    ids = [data["customer_id"] for data in told]
    unreadable: list[Any] = ["a", {"name": secret["name"]}]
    away = True

    def script(verb: Verb, argument: str) -> Answer | None:
        if verb == "greeting" and away:
            return "421 4.3.2 ermenegilda@quattrocchi.example is not served just now"
        if verb == "RCPT" and "gone." in argument:
            return f"550 5.1.1 {argument}: Ermenegilda Quattrocchi does not live here"
        if verb == "RCPT" and "later." in argument:
            return f"451 4.7.1 {argument} is greylisted"
        return "cut" if verb == "message" and "cut." in argument else None

    await publish(topics.CUSTOMERS, profile_records(*told))
    await publish(topics.CUSTOMERS, events("customer.changed.v1", ("C7", "bad", unreadable)))
    await publish(topics.INCIDENTS, declaration_records())
    await publish(topics.ADJUSTMENTS, adjustment_records(*ids, "C7"))
    async with (
        relaying(Relay(script)) as relay,
        serving(foundation, f"127.0.0.1:{relay.port}", empty_folder) as service,
    ):
        await until(lambda: is_noted(standing))
        away = False
        await standing.hurry()
        await until(lambda: settled_as(standing, sent=1, failed=1, no_address=1, in_doubt=1, pending=1, waiting=2))
        await publish(topics.CUSTOMERS, events("customer.changed.v1", ("C4", "gone", None)))
        await until(lambda: settled_as(standing, sent=1, failed=1, no_address=2, in_doubt=1, waiting=2))
        assert await service.end() == 0
    lines = (empty_folder / "log").read_text().splitlines()
    assert any("cannot be reached" in line for line in lines)
    assert all(json.loads(line)["service"] == "notifications" for line in lines)
    said = [*await standing.reader.records(topics.LETTERS), *await standing.reader.records(topics.PROGRESS)]
    assert len(said) >= 6
    spoken = "\n".join([*lines, *[str((r.key, r.value, r.headers)) for r in said]]).lower()
    assert "ermenegilda" not in spoken
    assert "quattrocchi" not in spoken


async def is_noted(notifications: Notifications) -> bool:
    """Whether the relay's refusal to greet is noted with a letter."""
    return any("not served" in (note or "") for (note,) in await notifications.letters("note"))


async def settled_as(notifications: Notifications, **wanted: int) -> bool:
    return await notifications.states() == wanted


async def test_the_service_reads_every_topic_of_its_and_counts_from_zero(
    standing: Notifications, foundation: Stack, publish: Publish, empty_folder: Path
) -> None:
    """Its wiring: policies and announcements come in, a retraction is seen to, samples are written."""
    await standing.pool.execute("DELETE FROM policy")
    async with relaying(Relay()) as relay, serving(foundation, f"127.0.0.1:{relay.port}", empty_folder) as service:
        counted = await service.get("/metrics")
        for kind in ("announcement", "details", "correction"):
            assert f'amends_letters_settled_total{{drill="false",kind="{kind}",status="sent"}} 0.0' in counted
            assert f'amends_letters_cancelled_total{{kind="{kind}"}} 0.0' in counted
        await publish(topics.CUSTOMERS, profile_records(profile("C1")))
        await publish(topics.INCIDENTS, declaration_records())
        await publish(topics.ANNOUNCEMENTS, announcement_records("C1"))
        await until(lambda: standing.all_are_there(1))
        await asyncio.sleep(0.5)
        assert await standing.states() == {"pending": 1}, "it waits for the policy"
        await publish(topics.POLICIES, policy_records())
        await until(lambda: settled(standing, 1, "sent"))
        await publish(topics.INCIDENTS, declaration_records("retracted", revision=2, reason="no"))
        await publish(topics.ADJUSTMENTS, adjustment_records("C1"))
        await until(lambda: settled(standing, 1, "suppressed"))
        assert 'amends_letters_settled_total{drill="false",kind="announcement",status="sent"} 1.0' in (
            await service.get("/metrics")
        )
        assert "this needs the operator's token" in await service.post("/samples", {})
        assert await service.end() == 0
