"""The mailer against real sockets: what it says of each letter is what became of it."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notifications.decide import Mark
from services.notifications.domain import Deferred, Failed, InDoubt, Result, Sent
from services.notifications.journal import Journal
from services.notifications.letters import seven_bit
from services.notifications.mailer import Mailer
from services.notifications.relay import Deadlines, Mail
from services.notifications.relay import Relay as Address
from tests.integration.scripted_relay import EXTENSIONS, Answer, Relay, Verb, listening, relaying
from tests.unit.notifications.outcomes import addon, extension, text_of, voucher, written

SHORT = Deadlines(connect=2.0, reply=0.2, dot=0.2)
PATIENT = Deadlines(connect=5.0, reply=20.0, dot=20.0)
BODY = b"Subject: x\r\n\r\nHello\r\n"
NO_PIPELINING = tuple(word for word in EXTENSIONS if word != "PIPELINING")
both_ways = pytest.mark.parametrize("extensions", [EXTENSIONS, NO_PIPELINING], ids=["pipelined", "one by one"])


def mail(number: int, data: bytes = BODY, recipient: str | None = None) -> Mail:
    """Letter `number`, to c<number>@example.it."""
    return Mail(UUID(int=number), "amends@example.it", recipient or f"c{number}@example.it", data)


def mails(count: int) -> list[Mail]:
    """Letters 1 to count."""
    return [mail(number) for number in range(1, count + 1)]


async def sent_through(
    relay: Relay,
    letters: Iterable[Mail] | AsyncIterable[Mail],
    *,
    connections: int = 1,
    deadlines: Deadlines = PATIENT,
    marks: Journal | None = None,
) -> dict[int, Result]:
    """Send and collect: each letter's result, each exactly once."""
    results: dict[int, Result] = {}
    address = Address("127.0.0.1", relay.port, deadlines=deadlines, seven_bit=seven_bit)
    async with (
        Mailer(address, marks, connections=connections, attempts_to_connect=2) as mailer,
        aclosing(mailer.send(letters)) as batches,
    ):
        async for batch in batches:
            for letter_id, result in batch:
                assert letter_id.int not in results
                results[letter_id.int] = result
    return results


def kinds(results: dict[int, Result]) -> dict[int, type]:
    """Only what kind of result each letter has."""
    return {number: type(result) for number, result in sorted(results.items())}


def said_to(verb: Verb, number: int, answer: Answer, other: Answer | None = None) -> Relay:
    """A relay that answers so at this step of this letter, and as usual otherwise."""

    def script(step: Verb, argument: str) -> Answer | None:
        return answer if step == verb and f"c{number}@" in argument else other

    return Relay(script)


# ── Letters that are taken ───────────────────────────────────────────────────────────────────────────────────────


@both_ways
async def test_letters_are_sent_once_and_the_reply_is_kept(extensions: tuple[str, ...]) -> None:
    async with relaying(Relay(extensions=extensions)) as relay:
        results = await sent_through(relay, mails(20))
    assert results == {number: Sent("250 2.0.0 Ok: queued") for number in range(1, 21)}
    assert relay.accepted == [(f"c{number}@example.it", BODY) for number in range(1, 21)]
    assert relay.connections == 1
    assert relay.commands[-1] == "QUIT"


