"""Rows of a CSV file in blocks, each row with the line that it starts on; the bytes, the header and the quoting.

Leaves to `csv_values` what the columns hold and to `csv_files` what becomes of a row. Memory is bounded by one block.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TextIO

from schemas.csv_errors import CsvError

Source = TextIO | str | PathLike[str]
Rows = Sequence[Sequence[str]]

ROWS_PER_BLOCK = 4096
_CHUNK_BYTES = 1024 * 1024
_LINE_BYTES_AT_MOST = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class BrokenFileError(ValueError):
    """The file cannot be taken apart beyond `line`; the message says why."""

    def __init__(self, line: int, problem: str, column: str | None = None, value: str | None = None) -> None:
        super().__init__(problem)
        self.line, self.problem, self.column, self.value = line, problem, column, value

    def in_file(self, file: str) -> CsvError:
        """The error as it is reported."""
        return CsvError(file, self.line, self.column, self.value, self.problem)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written; `quote` is None where nothing is quoted."""

    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    header_line: int = 1


@contextmanager
def opened(source: Source) -> Iterator[tuple[str, BinaryIO]]:
    """The file's name for messages, and its bytes; closes what it opened. Raises `OSError` as `open` does."""
    if isinstance(source, (str, PathLike)):
        with open(source, "rb") as file:
            yield Path(source).name, file
        return
    name = getattr(source, "name", None)
    shown = Path(name).name if isinstance(name, str) else "input"
    stream: BinaryIO | None = getattr(source, "buffer", None)
    # Text without bytes below it (a StringIO) is in memory already, whole.
    yield shown, stream or io.BytesIO(source.read().encode("utf-8", "surrogatepass"))


