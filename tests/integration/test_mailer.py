"""The mailer against real sockets: what it says of each letter is what became of it."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notifications.decide import Mark
from services.notifications.domain import Deferred, Failed, Sent
from services.notifications.journal import Journal
from services.notifications.relay import Mail
from tests.integration.mailing import (
    BODY,
    both_ways,
    kinds,
    mail,
    mails,
    said_to,
    sent_through,
)
from tests.integration.scripted_relay import Answer, Relay, Verb, listening, relaying
from tests.unit.notifications.outcomes import addon, extension, text_of, voucher, written

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
