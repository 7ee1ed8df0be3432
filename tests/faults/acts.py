"""Seeing in the bytes between a client and its server that an act was asked for, and that it was answered.

A COMMIT at PostgreSQL, the final dot at a mail relay, a Produce at Kafka: one watch for each connection. Leaves to
`proxy` what is done about it; reads no further than it must, for it sees every byte that passes.
"""

from __future__ import annotations

import struct
from typing import Protocol

_COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"  # the simple query that asyncpg sends, always alone
_READY = b"Z\x00\x00\x00\x05"
_FINAL_DOT = b"\r\n.\r\n"
_PRODUCE = 0


class Watch(Protocol):
    """Watches one connection, portion by portion, in both directions, from its first byte."""

    def asked(self, portion: bytes) -> bool:
        """A portion from the client: whether with it an act has been asked for."""

    def answered(self, portion: bytes) -> bool:
        """A portion from the server: whether with it the last act asked for has been answered."""


class Commits:
    """PostgreSQL: `COMMIT;` as a simple query, answered when the server is ready for the next one."""

    def __init__(self) -> None:
        self._tail = b""

    def asked(self, portion: bytes) -> bool:
        self._tail = b""
        return portion.endswith(_COMMIT)

    def answered(self, portion: bytes) -> bool:
        seen = self._tail + portion
        self._tail = seen[-len(_READY) :]
        return _READY in seen


class FinalDots:
    """SMTP: the dot that ends a letter, answered by a line; what a client pipelines behind it may be in the portion."""

    def __init__(self) -> None:
        self._tail = b""

    def asked(self, portion: bytes) -> bool:
        seen = self._tail + portion
        dotted = _FINAL_DOT in seen
        # A dot that was seen is not seen again in what comes next.
        self._tail = b"" if dotted else seen[-len(_FINAL_DOT) + 1 :]
        return dotted

    def answered(self, portion: bytes) -> bool:
        return b"\n" in portion


class Produces:
    """Kafka: a Produce request, answered by the response with its correlation id."""

    def __init__(self) -> None:
        self._requests, self._responses = _Frames(8), _Frames(4)
        self._awaited = -1

    def asked(self, portion: bytes) -> bool:
        whole = [struct.unpack("!hhi", head) for head in self._requests.feed(portion)]
        produced = [correlation for key, _version, correlation in whole if key == _PRODUCE]
        if produced:
            self._awaited = produced[-1]
        return bool(produced)

    def answered(self, portion: bytes) -> bool:
        return self._awaited in [struct.unpack("!i", head)[0] for head in self._responses.feed(portion)]


class _Frames:
    """Frames with a length before them: the first octets of each, once it has come whole."""

    def __init__(self, head_octets: int) -> None:
        self._octets = head_octets
        self._head = b""
        self._left = 0  # octets of the frame still to come

    def feed(self, portion: bytes) -> list[bytes]:
        whole: list[bytes] = []
        at = 0
        while at < len(portion):
            if len(self._head) < 4 + self._octets:  # length and head, in whatever portions
                take = 4 + self._octets - len(self._head)
                self._head += portion[at : at + take]
                at += take
                if len(self._head) < 4 + self._octets:
                    break
                self._left = struct.unpack("!i", self._head[:4])[0] - self._octets
            passed = min(self._left, len(portion) - at)
            self._left -= passed
            at += passed
            if not self._left:
                whole.append(self._head[4:])
                self._head = b""
        return whole