async def test_the_next_envelope_travels_with_the_letter_before_it() -> None:
    portions: list[bytes] = []
    replies = [b"250-x\r\n250 PIPELINING\r\n", b"250 a\r\n250 b\r\n354 c\r\n", b"250 d\r\n250 a\r\n250 b\r\n354 c\r\n"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        for reply in [*replies, b"250 d\r\n", b"221 bye\r\n"]:
            portions.append(await reader.read(10_000))
            writer.write(reply)
        writer.close()

    async with listening(serve) as port:
        assert kinds(await sent_through(Relay(port=port), mails(2))) == {1: Sent, 2: Sent}
    envelope = b"MAIL FROM:<amends@example.it>\r\nRCPT TO:<c%d@example.it>\r\nDATA\r\n"
    assert portions[1:] == [
        envelope % 1,
        BODY + b".\r\n" + envelope % 2,
        BODY + b".\r\n",
        b"QUIT\r\n",
    ]


@both_ways
async def test_dots_at_line_starts_arrive_unharmed(extensions: tuple[str, ...]) -> None:
    bodies = [
        b".\r\n",
        b"..\r\n.x\r\n\r\n.\r\n.\r\n",
        b"a\r\n.\r\nMAIL FROM:<x@y>\r\n",
        b"no line end",
        b"a\r\n." * 1000 + b"\r\n",
    ]
    async with relaying(Relay(extensions=extensions)) as relay:
        results = await sent_through(relay, [mail(number, body) for number, body in enumerate(bodies)])
    assert set(map(type, results.values())) == {Sent}
    assert [data for _, data in relay.accepted] == [
        body if body.endswith(b"\r\n") else body + b"\r\n" for body in bodies
    ]


async def test_a_real_letter_arrives_whole_at_aiosmtpd() -> None:
    received: list[Envelope] = []

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            received.append(envelope)
            return "250 2.0.0 kept"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    letter = written([extension(), addon(), voucher()])
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        results = await sent_through(Relay(port=port), [mail(number, letter) for number in range(1, 31)], connections=3)
    finally:
        controller.stop()
    assert results == {number: Sent("250 2.0.0 kept") for number in range(1, 31)}
    assert {envelope.content for envelope in received} == {letter}
    assert sorted(envelope.rcpt_tos[0] for envelope in received) == sorted(
        f"c{number}@example.it" for number in range(1, 31)
    )
    assert {envelope.mail_from for envelope in received} == {"amends@example.it"}


async def test_a_relay_without_8bitmime_gets_seven_bits_that_read_the_same() -> None:
    letter = written([extension(), addon(), voucher()])
    async with relaying(Relay(extensions=("PIPELINING",))) as relay:
        await sent_through(relay, [mail(1, letter)])
    ((_, arrived),) = relay.accepted
    assert arrived.isascii()
    assert text_of(arrived) == text_of(letter)
    assert "MAIL FROM:<amends@example.it>" in relay.commands


async def test_a_relay_that_knows_no_ehlo_is_greeted_with_helo() -> None:
    relay = Relay(lambda verb, _: "502 what?" if verb == "EHLO" else None)
    async with relaying(relay):
        assert kinds(await sent_through(relay, mails(2))) == {1: Sent, 2: Sent}


async def test_twenty_thousand_letters_over_four_connections_arrive_once_each() -> None:
    async with relaying(Relay()) as relay:
        results = await sent_through(relay, mails(20_000), connections=4)
    assert kinds(results) == dict.fromkeys(range(1, 20_001), Sent)
    assert Counter(recipient for recipient, _ in relay.accepted) == {
        f"c{number}@example.it": 1 for number in range(1, 20_001)
    }
    assert relay.connections == 4


# ── Letters that are not taken ───────────────────────────────────────────────────────────────────────────────────


@both_ways
@pytest.mark.parametrize(
    ("verb", "answer", "kind"),
    [
        ("RCPT", "450 4.2.0 Greylisted", Deferred),
        ("RCPT", "550 5.1.1 No such user", Failed),
        ("DATA", "451 4.3.0 later", Deferred),
        ("DATA", "554 5.5.1 no", Failed),
        ("message", "452 4.3.1 full", Deferred),
        ("message", "554 5.7.1 looks like spam", Failed),
    ],
)
async def test_a_refusal_concerns_its_own_letter_only(
    extensions: tuple[str, ...], verb: Verb, answer: str, kind: type, tmp_path: Path
) -> None:
    relay = said_to(verb, 2, answer)
    relay.extensions = extensions
    async with relaying(relay):
        with Journal.open(tmp_path, "w") as journal:
            results = await sent_through(relay, mails(4), marks=journal)
    assert kinds(results) == {1: Sent, 2: kind, 3: Sent, 4: Sent}
    assert results[2][0] == answer
    assert [recipient for recipient, _ in relay.accepted] == [f"c{number}@example.it" for number in (1, 3, 4)]
    assert relay.connections == 1
    marks = Journal.read(Journal.file(tmp_path, "w")) or {}
    assert marks.get(UUID(int=2)) == (Mark.REFUSED if verb == "message" else None)


@both_ways
async def test_data_refused_for_want_of_recipients_is_told_with_the_recipients_reply(
    extensions: tuple[str, ...],
) -> None:
    def script(verb: Verb, argument: str) -> Answer | None:
        if verb == "RCPT":
            return "550 5.1.1 No such user" if "c2@" in argument else None
        return "554 5.5.1 no valid recipients" if verb == "DATA" and not argument else None

    async with relaying(Relay(script, extensions)) as relay:
        results = await sent_through(relay, mails(3))
    assert results[2] == Failed("550 5.1.1 No such user")
    assert kinds(results) == {1: Sent, 2: Failed, 3: Sent}


@both_ways
async def test_a_sender_that_is_refused_for_the_session_fails_no_letter(extensions: tuple[str, ...]) -> None:
    script = Relay(lambda verb, _: "530 5.7.0 Authentication required" if verb == "MAIL" else None, extensions)
    async with relaying(script) as relay:
        results = await sent_through(relay, mails(3))
    assert results == {number: Deferred("530 5.7.0 Authentication required") for number in (1, 2, 3)}
    assert relay.accepted == []


async def test_nobody_gets_an_empty_letter_from_a_relay_that_asks_in_spite_of_a_refusal() -> None:
    script = Relay(lambda verb, _: "550 5.7.1 no" if verb == "MAIL" else None, lax=True)
    async with relaying(script) as relay:
        results = await sent_through(relay, mails(2))
    assert results == {1: Failed("550 5.7.1 no"), 2: Failed("550 5.7.1 no")}
    assert relay.accepted == []


@pytest.mark.parametrize(
    "recipient",
    [
        "a@b.it>\r\nRCPT TO:<x@y.it",
        "a@b.it\r\n",
        "a@b.it> BODY=7BIT",
        "<a@b.it>",
        "a b@c.it",
        '"a"@b.it',
        "",
        "nobody",
        "é@b.it",
    ],
)
async def test_an_envelope_can_inject_nothing(recipient: str) -> None:
    async with relaying(Relay()) as relay:
        bad = Mail(UUID(int=1), "amends@example.it", recipient, BODY)
        worse = Mail(UUID(int=2), recipient, "c2@example.it", BODY)
        results = await sent_through(relay, [bad, worse, mail(3)])
    assert kinds(results) == {1: Failed, 2: Failed, 3: Sent}
    assert len([command for command in relay.commands if command.startswith("RCPT")]) == 1


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
