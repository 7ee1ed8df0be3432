"""One CSV file being read: a block at a time while all is well, row by row where something is wrong.

The two ways share the readings of the values and the event's model, so they cannot disagree on what is right.
Leaves to `csv_files` which columns there are, to `csv_rows` where the rows come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from schemas.csv_errors import ERRORS_AT_MOST, CsvError, CsvErrors, UnreadableError
from schemas.csv_rows import Block, BrokenFileError, Dialect, Source, Table, check_header, opened
from schemas.csv_values import Field
from schemas.values import Value

Event = TypeVar("Event", bound=Value)


@dataclass(frozen=True, slots=True)
class Layout(Generic[Event]):
    """What a kind of file holds; the first field is the one that no two rows share."""

    model: type[Event]
    fields: tuple[Field, ...]
    wrong: Callable[[Event], tuple[str, str] | None]
    """The column and the problem of an event whose values do not go together; None when they do."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that the header has, in whatever order."""
        return tuple(column for field in self.fields for column in field.columns)


class Reading(Generic[Event]):
    """One file being read: a block at a time, or row by row where something in the block is wrong."""

    dialect = Dialect()

    def __init__(self, name: str, layout: Layout[Event]) -> None:
        self._name = name
        self._layout = layout
        self._many = TypeAdapter(list[layout.model])  # type: ignore[name-defined]  # the model is known at run time
        self._readings = [field.readings() if field.readings else None for field in layout.fields]
        self._names = tuple(field.name for field in layout.fields)
        self._seen: set[str] = set()
        self._twice: dict[int, str] = {}
        self.errors: list[CsvError] = []

    def arrange(self, columns: Sequence[str]) -> None:
        """Takes note of the order in which the file has its columns; raises `BrokenFileError` for the wrong ones."""
        check_header(columns, self._layout.columns)
        self._place(columns)

    def _place(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._at = [tuple(columns.index(column) for column in field.columns) for field in self._layout.fields]

    @property
    def full(self) -> bool:
        """So many errors that the file is given up."""
        return len(self.errors) >= ERRORS_AT_MOST

    @property
    def has_duplicates(self) -> bool:
        """Some errors are duplicates whose first line has still to be named."""
        return bool(self._twice)

    def block(self, block: Block, careful: bool) -> list[Event]:
        """The block's events; none, and more `errors`, when something in it or before it is wrong."""
        events = None if careful or self.errors else self._at_once(block)
        if events is None:
            events = [event for line, row in block.numbered() if (event := self._row(line, row)) is not None]
        return events

    def _at_once(self, block: Block) -> list[Event] | None:
        """The events of a block in which all is well, else None."""
        try:
            values = list(zip(*block.rows, strict=True))
        except ValueError:
            return None
        return self._of_columns(values) if len(values) == len(self._columns) else None

    def _of_columns(self, values: Sequence[Sequence[str]]) -> list[Event] | None:
        """The events of values by column in which all is well, else None: one validation for all."""
        try:
            keys = values[self._at[0][0]]
            events: list[Event] = self._many.validate_python(
                [dict(zip(self._names, row, strict=True)) for row in zip(*self._converted(values), strict=True)]
            )
        except (ValueError, ValidationError):
            return None
        fresh = set(keys)
        if len(fresh) != len(keys) or not self._seen.isdisjoint(fresh) or any(map(self._layout.wrong, events)):
            return None
        self._seen |= fresh
        return events

    def _converted(self, values: Sequence[Sequence[str]]) -> Iterator[Sequence[Any]]:
        for at, readings in zip(self._at, self._readings, strict=True):
            raw: Sequence[Any] = values[at[0]] if len(at) == 1 else list(zip(*(values[i] for i in at), strict=True))
            yield raw if readings is None else [readings[value] for value in raw]

    def _row(self, line: int, row: Sequence[str]) -> Event | None:
        """The event of one row; None, and more `errors`, when something in it is wrong."""
        if self.full:
            return None
        before = len(self.errors)
        if not self._is_as_long(line, row, len(self._columns)):
            return None
        self._check_bytes(line, row)
        if len(self.errors) > before:
            return None
        self._check_key(line, row)
        data: dict[str, Any] = {}
        for field, at, readings in zip(self._layout.fields, self._at, self._readings, strict=True):
            raw = row[at[0]] if len(at) == 1 else tuple(row[i] for i in at)
            try:
                data[field.name] = raw if readings is None else readings[raw]
            except UnreadableError as error:
                self._add(line, row, error.column or field.columns[0], error.problem)
        event = self._validated(line, row, data)
        if event is not None and (wrong := self._layout.wrong(event)) is not None:
            self._add(line, row, *wrong)
        return event if len(self.errors) == before else None

    def _is_as_long(self, line: int, row: Sequence[str], columns: int) -> bool:
        """Whether a row has as many values as the header has columns; `errors` say so when not."""
        if len(row) == columns:
            return True
        mark = {",": "comma", "\t": "tab"}.get(self.dialect.delimiter, self.dialect.delimiter)
        hint = f": quote a value that has a {mark} in it" if len(row) > columns else ""
        problem = f"the row has {len(row)} values, the header {columns} columns{hint}"
        self.errors.append(CsvError(self._name, line, None, None, problem))
        return False

    def _validated(self, line: int, row: Sequence[str], data: dict[str, Any]) -> Event | None:
        try:
            return self._layout.model.model_validate(data)
        except ValidationError as invalid:
            for error in invalid.errors():
                column = str(error["loc"][0])
                if column in data:  # what could not even be read was reported before
                    self._add(line, row, column, _in_plain_words(error["type"], error["msg"], error.get("ctx", {})))
            return None

    def _check_bytes(self, line: int, row: Sequence[str]) -> None:
        for column, value in zip(self._columns, row, strict=True):
            if (problem := strange(value)) is not None:
                self._add(line, row, column, problem)

    def _check_key(self, line: int, row: Sequence[str]) -> None:
        key = row[self._at[0][0]]
        if key in self._seen:
            before = len(self.errors)
            self._add(line, row, self._columns[self._at[0][0]], "is there twice: an earlier line has it already")
            if len(self.errors) > before:
                self._twice[before] = key
        elif key:
            self._seen.add(key)

    def _add(self, line: int, row: Sequence[str], column: str, problem: str) -> None:
        at = self._columns.index(column)
        first = line + sum(value.count("\n") for value in row[:at])
        if not self.full:
            self.errors.append(CsvError(self._name, first, column, row[at], problem))

    def name_first_lines(self, again: Table) -> None:
        """Adds to each duplicate the line where its id stands first, from the same file read once more.

        The lines of millions of ids are not kept for the one file that has a duplicate.
        """
        wanted = set(self._twice.values())
        first: dict[str, int] = {}
        for line, key in self._keys(again):
            if key in wanted:
                first[key] = line
                wanted.remove(key)
                if not wanted:
                    break
        for at, key in self._twice.items():
            problem = self.errors[at].problem.replace("an earlier line has it", f"line {first[key]} has it")
            self.errors[at] = replace(self.errors[at], problem=problem)

    def _keys(self, table: Table) -> Iterator[tuple[int, str]]:
        """The ids of the file, each with its line."""
        for block in table.blocks():
            for line, row in block.numbered():
                yield line, row[self._at[0][0]] if len(row) == len(self._columns) else ""


def read_all(source: Source, reading_of: Callable[[str], Reading[Event]]) -> Iterator[Event]:
    """What a file stands for, in its order; `reading_of` makes the reading of a file of this name.

    Raises `CsvErrors` at the end of a file in which anything is wrong, or after `ERRORS_AT_MOST` errors.
    """
    with opened(source) as (name, stream):
        reading = reading_of(name)
        stopped = False
        try:
            table = Table(stream, reading.dialect)
            reading.arrange(table.columns)
            stopped = bool(reading.errors)
            for block in () if stopped else table.blocks():
                events = reading.block(block, careful=table.suspect)
                if not reading.errors:
                    yield from events
                if reading.full:
                    stopped = True
                    break
        except BrokenFileError as broken:
            reading.errors.append(broken.in_file(name))
            stopped = True
        if reading.errors:
            if reading.has_duplicates and stream.seekable():
                stream.seek(0)
                reading.name_first_lines(Table(stream, reading.dialect))
            raise CsvErrors(tuple(reading.errors), stopped)


def strange(value: str, encoding: str = "utf-8") -> str | None:
    """What is wrong with the bytes of a value, if anything: they are not of the encoding, or NUL."""
    for character in value:
        if "\udc80" <= character <= "\udcff":
            byte = ord(character) - 0xDC00
            right = "save the file as UTF-8" if encoding == "utf-8" else "name the file's own encoding in the map"
            return f"has a byte (0x{byte:02X}) that is not {encoding.upper()}: {right}"
    return "has a NUL byte: remove it" if "\0" in value else None


def _in_plain_words(kind: str, message: str, limits: dict[str, Any]) -> str:
    """What the event model says of a text, as the end of a sentence."""
    if kind == "string_too_short":
        return "is empty: write a value"
    if kind == "string_too_long":
        return f"is longer than {limits['max_length']} characters"
    if kind == "string_pattern_mismatch":
        return "is no identifier: write it without blanks and control characters"
    return f"is not right: {message}"
