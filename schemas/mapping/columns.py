"""What a map says of a value, done to the columns of a file: a block of rows at a time.

Values repeat (dates, products, fees), so each is read once and then looked up. Leaves to `readings` how a value is
read, to `makers` what a map wants read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from schemas.csv_errors import UnreadableError
from schemas.csv_values import Readings
from schemas.mapping.readings import Read, ReadSeveral

_KEPT_AT_MOST = 10_000
"""Of each of the many readings of a map."""


class UnfitError(ValueError):
    """A value of the file that the map cannot read; the message completes the sentence "VALUE …"."""

    def __init__(self, problem: str, columns: tuple[str, ...]) -> None:
        super().__init__(problem)
        self.problem = problem
        self.columns = columns


class Columns:
    """The columns of some rows by name, blanks around the values taken away; those of `empty` are empty."""

    __slots__ = ("_known", "_of", "count")

    def __init__(self, of: Callable[[str], list[str]], count: int) -> None:
        self._of = of
        self._known: dict[str, list[str]] = {}
        self.count = count

    def __getitem__(self, name: str) -> list[str]:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._of(name)
        return known

    def pick(self, rows: Sequence[int]) -> Columns:
        """The same columns of some of the rows."""

        def picked(name: str) -> list[str]:
            whole = self[name]
            return [whole[row] for row in rows]

        return self if len(rows) == self.count else Columns(picked, len(rows))


def raw_columns(values: Sequence[Sequence[str]], at: Mapping[str, int], empty: frozenset[str]) -> Columns:
    """The columns of a block: `values` by column, `at` says where each name's is."""

    def cleaned(name: str) -> list[str]:
        column = list(map(str.strip, values[at[name]]))
        return column if empty.isdisjoint(column) else ["" if value in empty else value for value in column]

    return Columns(cleaned, len(values[0]) if values else 0)


Maker: TypeAlias = Callable[[Columns], list[str]]
"""One value for each row of some columns; raises UnfitError when any of them cannot be made."""
Mask: TypeAlias = Callable[[Columns], list[bool]]
"""For each row whether a condition holds; raises UnfitError."""

# ── makers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def constant(value: str) -> Maker:
    """The same for every row."""
    return lambda columns: [value] * columns.count


def copied(name: str) -> Maker:
    """A column as it is."""
    return lambda columns: columns[name]


def composed(form: str, names: tuple[str, ...]) -> Maker:
    """A text made of columns; empty where one of them is."""
    if len(names) == 1:
        return lambda columns: [form % value if value else "" for value in columns[names[0]]]
    return lambda columns: [
        "" if "" in row else form % row for row in zip(*(columns[name] for name in names), strict=True)
    ]


def then(inner: Maker, reads: Sequence[Read], names: tuple[str, ...]) -> Maker:
    """The same values read one way after the other; what is empty stays so."""
    if not reads:
        return inner

    def read(value: str) -> str:
        try:
            for one in reads:
                value = one(value) if value else ""
        except UnreadableError as error:
            raise UnfitError(error.problem, names) from None
        return value

    readings = Readings[str](read, _KEPT_AT_MOST)
    return lambda columns: [readings[value] for value in inner(columns)]


def together(inner: Sequence[Maker], read: ReadSeveral, names: tuple[str, ...]) -> Maker:
    """One value made of several."""

    def safely(row: tuple[str, ...]) -> str:
        try:
            return read(row)
        except UnreadableError as error:
            raise UnfitError(error.problem, names) from None

    readings = Readings[tuple[str, ...]](safely, _KEPT_AT_MOST)
    return lambda columns: [readings[row] for row in zip(*(make(columns) for make in inner), strict=True)]


def instead(inner: Maker, is_missing: Callable[[str], bool], other: Maker) -> Maker:
    """The same values, but for those that are missing the other's."""

    def make(columns: Columns) -> list[str]:
        values = inner(columns)
        missing = [row for row, value in enumerate(values) if is_missing(value)]
        if missing:
            values = values.copy()
            for row, value in zip(missing, other(columns.pick(missing)), strict=True):
                values[row] = value
        return values

    return make


def where(mask: Mask, inner: Maker) -> Maker:
    """The values of the rows for which a condition holds, and nothing for the others."""

    def make(columns: Columns) -> list[str]:
        values = [""] * columns.count
        rows = [row for row, holds in enumerate(mask(columns)) if holds]
        for row, value in zip(rows, inner(columns.pick(rows)), strict=True):
            values[row] = value
        return values

    return make


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────


def tested(name: str, test: Callable[[str], bool]) -> Mask:
    """One column tested."""

    def safely(value: str) -> bool:
        try:
            return test(value)
        except UnreadableError as error:
            raise UnfitError(error.problem, (name,)) from None

    readings = Readings[str](safely, _KEPT_AT_MOST)
    return lambda columns: [readings[value] for value in columns[name]]


def narrowed(masks: Sequence[Mask], until: bool) -> Mask:
    """Tests one after the other: all (`until` one does not hold), or any (`until` one holds).

    A row that is settled is not tested any further: a later test may not make sense for it.
    """

    def make(columns: Columns) -> list[bool]:
        held = [not until] * columns.count
        rows: Sequence[int] = range(columns.count)
        for mask in masks:
            results = mask(columns.pick(rows))
            for row, holds in zip(rows, results, strict=True):
                if holds == until:
                    held[row] = until
            rows = [row for row, holds in zip(rows, results, strict=True) if holds != until]
        return held

    return make