class Lines:
    """The lines of a stream of bytes, for `csv.reader`.

    `suspect` turns true for good once a chunk was not of the encoding or held a NUL byte. Such lines are passed on with
    the bytes that could not be read as lone surrogates, so that the row's reader finds out which column they are in.
    """

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._count = 0
        self.suspect = False

    def __iter__(self) -> Iterator[str]:
        for chunk in self._chunks() if self._encoding == "utf-8" else self._transcoded():
            try:
                text = chunk.decode("utf-8")
                self.suspect = self.suspect or b"\0" in chunk
            except UnicodeDecodeError:
                text = chunk.decode("utf-8", "surrogateescape")
                self.suspect = True
            if len(chunk) > _LINE_BYTES_AT_MOST and not chunk.endswith(b"\n"):
                raise BrokenFileError(
                    self._count + chunk.count(b"\n") + 1,
                    f"the line is longer than {_LINE_BYTES_AT_MOST} bytes: is it CSV?",
                )
            self._count += chunk.count(b"\n")
            # newline="\n": a line ends there and nowhere else, and nothing is translated.
            yield from io.StringIO(text, newline="\n")

    def _chunks(self) -> Iterator[bytes]:
        """Whole lines, about a chunk's worth at a time."""
        first = True
        while chunk := self._stream.read(_CHUNK_BYTES):
            if not chunk.endswith(b"\n"):
                chunk += self._stream.readline(_LINE_BYTES_AT_MOST)
            if first:
                if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise BrokenFileError(1, "the file is UTF-16: save it as UTF-8")
                chunk = chunk.removeprefix(_BOM)
                first = False
            yield chunk

    def _transcoded(self) -> Iterator[bytes]:
        """As `_chunks`, of another encoding. What is not of it stays the byte that it is, which UTF-8 is not either."""
        text = io.TextIOWrapper(self._stream, self._encoding, "surrogateescape", newline="\n")
        try:
            while chunk := text.read(_CHUNK_BYTES):
                if not chunk.endswith("\n"):
                    chunk += text.readline(_LINE_BYTES_AT_MOST)
                yield chunk.encode("utf-8", "surrogateescape")
        except UnicodeError:  # of UTF-16: a byte by itself is no character's
            raise BrokenFileError(self._count + 1, f"the file is not {self._encoding} from here on") from None
        finally:
            if not self._stream.closed:  # it is for whoever opened it to close
                text.detach()


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows in the order of the file; `line` is where the first of them starts."""

    line: int
    rows: Rows

    def numbered(self) -> Iterator[tuple[int, Sequence[str]]]:
        """Each row that is not a blank line, with the line that it starts on."""
        line = self.line
        for row in self.rows:
            if row:
                yield line, row
            line += 1 + sum(value.count("\n") for value in row)


class Table:
    """A CSV file, one row of which names the columns, the first one unless the dialect says otherwise.

    `columns` gives the names as the file orders them. Raises `BrokenFileError` when there are none, or later where the
    quoting breaks.
    """

    def __init__(self, stream: BinaryIO, dialect: Dialect) -> None:
        self._lines = Lines(stream, dialect.encoding)
        self._above = dialect.header_line - 1
        lines = iter(self._lines)
        for _ in islice(lines, self._above):
            pass
        self._reader = csv.reader(
            lines,
            strict=True,
            delimiter=dialect.delimiter,
            quotechar=dialect.quote,
            quoting=csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL,
        )
        try:
            self.columns = tuple(next(self._reader, ()))
        except csv.Error as error:
            raise BrokenFileError(dialect.header_line, _quoting(error)) from error
        if any("\0" in name for name in self.columns):
            raise BrokenFileError(dialect.header_line, "the header has NUL bytes: is the file UTF-16? Save it as UTF-8")

    @property
    def suspect(self) -> bool:
        """Some bytes so far were not UTF-8, or NUL: look at each value."""
        return self._lines.suspect

    def blocks(self) -> Iterator[Block]:
        """The rows after the header. What stood before a break in the quoting comes before the error is raised."""
        while True:
            line = self._above + self._reader.line_num + 1
            rows: list[list[str]] = []
            broken = None
            try:
                for row in islice(self._reader, ROWS_PER_BLOCK):
                    rows.append(row)
            except csv.Error as error:
                broken = error
            block = Block(line, rows)
            if rows:
                yield block
            if broken is not None:
                last = line + sum(1 + sum(value.count("\n") for value in row) for row in rows)
                raise BrokenFileError(last, _quoting(broken))
            if len(rows) < ROWS_PER_BLOCK:
                return


def check_header(header: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises `BrokenFileError` unless the header has exactly these columns, in whatever order."""
    if not header:
        raise BrokenFileError(1, f"there is no header: the first line names the columns, {','.join(wanted)}")
    unknown = [name for name in header if name not in wanted]
    missing = [name for name in wanted if name not in header]
    if unknown and len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise BrokenFileError(1, "the header is one column: separate the columns by commas", value=header[0])
    if unknown:
        raise BrokenFileError(1, _stranger(unknown[0], missing, wanted), unknown[0])
    if missing:
        raise BrokenFileError(1, f"the column is missing: the header has {','.join(header)}", missing[0])
    for name in header:
        if header.count(name) > 1:
            raise BrokenFileError(1, "the column is there twice", name)


def _stranger(name: str, missing: Sequence[str], wanted: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.strip().lower(), missing, n=1)
    if near:
        return f"there is no such column: is it {near[0]}?"
    return f"there is no such column: leave it out, the columns are {','.join(wanted)}"


def _quoting(error: csv.Error) -> str:
    said = str(error)
    if "unexpected end of data" in said:
        return 'a quoted value that starts in this row has no closing ": close it'
    if "new-line character" in said:
        return "a carriage return stands alone: end lines with LF or CR LF, or quote the value"
    if "expected after" in said:
        return 'text follows a closing quote: write " inside a quoted value as ""'
    if "field limit" in said:
        return f"a value is longer than {csv.field_size_limit()} characters: is a closing quote missing?"
    return f"this row is no CSV ({said})"
