"""What a relay's replies are and what they mean for a letter: pure, no socket.

Leaves to `smtp` which reply belongs to which command.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from services.notifications.domain import Deferred, Failed, InDoubt, Result, Sent

REPLY_OCTETS_AT_MOST = 64 * 1024
NOTE_CHARACTERS = 500

# 5xx replies to MAIL or DATA that speak of the session (syntax, sequence, authentication) and not of the letter: a
# relay that is set up wrongly must not fail a million letters.
_OF_THE_SESSION = frozenset((500, 501, 502, 503, 504, 530, 534, 535, 538))


class Step(IntEnum):
    """What a reply is awaited to."""

    GREETING = 1
    EHLO = 2
    HELO = 3
    MAIL = 4
    RCPT = 5
    DATA = 6
    DOT = 7
    LONE_DOT = 8
    RSET = 9
    QUIT = 10


class Reply(NamedTuple):
    """A whole reply: its code and its lines as they came."""

    code: int
    text: bytes

    @property
    def note(self) -> str:
        """The reply on one line of printable text, as it is kept with the letter."""
        line = " ".join(self.text[: 4 * NOTE_CHARACTERS].decode("utf-8", "replace").split())
        if not line.isprintable():
            line = "".join(char for char in line if char.isprintable())
        return line[:NOTE_CHARACTERS]


class NoReplyError(Exception):
    """The relay said something that is no reply of SMTP, or a reply without an end."""


class Replies:
    """Puts replies together from whatever portions the socket gives."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self._rest = b""
        self._lines: list[bytes] = []
        self._octets = 0

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are now whole. Raises NoReplyError."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        whole = []
        for line in lines:
            code, mark = line[:3], line[3:4]
            if len(code) != 3 or not code.isdigit() or mark not in b" -\r":
                raise NoReplyError(f"no reply of SMTP: {Reply(0, line).note}")
            if mark == b"-":
                self._lines.append(line)
                self._octets += len(line)
            elif self._lines:
                whole.append(Reply(int(code), b"\n".join((*self._lines, line))))
                self._lines, self._octets = [], 0
            else:
                whole.append(Reply(int(code), line))
        if self._octets + len(self._rest) > REPLY_OCTETS_AT_MOST:
            raise NoReplyError(f"a reply of more than {REPLY_OCTETS_AT_MOST} octets")
        return whole


class Offer(NamedTuple):
    """What a relay's reply to EHLO offers, of what we can use."""

    pipelining: bool = False
    eight_bit: bool = False


def offer_of(ehlo: Reply) -> Offer:
    """The extensions that a reply to EHLO offers."""
    words = {
        line[4:].decode("ascii", "replace").strip().partition(" ")[0].upper() for line in ehlo.text.split(b"\n")[1:]
    }
    return Offer("PIPELINING" in words, "8BITMIME" in words)


def after_the_dot(reply: Reply) -> Result:
    """What the reply to a letter's final dot makes of it."""
    if 200 <= reply.code < 300:
        return Sent(reply.note)
    if 400 <= reply.code < 500:
        return Deferred(reply.note)
    if 500 <= reply.code < 600:
        return Failed(reply.note)
    return InDoubt(f"a reply that fits no final dot: {reply.note}")


def before_the_dot(step: Step, reply: Reply) -> Result:
    """What a refusal of MAIL, RCPT or DATA makes of a letter: nothing of it was sent, so it is never in doubt."""
    if not 500 <= reply.code < 600:
        return Deferred(reply.note)
    if step is not Step.RCPT and reply.code in _OF_THE_SESSION:
        return Deferred(reply.note)
    return Failed(reply.note)
