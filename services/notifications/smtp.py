"""One SMTP connection, commands pipelined (RFC 2920), that knows of each letter whether it was taken.

The next letter's envelope travels in one write with the letter before it, so a letter costs one round trip. At any
moment at most one letter has its final dot sent and no reply seen. Leaves the choice of letters, reconnecting and
bounds to `mailer`, the meaning of replies to `replies`; knows nothing of what is in a letter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from services.notifications.domain import Deferred, Failed, InDoubt, Result
from services.notifications.relay import (
    Desk,
    Mail,
    Marks,
    Relay,
    UnreachableError,
    Watchman,
    envelope,
    is_mailbox,
    stuffed,
)
from services.notifications.replies import (
    NoReplyError,
    Offer,
    Replies,
    Reply,
    Step,
    after_the_dot,
    before_the_dot,
    offer_of,
)

_GOODBYE_SECONDS = 5.0


class Session(asyncio.Protocol):
    """One connection to the relay, from its greeting to its end."""

    def __init__(self, relay: Relay, marks: Marks | None = None) -> None:
        """Make it through `open`."""
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.answered = 0
        self._relay = relay
        self._marks = marks
        self._desk: Desk | None = None
        self._transport: asyncio.Transport | None = None
        self._replies = Replies()
        self._offer = Offer()
        self._expected: deque[Step] = deque()
        self._unsent: deque[bytes] = deque()
        self._envelope: Mail | None = None
        self._refusal: Result | None = None
        self._dotted: Mail | None = None
        self._has_recipient = False
        self._reset_first = False
        self._quitting = False
        self._watchman = Watchman(self._late)

    @classmethod
    async def open(cls, relay: Relay, marks: Marks | None = None) -> Session:
        """Connect and greet. Raises UnreachableError."""
        session = cls(relay, marks)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(relay.deadlines.connect):
                await loop.create_connection(lambda: session, relay.host, relay.port)
                await session.opened
        except TimeoutError as late:
            session.fail("no greeting in time")
            reason = f"{relay.host}:{relay.port} does not answer in {relay.deadlines.connect:g} s"
            raise UnreachableError(reason) from late
        except OSError as refused:
            raise UnreachableError(f"{relay.host}:{relay.port}: {refused}") from refused
        except asyncio.CancelledError:
            session.fail("given up")
            raise
        return session

    def work(self, desk: Desk) -> None:
        """Fetch letters from this desk from now on."""
        self._desk = desk
        self.kick()

    def kick(self) -> None:
        """There are letters again: begin one if the connection is idle."""
        if self.idle and not self.lost.done():
            self._begin()
            self._watch()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._expected

    def fail(self, reason: str) -> None:
        """Cut the connection: what had its final dot sent is in doubt, what had not is deferred."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    async def quit(self) -> None:
        """End the session: politely if it is idle, waiting no longer than for a reply."""
        if self.idle and not self.lost.done():
            self._quitting = True
            self._expected.append(Step.QUIT)
            self._write(b"QUIT\r\n")
            await asyncio.wait([self.lost], timeout=min(self._relay.deadlines.reply, _GOODBYE_SECONDS))
        self.fail("closed by us")

    # ── What the loop calls ──────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected: wait for the greeting."""
        self._transport = cast(asyncio.Transport, transport)
        if self.lost.done():
            self._transport.abort()
            return
        self._expected.append(Step.GREETING)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._end(f"connection lost: {exc}" if exc else "the relay closed the connection")

    def data_received(self, data: bytes) -> None:
        """Replies, in whatever portions."""
        try:
            replies = self._replies.feed(data)
            for reply in replies:
                if self.lost.done():
                    break
                self._reply(reply)
            if self._marks is not None:
                self._marks.flush()
        except NoReplyError as noise:
            self.fail(str(noise))
        except OSError as full:
            self.fail(f"the journal cannot be written: {full}")
        else:
            if replies:
                # A portion of a reply buys the relay no time.
                self._watch()

    # ── Replies ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _reply(self, reply: Reply) -> None:
        """Take one reply to the command that waits longest."""
        if not self._expected:
            self.fail(f"unasked: {reply.note}")
            return
        step = self._expected.popleft()
        if step is Step.MAIL or step is Step.RCPT:
            self._envelope_reply(step, reply)
        elif step is Step.DATA:
            self._data_reply(reply)
        elif step is Step.DOT:
            self._dot_reply(reply)
        elif step is Step.RSET:
            if reply.code == 250:
                self._write_the_next_command()
            else:
                self.fail(f"no RSET: {reply.note}")
        elif step is not Step.LONE_DOT:
            self._opening_reply(step, reply)
        if reply.code == 421 and not self.lost.done():
            self._end(reply.note)
            if self._transport is not None:
                self._transport.close()

    def _opening_reply(self, step: Step, reply: Reply) -> None:
        if step is Step.GREETING and reply.code == 220:
            self._expected.append(Step.EHLO)
            self._write(f"EHLO {self._relay.name}\r\n".encode("ascii"))
        elif step is Step.EHLO and reply.code in (500, 502):
            self._expected.append(Step.HELO)
            self._write(f"HELO {self._relay.name}\r\n".encode("ascii"))
        elif step is not Step.QUIT and reply.code == 250:
            if step is Step.EHLO:
                self._offer = offer_of(reply)
            self.opened.set_result(None)
        else:
            self.fail(reply.note)

    def _envelope_reply(self, step: Step, reply: Reply) -> None:
        if 200 <= reply.code < 300:
            self._has_recipient = step is Step.RCPT
            self._write_the_next_command()
        elif self._refusal is None:
            self._refusal = before_the_dot(step, reply)
            if self._unsent:
                # One command at a time: the rest of this envelope need not be written.
                self._unsent.clear()
                self._expected.clear()
                self._refused()
                if reply.code != 421:
                    self._begin()

    def _write_the_next_command(self) -> None:
        if self._unsent:
            self._write(self._unsent.popleft())

    def _data_reply(self, reply: Reply) -> None:
        if reply.code == 354 and self._refusal is None:
            self._send_message()
            return
        if self._refusal is None:
            self._refusal = before_the_dot(Step.DATA, reply)
        if reply.code == 354:
            # Pipelined, the server may ask for a message to nobody (RFC 2920, 3.1): a lone dot ends it. To somebody
            # it would be an empty letter.
            if self._has_recipient:
                self.fail(f"a message is asked for in spite of a refusal: {self._refusal[0]}")
                return
            self._expected.append(Step.LONE_DOT)
            self._write(b".\r\n")
        self._refused()
        if reply.code != 421:
            self._begin()

    def _refused(self) -> None:
        """The envelope was refused: settle its letter; the server may still hold a part of it until RSET."""
        mail, refusal = self._envelope, self._refusal
        assert mail is not None
        assert refusal is not None
        self._envelope = self._refusal = None
        self._reset_first = True
        self.answered += 1
        self._settle(mail, refusal)

    def _dot_reply(self, reply: Reply) -> None:
        mail, self._dotted = self._dotted, None
        assert mail is not None
        result = after_the_dot(reply)
        if type(result) is InDoubt:
            self._settle(mail, result)
            self.fail(reply.note)
            return
        if self._marks is not None:
            tell = self._marks.accepted if reply.code < 300 else self._marks.refused
            tell(mail.letter_id)
        self.answered += 1
        self._settle(mail, result)
        if self._envelope is None and reply.code != 421:
            self._begin()

    # ── Letters ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        """Write the next letter's envelope, if there is a letter."""
        commands = self._next_envelope()
        if commands:
            self._write(commands)

    def _next_envelope(self) -> bytes:
        """Take the next letter and note which replies are due; its commands to write now, none without a letter."""
        mail = self._pull()
        if mail is None:
            return b""
        self._envelope = mail
        self._has_recipient = False
        commands = envelope(mail, self._offer)
        if self._reset_first:
            self._reset_first = False
            self._expected.append(Step.RSET)
            commands.insert(0, "RSET\r\n")
        self._expected += (Step.MAIL, Step.RCPT, Step.DATA)
        if self._offer.pipelining:
            return "".join(commands).encode("ascii")
        self._unsent += (command.encode("ascii") for command in commands[1:])
        return commands[0].encode("ascii")

    def _pull(self) -> Mail | None:
        """The next letter whose envelope can inject nothing."""
        desk = self._desk
        if desk is None or self._quitting:
            return None
        while (mail := desk.pull()) is not None:
            if is_mailbox(mail.sender) and is_mailbox(mail.recipient):
                return mail
            desk.settle(mail, Failed("553 not sent: the envelope holds what is no plain address"))
        return None

    def _send_message(self) -> None:
        """Hand over the letter with its final dot, and in the same write the next letter's envelope."""
        mail = self._envelope
        assert mail is not None
        assert self._dotted is None
        data = mail.data
        if self._relay.seven_bit is not None and not self._offer.eight_bit and not data.isascii():
            data = self._relay.seven_bit(data)
        if self._marks is not None:
            self._marks.started(mail.letter_id)
        self._dotted, self._envelope = mail, None
        self._expected.append(Step.DOT)
        end = b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n"
        self._write(b"".join((stuffed(data), end, self._next_envelope() if self._offer.pipelining else b"")))

    def _settle(self, mail: Mail, result: Result) -> None:
        assert self._desk is not None
        self._desk.settle(mail, result)

    def _end(self, reason: str) -> None:
        """The session is over: settle what was under way, once."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if not self.opened.done():
            self.opened.set_exception(UnreachableError(f"{self._relay.host}:{self._relay.port}: {reason}"))
            self.opened.exception()
        self._watchman.dismiss()
        self._expected.clear()
        self._unsent.clear()
        dotted, envelope = self._dotted, self._envelope
        self._dotted = self._envelope = None
        if dotted is not None:
            self._settle(dotted, InDoubt(f"no reply to the final dot: {reason}"))
        if envelope is not None:
            self._settle(envelope, self._refusal or Deferred(f"before the final dot: {reason}"))

    # ── The socket and the clock ─────────────────────────────────────────────────────────────────────────────────

    def _write(self, octets: bytes) -> None:
        assert self._transport is not None
        self._transport.write(octets)

    def _watch(self) -> None:
        """Set the deadline of the reply that is due next."""
        if self._expected:
            limits = self._relay.deadlines
            self._watchman.expect(limits.dot if self._expected[0] is Step.DOT else limits.reply)

    def _late(self) -> None:
        if self._expected:
            self.fail(f"no reply to {self._expected[0].name} in time")
