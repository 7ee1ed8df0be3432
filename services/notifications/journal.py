"""What a sender has begun and what it heard, on disk: so that after kill -9 only a handful of letters are in doubt.

An append-only file per worker, records of 17 octets (the letter's id and a mark), written with plain `os.write` and
no fsync: it outlives the process, not the machine. Its first record therefore names the machine's boot, and a journal
of another boot counts as lost. Says nothing of what follows from a mark: see `decide.recover`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from types import TracebackType
from uuid import UUID

from services.notifications.decide import Mark

RECORD_OCTETS = 17
COMPACT_ABOVE_OCTETS = 4 * 1024 * 1024

_STARTED, _ACCEPTED, _REFUSED, _BOOT = b"S", b"A", b"R", b"B"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MARKS = {_STARTED[0]: Mark.STARTED, _ACCEPTED[0]: Mark.ACCEPTED, _REFUSED[0]: Mark.REFUSED}
_WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class JournalError(Exception):
    """The journal is held by another process, or does not read as one."""


class DamagedJournalError(JournalError):
    """The file does not read as a journal: nothing that it says can be believed."""


class Journal:
    """The journal of one worker. Not for use by two threads.

    A reply's mark may wait in memory until the next letter starts or `flush` is called: a connection starts a letter
    only after the last one's reply, so still at most one letter per connection is without a reply on disk.
    """

    def __init__(self, path: Path, descriptor: int, marks: dict[bytes, bytes] | None) -> None:
        """For `open`: a locked file whose records are `marks`; None: it holds nothing that could be relied on."""
        self.path = path
        self._descriptor = descriptor
        self._marks = marks or {}
        self._begun = marks is not None
        self._unwritten = b""

    @staticmethod
    def file(folder: Path, worker_id: str) -> Path:
        """Where a worker's journal is. Raises ValueError for an id that is no plain file name."""
        if not _WORKER.fullmatch(worker_id):
            raise ValueError(f"{worker_id!r} is no worker id: write letters, digits, dots, dashes (64 at most)")
        return folder / f"{worker_id}.journal"

    @classmethod
    def open(cls, folder: Path, worker_id: str) -> Journal:
        """Open or make the journal; what it holds of this boot stays until it is forgotten or truncated.

        A new journal, or one of another boot, reads as None until the first `forget` or `started`: store what was
        recovered, then forget, then send. A torn last record is cut off, so that the next one stands where a reader
        looks for it. Raises JournalError if another process has it open, DamagedJournalError if it is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = cls.file(folder, worker_id)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino != path.stat().st_ino:
                raise BlockingIOError
            marks = _records(path)
            if marks is not None:
                size = os.fstat(descriptor).st_size
                os.ftruncate(descriptor, size - size % RECORD_OCTETS)
        except BlockingIOError as held:
            os.close(descriptor)
            raise JournalError(f"{path} is held by another process: is this worker already running?") from held
        except (JournalError, OSError):
            os.close(descriptor)
            raise
        return cls(path, descriptor, marks)

    @staticmethod
    def set_aside(folder: Path, worker_id: str) -> Path:
        """Move a damaged journal out of the way, kept for whoever wants to look at it; returns where it is now.

        Raises JournalError if another process has it open.
        """
        path = Journal.file(folder, worker_id)
        kept = next(at for n in count(1) if not (at := path.with_suffix(f".damaged-{n}")).exists())
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.rename(kept)
        except BlockingIOError as held:
            raise JournalError(f"{path} is held by another process: is this worker already running?") from held
        finally:
            os.close(descriptor)
        return kept

    @staticmethod
    def read(path: Path) -> dict[UUID, Mark] | None:
        """The last mark of each letter; None if there is no journal, or one that may have lost its end.

        Raises DamagedJournalError if it is damaged.
        """
        try:
            records = _records(path)
        except FileNotFoundError:
            return None
        if records is None:
            return None
        return {UUID(bytes=letter): _MARKS[mark[0]] for letter, mark in records.items()}

    def started(self, letter_id: UUID) -> None:
        """The letter's final dot is about to be handed to the socket: on disk when this returns.

        Raises OSError if it could not be written; the letter must not be sent then.
        """
        letter = letter_id.bytes
        before = self._unwritten
        self._append(letter, _STARTED)
        try:
            if not self._begun:
                self._begin()
            self.flush()
        except OSError:
            del self._marks[letter]
            self._unwritten = before
            raise

    def accepted(self, letter_id: UUID) -> None:
        """The relay took the letter."""
        self._append(letter_id.bytes, _ACCEPTED)

    def refused(self, letter_id: UUID) -> None:
        """The relay answered, and did not take the letter."""
        self._append(letter_id.bytes, _REFUSED)

    def flush(self) -> None:
        """Write what still waits in memory, in one call."""
        if not self._unwritten:
            return
        self._write(self._unwritten)
        self._unwritten = b""

    def forget(self, letter_ids: Iterable[UUID]) -> None:
        """The database knows what became of these letters: the journal need not."""
        for letter in letter_ids:
            self._marks.pop(letter.bytes, None)
        if not self._begun:
            self._begin()
        elif not self._marks:
            self._unwritten = b""
            os.ftruncate(self._descriptor, RECORD_OCTETS)
        elif os.fstat(self._descriptor).st_size > COMPACT_ABOVE_OCTETS:
            self._compact()

    def truncate(self) -> None:
        """The database knows everything: start anew. Raises JournalError while a letter is without a reply."""
        waiting = sum(mark == _STARTED for mark in self._marks.values())
        if waiting:
            raise JournalError(f"{waiting} letters of {self.path} are started and without a reply")
        self.forget([UUID(bytes=letter) for letter in self._marks])

    def close(self) -> None:
        """Write what waits and let go of the file."""
        try:
            self.flush()
        finally:
            os.close(self._descriptor)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        """Drop what cannot be relied on, and name this boot: from here on, what is not in the file was not started."""
        os.ftruncate(self._descriptor, 0)
        self._write(_boot() + _BOOT)
        self._begun = True

    def _write(self, records: bytes) -> None:
        written = os.write(self._descriptor, records)
        if written != len(records):
            # A full disk: take the part back, or every later record would stand askew.
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def _append(self, letter: bytes, mark: bytes) -> None:
        self._marks[letter] = mark
        self._unwritten += letter + mark

    def _compact(self) -> None:
        """Put a file with only the unforgotten marks in this one's place; a death in between leaves the old one.

        Raises OSError if it could not be done.
        """
        fresh = self.path.with_suffix(".fresh")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            records = _boot() + _BOOT + b"".join(letter + mark for letter, mark in self._marks.items())
            if os.write(descriptor, records) != len(records):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(fresh))
            fresh.replace(self.path)
        finally:
            # Whatever has failed: marks go into the file that a reader will find, and the other one holds no lock.
            if os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                self._descriptor, descriptor = descriptor, self._descriptor
                self._unwritten = b""
            os.close(descriptor)


def _boot() -> bytes:
    """Which boot of the machine this is; 16 zeros where the system does not say."""
    try:
        return UUID(_BOOT_ID.read_text().strip()).bytes
    except (FileNotFoundError, ValueError):
        return bytes(16)


def _records(path: Path) -> dict[bytes, bytes] | None:
    """The last mark of each letter, or None without a first record of this boot.

    A torn last record is passed over; anything else that is no record is damage.
    """
    content = path.read_bytes()
    if content[:RECORD_OCTETS] != _boot() + _BOOT:
        return None
    marks: dict[bytes, bytes] = {}
    for start in range(RECORD_OCTETS, len(content) - RECORD_OCTETS + 1, RECORD_OCTETS):
        mark = content[start + 16 : start + RECORD_OCTETS]
        if mark[0] not in _MARKS:
            raise DamagedJournalError(f"{path} is damaged at octet {start + 16}: {mark!r} is no mark")
        marks[content[start : start + 16]] = mark
    return marks
