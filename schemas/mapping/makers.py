"""What a map says of each value, made into what makes it of the columns of a file.

Leaves to `columns` how blocks of values are gone through, to `readings` how one is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.csv_errors import UnreadableError
from schemas.mapping import readings
from schemas.mapping.columns import (
    Maker,
    Mask,
    composed,
    constant,
    copied,
    instead,
    narrowed,
    tested,
    then,
    together,
    where,
)
from schemas.mapping.language import ContractTemplate, Habits, Map, Template
from schemas.mapping.patterns import pattern
from schemas.mapping.readings import Read
from schemas.mapping.values import (
    AddonValue,
    AttributeValue,
    Condition,
    CountValue,
    DateValue,
    FeeValue,
    Span,
    TextValue,
    columns_of,
    source_of,
)
from schemas.yaml_files import nearest

_UNITS = ("years", "months", "days")


@dataclass(frozen=True, slots=True)
class Part:
    """What makes one of the columns, and the columns of the file that it is made from."""

    make: Maker
    columns: tuple[str, ...]


class Makers:
    """Makers of the values of one map."""

    def __init__(self, mapping: Map) -> None:
        self._habits: Habits = mapping.reading
        self._tables = mapping.tables

    def parts(self, template: Template, others: Sequence[str]) -> dict[str, Part]:
        """What makes each column."""
        parts: dict[str, Part] = {}
        for name in type(template).model_fields:
            value = getattr(template, name)
            if isinstance(value, TextValue) and name != "currency":
                parts[name] = Part(self.text(value), columns_of(value))
            elif isinstance(value, DateValue):
                parts[name] = Part(self.date(value), columns_of(value))
        if isinstance(template, ContractTemplate):
            if template.monthly_fee is not None and template.currency is not None:
                parts |= self._fee(template.monthly_fee, template.currency)
            if template.addons:
                parts["addons"] = Part(self._addons(template.addons), columns_of(template.addons))
            if template.attributes or others:
                columns = tuple(dict.fromkeys((*columns_of(template.attributes), *others)))
                parts["attributes"] = Part(self._attributes(template.attributes, others, columns), columns)
        return parts

    # ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def text(self, value: TextValue) -> Maker:
        """A text, translated, turned, and replaced where it is empty."""
        return self._turned(value, [] if value.as_ is None else [_CASES[value.as_]])

    def _turned(self, value: TextValue | AttributeValue, last: Sequence[Read]) -> Maker:
        """The value as far as all kinds have it in common, then read by `last`."""
        names = source_of(value)
        before: list[Read] = [readings.without(value.without)] if value.without else []
        table = self._table(value)
        if table is None:
            make = then(_source(value), [*before, *last], names)
        elif value.otherwise is None:
            make = then(_source(value), [*before, _translated(table, names), *last], names)
        else:
            # What is not in the table is marked, to be told from what it is translated into.
            marked = then(_source(value), [*before, lambda raw: table.get(raw, _UNKNOWN)], names)
            make = then(instead(marked, lambda found: found == _UNKNOWN, self.text(value.otherwise)), last, names)
        if isinstance(value, TextValue) and value.if_empty is not None:
            make = instead(make, lambda made: not made, self.text(value.if_empty))
        return make

    def _table(self, value: TextValue | AttributeValue | AddonValue | CountValue) -> Mapping[str, str] | None:
        return value.translate if value.table is None else self._tables[value.table]

    # ── dates and money ──────────────────────────────────────────────────────────────────────────────────────────

    def date(self, value: DateValue) -> Maker:
        """A day, YYYY-MM-DD."""
        if value.value is not None:
            return constant(value.value)
        if value.column is not None:
            make = then(copied(value.column), [readings.day(value.format or self._habits.dates)], (value.column,))
        else:
            assert value.from_ is not None
            make = self.date(value.from_)
            for span, sign in ((value.plus, 1), (value.minus, -1)):
                if span is not None:
                    make = together([make, *self._lengths(span)], readings.moved(sign), columns_of(value))
        if value.if_empty is not None:
            make = instead(make, lambda made: not made, self.date(value.if_empty))
        return make

    def _lengths(self, span: Span) -> Iterator[Maker]:
        for unit in _UNITS:
            length: CountValue | None = getattr(span, unit)
            yield constant("0") if length is None else self._count(length, unit)

    def _count(self, value: CountValue, unit: str) -> Maker:
        if value.column is None:
            return constant(str(value.value))
        reads: list[Read] = [readings.without(value.without)] if value.without else []
        if (table := self._table(value)) is not None:
            reads.append(lambda raw: table.get(raw, raw))
        make = then(copied(value.column), [*reads, readings.count(unit)], (value.column,))
        return make if value.if_empty is None else instead(make, lambda made: not made, constant(str(value.if_empty)))

    def _fee(self, fee: FeeValue, currency: TextValue) -> dict[str, Part]:
        inner = [self._amount(fee), self.text(currency)]
        names = columns_of((fee, currency))
        return {
            "monthly_fee": Part(together(inner, readings.amount, names), columns_of(fee)),
            "currency": Part(together(inner, readings.currency, names), columns_of(currency)),
        }

    def _amount(self, fee: FeeValue) -> Maker:
        """An amount, still to be rounded: the number, and what it is divided by."""
        if fee.column is None:
            make = constant(fee.value or "")
        else:
            before = [readings.without(fee.without)] if fee.without else []
            number = readings.number(self._habits)
            make = then(copied(fee.column), [*before, number, readings.parted(fee.divided_by)], (fee.column,))
        return make if fee.if_empty is None else instead(make, lambda made: not made, self._amount(fee.if_empty))

    # ── add-ons and attributes ───────────────────────────────────────────────────────────────────────────────────

    def _addons(self, values: Sequence[AddonValue]) -> Maker:
        makers = [self._addon(value) for value in values]
        return makers[0] if len(makers) == 1 else together(makers, readings.listed, columns_of(values))

    def _addon(self, value: AddonValue) -> Maker:
        names = source_of(value)
        reads: list[Read] = [readings.without(value.without)] if value.without else []
        if (table := self._table(value)) is not None:
            reads.append(_translated(table, names, value.otherwise))
        if value.as_ is not None:
            reads.append(_CASES[value.as_])
        if value.split is not None:
            reads = [readings.split(value.split, reads)]
        make = then(_source(value), reads, names)
        return make if value.when is None else where(self.mask(value.when), make)

    def _attributes(self, values: Mapping[str, AttributeValue], others: Sequence[str], names: tuple[str, ...]) -> Maker:
        makers = {name: self._attribute(value) for name, value in values.items()}
        makers |= {name: then(copied(name), [readings.json_text], (name,)) for name in others}
        return together(list(makers.values()), readings.json_object(list(makers)), names)

    def _attribute(self, value: AttributeValue) -> Maker:
        """The attribute as JSON, empty when it is left out."""
        if value.value is not None:
            return constant(readings.json_constant(value.value))
        if value.whether is not None:
            mask = self.mask(value.whether)
            return lambda columns: ["true" if holds else "false" for holds in mask(columns)]
        kinds: Mapping[str, Sequence[Read]] = {
            "text": [readings.json_text],
            "number": [readings.number(self._habits), readings.json_number],
            "yes_no": [readings.yes_or_no(self._habits)],
            "date": [readings.day(value.format or self._habits.dates), readings.json_text],
        }
        return self._turned(value, kinds.get(value.as_) or [_CASES[value.as_], readings.json_text])

    # ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────

    def mask(self, condition: Condition) -> Mask:
        """Where a condition holds."""
        if condition.all is not None:
            return narrowed([self.mask(inner) for inner in condition.all], until=False)
        if condition.any is not None:
            return narrowed([self.mask(inner) for inner in condition.any], until=True)
        assert condition.column is not None
        if condition.filled is not None:
            filled = condition.filled
            return tested(condition.column, lambda value: bool(value) == filled)
        if condition.is_ is not None:
            return tested(condition.column, frozenset(condition.is_).__contains__)
        if condition.is_not is not None:
            words = frozenset(condition.is_not)
            return tested(condition.column, lambda value: value not in words)
        return tested(condition.column, readings.within(self._habits, condition.at_least, condition.less_than))


_CASES: Mapping[str, Read] = {"lower": str.lower, "upper": str.upper, "slug": readings.slug}
_UNKNOWN = "\0"
"""No value of a file: a NUL byte is refused before."""


def _source(value: TextValue | AddonValue | AttributeValue) -> Maker:
    if value.column is not None:
        return copied(value.column)
    if value.text is not None:
        return composed(*pattern(value.text))
    return constant(str(value.value))


def _translated(table: Mapping[str, str], columns: Sequence[str], otherwise: str | None = None) -> Read:
    def read(raw: str) -> str:
        found = table.get(raw, otherwise)
        if found is None:
            close = nearest(raw, table)
            hint = f"is it {close}? If not, " if close else ""
            raise UnreadableError(f"is not translated by the map: {hint}add it there, or say what it is otherwise")
        return found

    return read
