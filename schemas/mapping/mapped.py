"""A provider's own CSV export, read by a map into the contracts or customers that it stands for.

Each row makes the rows of a contracts.csv (or customers.csv) that a script would have written, and those are read as
that file is: the same values, the same checks. Only what is said of a bad one differs: it names the line and the
columns of the file that was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas.csv_errors import CsvError, shown
from schemas.csv_files import CONTRACTS, CUSTOMERS
from schemas.csv_reading import Event, Layout, Reading, read_all, strange
from schemas.csv_rows import Block, Source, Table
from schemas.events import ContractChanged, CustomerChanged
from schemas.mapping.columns import Columns, UnfitError, raw_columns
from schemas.mapping.header import dialect_of, flaws_of_header, read_columns, spare_columns
from schemas.mapping.language import ContractMap, CustomerMap, Map
from schemas.mapping.plan import Batch, prepared

_NAMED_AT_MOST = 4
"""A value made of more columns than these is not blamed on any."""


@dataclass(slots=True)
class Counts:
    """What has become of a file's rows so far."""

    rows: int = 0
    """Rows read; blank ones are none."""
    left_out: int = 0
    """Rows for which the map's `only` does not hold."""
    without: int = 0
    """Rows of which nothing was made: no condition held."""
    repeated: int = 0
    """Customers made once more, just the same."""
    made: dict[str, int] = field(default_factory=dict)
    """By the name that the map gives them."""


def mapped_contracts(file: Source, mapping: ContractMap, counts: Counts) -> Iterator[ContractChanged]:
    """The contracts that a map makes of a file, in the order of the rows and then of the map.

    `counts` is kept up to date, a block of rows ahead of what has come out. Raises as `read_contracts` does.
    """
    return read_all(file, lambda name: _Mapped(name, CONTRACTS, mapping, counts))


def mapped_customers(file: Source, mapping: CustomerMap, counts: Counts) -> Iterator[CustomerChanged]:
    """The customers that a map makes of a file. As `mapped_contracts`."""
    return read_all(file, lambda name: _Mapped(name, CUSTOMERS, mapping, counts))


