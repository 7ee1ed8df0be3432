"""Records whose headers have names that are no UTF-8: a producer in C can write them, and aiokafka's reader falls.

It falls in the midst of a fetch, for every member of the group, and would for ever: nothing behind such a record would
be read again. Here its batch is read once more, by aiokafka's slower reader in Python, with the name's odd bytes
written out as text. Leaves it to the decoder what the record is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_PLAIN = MemoryRecords


class _Octets(bytearray):
    """Bytes that can always be read as text."""

    def __getitem__(self, at: Any) -> Any:
        got = super().__getitem__(at)
        return _Octets(got) if isinstance(at, slice) else got

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class _Batch:
    """A batch of records; what is asked of it beside them, the library's own batch answers."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch, self._raw = batch, raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except UnicodeDecodeError:
            again = _DefaultRecordBatchPy(self._raw)
            again._maybe_uncompress()
            again._buffer = _Octets(again._buffer)
            yield from again  # from its start: whoever reads skips the offsets that he has had


class LenientRecords:
    """What was fetched of a partition: as aiokafka's `MemoryRecords`, and every batch of it can be read."""

    def __init__(self, raw: bytes) -> None:
        self._records, self._raw, self._at = _PLAIN(raw), memoryview(raw), 0

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        return bool(self._records.has_next())

    def size_in_bytes(self) -> int:
        """The size of all that was fetched."""
        return int(self._records.size_in_bytes())

    def next_batch(self) -> Any:
        """The next batch; None when there is none."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        length = 12 + int.from_bytes(self._raw[self._at + 8 : self._at + 12], "big")
        raw = self._raw[self._at : self._at + length]
        self._at += length
        return _Batch(batch, raw)


def install() -> None:
    """Let this process's consumers read so."""
    fetcher.MemoryRecords = LenientRecords
