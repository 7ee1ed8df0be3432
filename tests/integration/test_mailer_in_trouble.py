"""The mailer on a bad line, and in the hands of its caller: no letter is lost, doubted or sent without reason."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

import pytest

from services.notifications.decide import Mark
from services.notifications.domain import Deferred, InDoubt, Sent
from services.notifications.journal import Journal
from services.notifications.mailer import Mailer
from services.notifications.relay import Deadlines, Mail
from services.notifications.relay import Relay as Address
from tests.integration.mailing import (
    PATIENT,
    SHORT,
    both_ways,
    kinds,
    mail,
    mails,
    said_to,
    sent_through,
)
from tests.integration.scripted_relay import EXTENSIONS, Answer, Relay, Verb, listening, relaying

# ── Trouble on the line ──────────────────────────────────────────────────────────────────────────────────────────


@both_ways
@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
@pytest.mark.parametrize("trouble", ["cut", "stall"])
async def test_trouble_before_the_final_dot_leaves_no_doubt(
    extensions: tuple[str, ...], verb: Verb, trouble: Answer
) -> None:
    relay = said_to(verb, 2, trouble)
    relay.extensions = extensions
    async with relaying(relay):
        results = await sent_through(relay, mails(4), deadlines=SHORT)
    assert kinds(results) == {1: Sent, 2: Deferred, 3: Sent, 4: Sent}
    assert results[2] != Deferred(results[2][0], tried=False)
    assert relay.connections == 2


@both_ways
@pytest.mark.parametrize("trouble", ["cut", "stall", "what?", "354 go on"])
async def test_trouble_after_the_final_dot_leaves_one_letter_in_doubt(
    extensions: tuple[str, ...], trouble: Answer, tmp_path: Path
) -> None:
    relay = said_to("message", 2, trouble)
    relay.extensions = extensions
    async with relaying(relay):
        with Journal.open(tmp_path, "w") as journal:
            results = await sent_through(relay, mails(5), deadlines=SHORT, marks=journal)
    assert type(results[2]) is InDoubt
    # The third letter's envelope was on the line already, and nothing of the letter itself.
    assert kinds({3: results[3]}) == {3: Deferred if extensions is EXTENSIONS else Sent}
    assert kinds({n: results[n] for n in (1, 4, 5)}) == {1: Sent, 4: Sent, 5: Sent}
    marks = Journal.read(Journal.file(tmp_path, "w")) or {}
    assert [letter.int for letter, mark in marks.items() if mark is Mark.STARTED] == [2]
    assert [recipient for recipient, _ in relay.accepted].count("c2@example.it") == 0


async def test_a_relay_that_drips_its_reply_gets_no_more_time() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readuntil(b"\r\n")
        writer.write(b"250-x\r\n250 PIPELINING\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 a\r\n250 b\r\n354 c\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        while not writer.is_closing():
            writer.write(b"250-")
            await asyncio.sleep(0.02)

    async with listening(serve) as port:
        results = await asyncio.wait_for(sent_through(Relay(port=port), mails(1), deadlines=SHORT), 10)
    assert kinds(results) == {1: InDoubt}


@both_ways
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "message"])
async def test_a_421_ends_the_session_and_defers_the_letter(extensions: tuple[str, ...], verb: Verb) -> None:
    calls = Counter[str]()

    def script(step: Verb, _: str) -> Answer | None:
        calls[step] += 1
        return "421 4.3.2 closing" if step == verb and calls[step] == 2 else None

    async with relaying(Relay(script, extensions)) as relay:
        results = await sent_through(relay, mails(5))
    assert results[2] == Deferred("421 4.3.2 closing")
    assert sum(type(result) is Sent for result in results.values()) >= 3
    assert InDoubt not in kinds(results).values()
    sent = {f"c{number}@example.it" for number, result in results.items() if type(result) is Sent}
    assert {recipient for recipient, _ in relay.accepted} == sent
    assert relay.connections == 2


async def test_a_relay_with_fewer_connections_than_we_want_gets_everything_over_those() -> None:
    greeted = 0

    def script(verb: Verb, _: str) -> Answer | None:
        nonlocal greeted
        greeted += verb == "greeting"
        return "421 4.7.0 too many connections" if verb == "greeting" and greeted > 1 else None

    async with relaying(Relay(script)) as relay:
        results = await sent_through(relay, mails(200), connections=4)
    assert kinds(results) == dict.fromkeys(range(1, 201), Sent)


@pytest.mark.parametrize("greeting", ["554 go away", "421 busy", "cut", "what?"])
async def test_a_relay_that_lets_nobody_in_defers_every_letter_untried(greeting: Answer) -> None:
    async with relaying(Relay(lambda verb, _: greeting if verb == "greeting" else None)) as relay:
        results = await sent_through(relay, mails(1000), connections=2)
    assert len(results) == 1000
    assert all(isinstance(result, Deferred) and not result.tried for result in results.values())
    assert relay.connections == 4


async def test_a_relay_that_is_down_or_silent_defers_every_letter_untried() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = await sent_through(Relay(port=closed.getsockname()[1]), mails(3))
    async with relaying(Relay(lambda *_: "stall")) as relay:
        silent = await sent_through(relay, mails(3), deadlines=Deadlines(connect=0.1))
    for results in (down, silent):
        assert all(isinstance(result, Deferred) and not result.tried for result in results.values())
        assert len(results) == 3


async def test_a_letter_is_not_sent_if_the_journal_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(Relay()) as relay:
        with Journal.open(tmp_path, "w") as journal:

            def full(letter_id: UUID) -> None:
                raise OSError("disk full")

            monkeypatch.setattr(journal, "started", full)
            results = await sent_through(relay, mails(1), marks=journal)
    assert results == {1: Deferred("before the final dot: the journal cannot be written: disk full")}
    assert relay.accepted == []


# ── Bounds, and the caller ───────────────────────────────────────────────────────────────────────────────────────


async def test_letters_are_fetched_no_faster_than_they_are_sent_and_results_taken() -> None:
    fetched = 0

    def letters() -> Iterator[Mail]:
        nonlocal fetched
        for letter in mails(1000):
            fetched += 1
            yield letter

    async with relaying(Relay()) as relay:
        address = Address("127.0.0.1", relay.port, deadlines=PATIENT)
        async with Mailer(address, connections=2, held_at_most=10) as mailer:
            taken = 0
            async with aclosing(mailer.send(letters())) as batches:
                async for batch in batches:
                    taken += len(batch)
                    await asyncio.sleep(0.005)
                    # Waiting to be begun, under way (two each: one dotted, one enveloped), waiting to be taken.
                    assert fetched - taken <= 10 + 4 + 10 + 4
    assert taken == 1000


async def test_letters_may_come_as_they_are_made() -> None:
    async def letters() -> AsyncIterator[Mail]:
        for letter in mails(10):
            await asyncio.sleep(0.002)
            yield letter

    async with relaying(Relay()) as relay:
        assert kinds(await sent_through(relay, letters(), connections=3)) == dict.fromkeys(range(1, 11), Sent)


async def test_connections_are_kept_from_one_run_to_the_next() -> None:
    async with relaying(Relay()) as relay:
        address = Address("127.0.0.1", relay.port, deadlines=PATIENT)
        async with Mailer(address, connections=1) as mailer:
            for _ in range(3):
                async with aclosing(mailer.send(mails(5))) as batches:
                    assert sum([len(batch) async for batch in batches]) == 5
    assert relay.connections == 1
    assert len(relay.accepted) == 15


async def test_no_letters_are_no_results() -> None:
    async with relaying(Relay()) as relay:
        assert await sent_through(relay, []) == {}


async def test_an_error_while_letters_are_made_is_raised_once_the_others_have_settled() -> None:
    def letters() -> Iterator[Mail]:
        yield from mails(3)
        raise LookupError("no template")

    results: list[UUID] = []
    async with relaying(Relay()) as relay, Mailer(Address("127.0.0.1", relay.port)) as mailer:

        async def listen() -> None:
            async for batch in mailer.send(letters()):
                results.extend(letter_id for letter_id, _ in batch)

        with pytest.raises(LookupError, match="no template"):
            await listen()
    assert sorted(results) == [UUID(int=1), UUID(int=2), UUID(int=3)]


async def test_a_caller_who_stops_listening_leaves_nothing_running(tmp_path: Path) -> None:
    relay = said_to("message", 3, "stall")
    async with relaying(relay):
        with Journal.open(tmp_path, "w") as journal:
            address = Address("127.0.0.1", relay.port, deadlines=PATIENT)
            async with (
                Mailer(address, journal, connections=1) as mailer,
                aclosing(mailer.send(mails(10))) as batches,
            ):
                async for batch in batches:
                    assert [letter_id.int for letter_id, _ in batch] == [1, 2]
                    break
                await batches.aclose()
                again = [results async for results in mailer.send([mail(11)])]
                assert again == [[(UUID(int=11), Sent("250 2.0.0 Ok: queued"))]]
            marks = Journal.read(Journal.file(tmp_path, "w")) or {}
    assert marks[UUID(int=3)] is Mark.STARTED
    assert UUID(int=4) not in marks
    ours = [task for task in asyncio.all_tasks() if "notifications" in repr(task.get_coro())]
    assert ours == []