class _Mapped(Reading[Event]):
    """The reading of one file by a map."""

    def __init__(self, name: str, layout: Layout[Event], mapping: Map, counts: Counts) -> None:
        super().__init__(name, layout)
        self.dialect = dialect_of(mapping.file)
        self._place(layout.columns)
        self._map = mapping
        self._empty = frozenset(mapping.reading.empty)
        self._counts = counts
        once = isinstance(mapping, CustomerMap) and mapping.repeated == "once"
        self._once: dict[str, int] | None = {} if once else None

    def arrange(self, columns: Sequence[str]) -> None:
        """Finds the map's columns in the header; `errors` tell of those that are missing, or left over."""
        self._header = tuple(name.strip() for name in columns)
        self._header_at = {name: at for at, name in enumerate(self._header) if name}
        for column, problem in flaws_of_header(self._map, self._header):
            if not self.full:
                self.errors.append(CsvError(self._name, self.dialect.header_line, column, None, problem))
        others = spare_columns(self._map, self._header) if self._map.other_columns == "attributes" else []
        self._looked_at = {*read_columns(self._map), *others}
        self._plan = prepared(self._map, self._layout.columns, others)

    # ── a block in which all is well ─────────────────────────────────────────────────────────────────────────────

    def block(self, block: Block, careful: bool) -> list[Event]:
        """The events that a block's rows make; none, and more `errors`, when something is wrong."""
        if self.full:
            return []
        events = None if careful else self._at_once(block)
        if events is None:
            events = [event for line, row in block.numbered() for event in self._of_row(line, row)]
        return events

    def _at_once(self, block: Block) -> list[Event] | None:
        rows = [row for row in block.rows if any(row)]
        if not rows:
            return []
        try:
            values = list(zip(*rows, strict=True))
            if len(values) != len(self._header):
                return None
            batch = self._plan.batch(self._cleaned(values))
        except ValueError:
            return None
        repeats = self._repeats(batch)
        kept = _leaving_out(batch, repeats) if repeats else batch
        events = self._of_columns(kept.values)
        if events is None:
            return None
        self._count(batch, len(rows), len(repeats))
        order = sorted(range(len(events)), key=kept.rows.__getitem__)
        return [events[at] for at in order]

    def _cleaned(self, values: Sequence[Sequence[str]]) -> Columns:
        return raw_columns(values, self._header_at, self._empty)

    def _count(self, batch: Batch, rows: int, repeats: int) -> None:
        if self._once is not None:
            self._once |= _told(batch)
        counts = self._counts
        counts.rows += rows
        counts.left_out += batch.left_out
        counts.without += rows - batch.left_out - len(set(batch.rows))
        counts.repeated += repeats
        for kind, made in enumerate(self._plan.made):
            counts.made[made.name] = counts.made.get(made.name, 0) + batch.kinds.count(kind)

    def _repeats(self, batch: Batch) -> set[int]:
        """Those that were made before, just the same: one with other words is left in, to be refused."""
        if self._once is None:
            return set()
        fresh: dict[str, int] = {}
        repeats: set[int] = set()
        for at, row in enumerate(zip(*batch.values, strict=True)):
            said = hash(row)
            if self._once.get(row[0], fresh.get(row[0])) == said:
                repeats.add(at)
            else:
                fresh.setdefault(row[0], said)
        return repeats

    # ── a row in which something may be wrong ────────────────────────────────────────────────────────────────────

    def _of_row(self, line: int, row: Sequence[str]) -> Iterator[Event]:
        """The events of one row; none, and more `errors`, when something in it is wrong."""
        if self.full or not any(row) or not self._is_as_long(line, row, len(self._header)):
            return
        before = len(self.errors)
        for name, value in zip(self._header, row, strict=True):
            if name in self._looked_at and (problem := strange(value, self.dialect.encoding)) is not None:
                self._blame(line, row, (name,), problem)
        columns = self._cleaned([[value] for value in row])
        if len(self.errors) == before:
            for flaw in self._plan.flaws(columns):
                self._blame(line, row, flaw.columns, flaw.problem)
        if len(self.errors) > before:
            return
        batch = self._plan.batch(columns)
        repeats = self._repeats(batch)
        self._count(batch, 1, len(repeats))
        for at, values in enumerate(zip(*batch.values, strict=True)):
            if at not in repeats:
                self._source, self._made = row, self._plan.made[batch.kinds[at]]
                if (event := self._row(line, values)) is not None:
                    yield event

    def _blame(self, line: int, row: Sequence[str], columns: Sequence[str], problem: str) -> None:
        """One more error, unless another value made from the same columns has it too."""
        at = [self._header_at[column] for column in columns]
        first = line + sum(value.count("\n") for value in row[: min(at, default=0)])
        value = ", ".join(row[index].strip() for index in at) if at else None
        error = CsvError(self._name, first, ", ".join(columns) or None, value, problem)
        if not self.full and error not in self.errors:
            self.errors.append(error)

    def _add(self, line: int, row: Sequence[str], column: str, problem: str) -> None:
        """An error of something made, told of the columns that it was made from."""
        part = self._made.parts.get(column)
        columns = part.columns if part is not None and len(part.columns) <= _NAMED_AT_MOST else ()
        value = row[self._columns.index(column)]
        said = f"{column} {shown(value)} of {self._made.name}"
        if not columns:
            problem = f"{said} {problem}"
        elif len(columns) > 1 or self._source[self._header_at[columns[0]]].strip() != value:
            problem = f"makes {said}, which {problem}"
        self._blame(line, self._source, columns, problem)

    def _keys(self, table: Table) -> Iterator[tuple[int, str]]:
        """The ids that the rows make, each with its line."""
        for block in table.blocks():
            for line, row in block.numbered():
                if len(row) == len(self._header) and any(row):
                    try:
                        keys = self._plan.keys(self._cleaned([[value] for value in row]))
                    except UnfitError:
                        continue  # it has an error of its own
                    yield from ((line, key) for key in keys)


def _told(batch: Batch) -> dict[str, int]:
    """What is told of each, by its id."""
    return {row[0]: hash(row) for row in zip(*batch.values, strict=True)}


def _leaving_out(batch: Batch, which: set[int]) -> Batch:
    kept = [at for at in range(len(batch.rows)) if at not in which]
    return Batch(
        [[values[at] for at in kept] for values in batch.values],
        [batch.rows[at] for at in kept],
        [batch.kinds[at] for at in kept],
        batch.left_out,
    )
