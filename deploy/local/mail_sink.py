"""A mail server that keeps every letter in an mbox, fast enough not to be what is measured.

SMTP (RFC 5321) with PIPELINING (RFC 2920), 8BITMIME and SIZE, on one core. A letter is answered with 250 only after
its bytes were handed to the kernel. It delivers nothing, knows no TLS and no logins: it listens on this machine only.

How a letter stands in the file is `mbox`'s matter.

    python -m deploy.local.mail_sink --port PORT --mbox FILE
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import time
from enum import Enum
from pathlib import Path
from typing import cast

import uvloop

from deploy.local.mbox import Mbox

MAX_LETTER_BYTES = 10 * 1024 * 1024
MAX_LINE_BYTES = 2048
MAX_RECIPIENTS = 100
MAX_ERRORS = 20
MAX_CONNECTIONS = 500
IDLE_SECONDS = 300

END_OF_DATA = b"\r\n.\r\n"
_PATH = rb"<([^<>\x00-\x20\x7f-\xff]{0,320})>"
# MAIL, one RCPT and DATA in one piece: what a pipelining client sends for nearly every letter.
_TRANSACTION = re.compile(
    rb"MAIL FROM:" + _PATH + rb"(?: BODY=8BITMIME| BODY=7BIT)?\r\nRCPT TO:" + _PATH + rb"\r\nDATA\r\n"
)
_MAIL = re.compile(rb"MAIL FROM: ?" + _PATH + rb"((?: [A-Z0-9=-]+)*) *", re.IGNORECASE)
_RCPT = re.compile(rb"RCPT TO: ?" + _PATH + rb" *", re.IGNORECASE)
_SIZE = re.compile(rb" SIZE=(\d{1,20})(?= |$)", re.IGNORECASE)
_PARAMETER = re.compile(rb"(?: (?:BODY=(?:7BIT|8BITMIME)|SIZE=\d{1,20}))*", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

_OK = b"250 2.0.0 OK\r\n"
_TOO_BIG = b"552 5.3.4 message too big\r\n"
_SEND_DATA = b"354 end with <CRLF>.<CRLF>\r\n"
_READY_FOR_DATA = b"250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n" + _SEND_DATA
_EHLO = (
    b"250-mail-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE %d\r\n" % MAX_LETTER_BYTES
)


class _State(Enum):
    COMMAND = 1
    DATA = 2
    DISCARD = 3
    CLOSED = 4


class Session(asyncio.Protocol):
    """One client's connection. Replies to what came in one piece go out in one piece, after its letters are kept."""

    def __init__(self, mbox: Mbox, sessions: set[Session]) -> None:
        self._mbox = mbox
        self._sessions = sessions
        self._buffer: bytes | bytearray = b""
        self._taken = 0
        self._searched = 0
        self._state = _State.COMMAND
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self._replies: list[bytes] = []
        self._entries: list[bytes] = []
        self._awaiting: list[int] = []
        self._errors = 0
        self.last_heard = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are transports in all but name.
        self._transport = cast(asyncio.Transport, transport)
        self._sessions.add(self)
        if len(self._sessions) > MAX_CONNECTIONS:
            self._close(b"421 4.7.0 too many connections\r\n")
            self._flush()
        else:
            self._transport.write(b"220 mail-sink ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._sessions.discard(self)

    def pause_writing(self) -> None:
        # A client that does not read its replies is not listened to.
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def end(self, reply: bytes) -> None:
        """Say goodbye and close."""
        self._close(reply)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.last_heard = time.monotonic()
        if not self._buffer:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer + data)
        while self._state is not _State.CLOSED:
            more = self._take_letter() if self._state in (_State.DATA, _State.DISCARD) else self._take_command()
            if not more:
                break
        self._forget()
        self._flush()

    def _forget(self) -> None:
        """Drop what was dealt with. A piece that came whole, as nearly all do, is never copied."""
        taken, self._taken = self._taken, 0
        self._searched = max(0, self._searched - taken)
        if taken >= len(self._buffer):
            self._buffer = b""
        elif isinstance(self._buffer, bytearray):
            del self._buffer[:taken]
        elif taken:
            self._buffer = self._buffer[taken:]

    def _flush(self) -> None:
        if self._entries:
            try:
                self._mbox.write(self._entries)
            except OSError:
                for index in self._awaiting:
                    self._replies[index] = b"452 4.3.1 the letter cannot be kept\r\n"
            self._entries.clear()
            self._awaiting.clear()
        if self._replies:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
        if self._state is _State.CLOSED:
            self._transport.close()

    def _take_letter(self) -> bool:
        """Take a letter's bytes up to its final dot; False if more must come first."""
        buffer, start = self._buffer, self._taken
        end, after, stuffed = self._final_dot()
        if end < 0:
            # The final dot may have come in part.
            self._searched = max(start, len(buffer) - len(END_OF_DATA) + 1)
            if self._state is _State.DISCARD or self._searched - start > MAX_LETTER_BYTES:
                self._state, self._taken = _State.DISCARD, self._searched
            return False
        if self._state is _State.DISCARD or end - start > MAX_LETTER_BYTES:
            self._replies.append(_TOO_BIG)
        else:
            letter = bytes(buffer[start:end])
            self._entries.append(self._mbox.entry(self._sender or b"", self._recipients, letter, stuffed))
            self._awaiting.append(len(self._replies))
            self._replies.append(_OK)
        self._taken, self._searched = after, 0
        self._reset()
        return True

    def _final_dot(self) -> tuple[int, int, bool]:
        """Where the letter ends (-1: not yet), where what follows it begins, whether a line may begin with a dot."""
        buffer, start = self._buffer, self._taken
        if self._state is _State.DATA and buffer.startswith(b".\r\n", start):
            return start, start + 3, False
        if self._searched > start or self._state is _State.DISCARD or buffer.startswith(b".", start):
            end = buffer.find(END_OF_DATA, max(start, self._searched))
            return end, end + len(END_OF_DATA), True
        # The first line that begins with a dot is nearly always the final one: then there is nothing to unstuff.
        dot = buffer.find(b"\r\n.", start)
        final = dot < 0 or buffer.startswith(b"\r\n", dot + 3)
        end = dot if final else buffer.find(END_OF_DATA, dot)
        return end, end + len(END_OF_DATA), not final

    def _take_command(self) -> bool:
        """Answer one command, or a whole MAIL–RCPT–DATA; False if more must come first."""
        buffer, start = self._buffer, self._taken
        if self._sender is None and (found := _TRANSACTION.match(buffer, start)) and found[2]:
            self._sender, self._recipients = bytes(found[1]), [bytes(found[2])]
            self._replies.append(_READY_FOR_DATA)
            self._state, self._taken = _State.DATA, found.end()
            return True
        end = buffer.find(b"\n", start, start + MAX_LINE_BYTES)
        if end < 0:
            if len(buffer) - start >= MAX_LINE_BYTES:
                self._close(b"500 5.5.2 line too long\r\n")
            return False
        line = bytes(buffer[start:end])
        self._taken = end + 1
        if not line.endswith(b"\r") or _CONTROL.search(line, 0, len(line) - 1):
            self._refuse(b"500 5.5.2 a line ends with CR LF and has no control characters\r\n")
        else:
            self._answer(line[:-1])
        return True

    def _answer(self, line: bytes) -> None:
        verb = line.split(b" ", 1)[0].upper()
        if verb == b"MAIL":
            self._mail(line)
        elif verb == b"RCPT":
            self._rcpt(line)
        elif verb == b"DATA" and not self._recipients:
            self._refuse(b"503 5.5.1 RCPT first\r\n")
        elif verb == b"DATA":
            self._replies.append(_SEND_DATA)
            self._state = _State.DATA
        elif verb in (b"EHLO", b"HELO"):
            self._reset()
            self._replies.append(_EHLO if verb == b"EHLO" else b"250 mail-sink\r\n")
        elif verb == b"RSET":
            self._reset()
            self._replies.append(_OK)
        elif verb == b"NOOP":
            self._replies.append(_OK)
        elif verb == b"QUIT":
            self._close(b"221 2.0.0 bye\r\n")
        else:
            self._refuse(b"502 5.5.1 no such command here\r\n")

    def _mail(self, line: bytes) -> None:
        found = _MAIL.fullmatch(line)
        size = _SIZE.search(found[2]) if found else None
        if self._sender is not None:
            self._refuse(b"503 5.5.1 one sender at a time\r\n")
        elif found is None:
            self._refuse(b"501 5.1.7 write MAIL FROM:<address>, in ASCII\r\n")
        elif not _PARAMETER.fullmatch(found[2]):
            self._refuse(b"555 5.5.4 parameter not known\r\n")
        elif size and int(size[1]) > MAX_LETTER_BYTES:
            self._refuse(_TOO_BIG)
        else:
            self._sender = found[1]
            self._replies.append(b"250 2.1.0 sender ok\r\n")

    def _rcpt(self, line: bytes) -> None:
        found = _RCPT.fullmatch(line)
        if self._sender is None:
            self._refuse(b"503 5.5.1 MAIL first\r\n")
        elif found is None or not found[1]:
            self._refuse(b"501 5.1.3 write RCPT TO:<address>, in ASCII\r\n")
        elif len(self._recipients) >= MAX_RECIPIENTS:
            self._refuse(b"452 4.5.3 too many recipients\r\n")
        else:
            self._recipients.append(found[1])
            self._replies.append(b"250 2.1.5 recipient ok\r\n")

    def _reset(self) -> None:
        self._state, self._sender, self._recipients = _State.COMMAND, None, []

    def _refuse(self, reply: bytes) -> None:
        self._replies.append(reply)
        self._errors += 1
        if self._errors >= MAX_ERRORS:
            self._close(b"421 4.7.0 too many errors\r\n")

    def _close(self, reply: bytes) -> None:
        self._replies.append(reply)
        self._state = _State.CLOSED


async def serve(host: str, port: int, path: Path) -> None:
    """Take mail until SIGTERM or SIGINT, then end the connections and return."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    mbox, sessions = Mbox(path), set[Session]()
    server = await loop.create_server(lambda: Session(mbox, sessions), host, port, backlog=256)
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), IDLE_SECONDS / 10)
        except TimeoutError:
            oldest = time.monotonic() - IDLE_SECONDS
            for session in [session for session in sessions if session.last_heard < oldest]:
                session.end(b"421 4.4.2 nothing heard for too long\r\n")
    server.close()
    for session in list(sessions):
        session.end(b"421 4.3.2 shutting down\r\n")
    mbox.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A mail server that keeps every letter in an mbox.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mbox", type=Path, required=True)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.host, arguments.port, arguments.mbox))


if __name__ == "__main__":
    main()
