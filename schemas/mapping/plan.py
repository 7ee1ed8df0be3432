"""A map made ready for one file: what makes each column of what is made, and what some rows make.

Leaves to `mapped` the rows, and to the layouts of `csv_files` whether what is made is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.mapping.columns import Columns, Mask, UnfitError
from schemas.mapping.language import ContractTemplate, Map
from schemas.mapping.makers import Makers, Part


@dataclass(frozen=True, slots=True)
class Made:
    """One thing that a row makes: a contract, or a customer."""

    name: str
    mask: Mask | None
    parts: Mapping[str, Part]
    """By column of contracts.csv or customers.csv; what is not there is empty."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What some rows make: values by column, and for each thing made its row and which of the map's it is."""

    values: list[list[str]]
    rows: list[int]
    kinds: list[int]
    left_out: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A map made ready; `columns` are those of what is made."""

    columns: tuple[str, ...]
    only: Mask | None
    made: tuple[Made, ...]

    def batch(self, columns: Columns) -> Batch:
        """All that the rows make, by kind; raises UnfitError when any of it cannot be made."""
        counted = _held(self.only, columns, range(columns.count))
        batch = Batch([[] for _ in self.columns], [], [], columns.count - len(counted))
        for kind, made in enumerate(self.made):
            rows = _held(made.mask, columns.pick(counted), counted)
            mine = columns.pick(rows)
            for column, values in zip(self.columns, batch.values, strict=True):
                part = made.parts.get(column)
                values += [""] * len(rows) if part is None else part.make(mine)
            batch.rows.extend(rows)
            batch.kinds.extend([kind] * len(rows))
        return batch

    def keys(self, columns: Columns) -> list[str]:
        """The ids alone of what the rows make; raises UnfitError."""
        return Plan(self.columns[:1], self.only, self.made).batch(columns).values[0]

    def flaws(self, columns: Columns) -> Iterator[UnfitError]:
        """All that cannot be made of a single row; nothing when `batch` can make it."""
        try:
            if not _held(self.only, columns, range(1)):
                return
        except UnfitError as error:
            yield error
            return
        for made in self.made:
            try:
                held = _held(made.mask, columns, range(1))
            except UnfitError as error:
                yield error
                continue
            for part in made.parts.values() if held else ():
                try:
                    part.make(columns)
                except UnfitError as error:
                    yield error


def _held(mask: Mask | None, columns: Columns, rows: Sequence[int]) -> Sequence[int]:
    """Those of the rows for whose columns a condition holds; all, when there is none."""
    if mask is None:
        return rows
    return [row for row, holds in zip(rows, mask(columns), strict=True) if holds]


def prepared(mapping: Map, columns: Sequence[str], others: Sequence[str]) -> Plan:
    """The plan of a map that makes these columns; `others` are columns of the file that become attributes."""
    makers = Makers(mapping)
    made = tuple(
        Made(
            template.contract if isinstance(template, ContractTemplate) else template.customer,
            None if template.when is None else makers.mask(template.when),
            makers.parts(template, others),
        )
        for template in mapping.templates
    )
    return Plan(tuple(columns), None if mapping.only is None else makers.mask(mapping.only), made)
