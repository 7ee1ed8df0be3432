"""A mail relay with moods: the stack's mail sink, that storms, refuses, stalls, greylists, limits or drags on command.

Every letter it answers with 250 is in the mbox, and no other. It remembers whom it refused for good, so that a judge
can tell a letter that failed rightly. Leaves SMTP itself to the sink.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from zlib import crc32

from deploy.local.mail_sink import Session
from deploy.local.mbox import Mbox
from tests.faults.proxy import HOST, Lines

_REFUSED_OF_EVERY = 50
_CONNECTIONS = 1
_SLOW_SECONDS = 0.2


class Mood(StrEnum):
    """How the relay is."""

    CALM = "calm"
    STORM = "storm"
    """Nothing is taken: 451 at the recipient, 452 after the letter, 421 and the connection closed, in turn."""
    REFUSING = "refusing"
    """One recipient in fifty is refused for good, always the same ones."""
    STALLED = "stalled"
    """It reads, in the middle of a letter too, and says nothing."""
    CROWDED = "crowded"
    """One connection is served, the others are sent away with 421."""
    GREYLISTING = "greylisting"
    """A recipient that it has not seen before is told to come again."""
    SLOW = "slow"
    """Each reply takes 0.2 s."""


@dataclass
class Temper:
    """What the relay's connections share."""

    mood: Mood = Mood.CALM
    refused: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    deferred: Counter[str] = field(default_factory=Counter)
    storms: int = 0
    held: int = 0
    """Portions that were held back by a stall so far."""

    def verdict(self, recipient: str) -> bytes | None:
        """The reply to a recipient who is not taken."""
        if self.mood is Mood.REFUSING and crc32(recipient.encode()) % _REFUSED_OF_EVERY == 0:
            self.refused.add(recipient)
            return b"550 5.1.1 no such person here\r\n"
        greylisted = self.mood is Mood.GREYLISTING and recipient not in self.seen
        self.seen.add(recipient)
        if greylisted or (self.mood is Mood.STORM and self._storms() % 3 == 0):
            self.deferred[recipient] += 1
            return b"451 4.7.1 come again later\r\n"
        return None

    def after_the_dot(self, recipient: str) -> bytes | None:
        """The reply to a whole letter that is not kept."""
        if self.mood is not Mood.STORM:
            return None
        self.deferred[recipient] += 1
        return b"452 4.3.1 no room\r\n" if self._storms() % 2 else b"421 4.3.2 going away\r\n"

    def _storms(self) -> int:
        self.storms += 1
        return self.storms


class MoodySession(Session):
    """One connection to it."""

    def __init__(self, mbox: Mbox, sessions: set[Session], temper: Temper) -> None:
        super().__init__(mbox, sessions)
        self._temper = temper
        self._held: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._temper.mood is Mood.CROWDED and len(self._sessions) > _CONNECTIONS:
            self.end(b"421 4.7.0 too many connections\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._temper.mood is Mood.STALLED or self._held:
            self._temper.held += 1
            self._held.append(data)
        elif self._temper.mood is Mood.SLOW:
            self._held.append(data)
            self._timer = asyncio.get_running_loop().call_later(_SLOW_SECONDS, self.let_go)
        else:
            super().data_received(data)

    def let_go(self) -> None:
        """Look at what was held back."""
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            super().data_received(b"".join(held))

    def _take_command(self) -> bool:
        """Line by line, so that each recipient is looked at; in calm as the sink does."""
        if self._temper.mood in (Mood.CALM, Mood.STALLED, Mood.SLOW, Mood.CROWDED):
            return super()._take_command()
        end = self._buffer.find(b"\r\n", self._taken)
        if end < 0:
            return False
        line = bytes(self._buffer[self._taken : end])
        self._taken = end + 2
        self._answer(line)
        return True

    def _rcpt(self, line: bytes) -> None:
        recipient = line.partition(b"<")[2].rpartition(b">")[0].decode("ascii")
        verdict = self._temper.verdict(recipient)
        if verdict is None:
            super()._rcpt(line)
        else:
            self._replies.append(verdict)

    def _take_letter(self) -> bool:
        kept, recipients = len(self._entries), list(self._recipients)
        whole = super()._take_letter()
        if whole and len(self._entries) > kept:
            verdict = self._temper.after_the_dot(recipients[0].decode("ascii"))
            if verdict is not None:
                self._entries.pop()
                self._replies[self._awaiting.pop()] = verdict
                if verdict.startswith(b"421"):
                    self._close(b"")
        return whole


class MoodyRelay:
    """The relay, listening in the loop of `lines`."""

    def __init__(self, lines: Lines, port: int, path: Path) -> None:
        self.port = port
        self.temper = Temper()
        self._lines, self._mbox = lines, Mbox(path)
        self._sessions: set[Session] = set()
        lines.run(self._listen())

    async def _listen(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: MoodySession(self._mbox, self._sessions, self.temper), HOST, self.port, backlog=256
        )

    def be(self, mood: Mood) -> None:
        """Change the mood; what was held back is looked at."""
        self._lines.run(self._be(mood))

    async def _be(self, mood: Mood) -> None:
        self.temper.mood = mood
        for session in list(self._sessions):
            assert isinstance(session, MoodySession)
            if mood is not Mood.STALLED:
                session.let_go()

    def close(self) -> None:
        """Take no more letters."""
        self._lines.run(self._close())

    async def _close(self) -> None:
        self._server.close()
        for session in list(self._sessions):
            session.end(b"421 4.3.2 shutting down\r\n")
        self._mbox.close()
