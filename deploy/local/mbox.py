"""The file in which the mail sink keeps its letters.

It is of the kind "mboxrd": a line `From …`, after any number of `>`, gets one more `>`; lines end with LF. Before the
letter's own header each entry has `X-Envelope-To`, one for every recipient, and `X-Envelope-From`.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

_FROM_LINE = re.compile(rb"^(>*From )", re.MULTILINE)


class Mbox:
    """The file with the letters; only whole letters are ever in it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._second = -1
        self._date = b""

    def close(self) -> None:
        os.close(self._file)

    def entry(self, sender: bytes, recipients: list[bytes], letter: bytes, stuffed: bool) -> bytes:
        """One letter as it stands in the mbox.

        `letter` is what came between DATA and the final dot, as it came; `stuffed` is whether a line of it may
        begin with a dot, of which the first is then taken away.
        """
        if stuffed:
            letter = (b"\r\n" + letter).replace(b"\r\n.", b"\r\n")[2:]
        # Faster than `replace`, and a stray CR stays where it was.
        letter = b"\n".join(letter.split(b"\r\n"))
        if b"From " in letter:
            letter = _FROM_LINE.sub(rb">\1", letter)
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, time.asctime(time.gmtime(second)).encode()
        return b"From %s %s\nX-Envelope-To: %s\nX-Envelope-From: <%s>\n%s\n\n" % (
            sender or b"MAILER-DAEMON", self._date, b"\nX-Envelope-To: ".join(recipients), sender, letter,
        )  # fmt: skip

    def write(self, entries: list[bytes]) -> None:
        """Append; raises `OSError` if it cannot, and then none of `entries` is in the file."""
        content = b"".join(entries)
        written = os.write(self._file, content)
        if written == len(content):
            return
        start = os.lseek(self._file, 0, os.SEEK_CUR) - written
        try:
            while written < len(content):
                written += os.write(self._file, content[written:])
        except OSError:
            os.ftruncate(self._file, start)
            raise
