"""What a connection to the relay works with: where the relay is, the letters, the desk they lie on, the journal.

Says what a letter's envelope may hold and how its octets go on the wire. Leaves the conversation to `smtp`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID

from services.notifications.domain import Result
from services.notifications.replies import Offer

_MAILBOX = re.compile(r"[!#-;=?A-~]+@[!#-;=?A-Z^-~]+", re.ASCII)
_MAILBOX_OCTETS = 254
_LEADING_DOT = re.compile(rb"\n\.")  # half the time of the `in` operator on a letter's length


class Mail(NamedTuple):
    """A letter ready to go: its id, the envelope, and its octets with CRLF lines, no dot stuffed."""

    letter_id: UUID
    sender: str
    recipient: str
    data: bytes


class Marks(Protocol):
    """What a connection tells the journal; `started` has stored it when it returns, or raises OSError."""

    def started(self, letter_id: UUID) -> None:
        """The final dot is about to be handed over."""

    def accepted(self, letter_id: UUID) -> None:
        """The relay took the letter."""

    def refused(self, letter_id: UUID) -> None:
        """The relay answered and did not take it."""

    def flush(self) -> None:
        """Store what was told."""


class Desk(Protocol):
    """Where a connection fetches letters and hands in results."""

    def pull(self) -> Mail | None:
        """The next letter, or None when there is none now."""

    def settle(self, mail: Mail, result: Result) -> None:
        """What became of a letter: said exactly once of each letter pulled."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long to wait, in seconds: for a connection with its greeting, for a reply, for the reply to a final dot."""

    connect: float = 15.0
    reply: float = 60.0
    dot: float = 120.0


@dataclass(frozen=True, slots=True)
class Relay:
    """Where the letters go, by which name we greet, and how a letter is put in 7 bits for want of 8BITMIME."""

    host: str
    port: int
    name: str = "localhost"
    deadlines: Deadlines = field(default_factory=Deadlines)
    seven_bit: Callable[[bytes], bytes] | None = None


class UnreachableError(Exception):
    """No session could be opened: refused, no greeting in time, a 4xx or 5xx to the greeting or EHLO."""


class Watchman:
    """Watches one deadline that is put off again and again, with one timer that looks again when it rings."""

    def __init__(self, late: Callable[[], None]) -> None:
        """`late` is called once the deadline has passed."""
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._due = self._rings_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, seconds: float) -> None:
        """Set the deadline, that many seconds from now."""
        self._due = self._loop.time() + seconds
        if self._timer is None or self._due < self._rings_at:
            self.dismiss()
            self._set()

    def dismiss(self) -> None:
        """There is nothing to wait for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self._rings_at = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() < self._due:
            self._set()
        else:
            self._late()


def envelope(mail: Mail, offer: Offer) -> list[str]:
    """The commands of a letter's envelope. No SIZE: a letter is small, and a relay says 552 to a large one anyway."""
    body = " BODY=8BITMIME" if offer.eight_bit else ""
    return [f"MAIL FROM:<{mail.sender}>{body}\r\n", f"RCPT TO:<{mail.recipient}>\r\n", "DATA\r\n"]


def is_mailbox(address: str) -> bool:
    """Whether it can stand between angle brackets: no space, control character, bracket, quote, or second line."""
    return len(address) <= _MAILBOX_OCTETS and _MAILBOX.fullmatch(address) is not None


def stuffed(data: bytes) -> bytes:
    """The message with its leading dots doubled (RFC 5321, 4.5.2)."""
    if _LEADING_DOT.search(data):
        data = data.replace(b"\n.", b"\n..")
    return b"." + data if data.startswith(b".") else data
