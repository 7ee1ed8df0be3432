"""What a map may say of one value: where it comes from, and how it is read.

A plain scalar is a constant; anything else has one source (`column`, `text`, …) and what is done with it, in this
order: words taken away, translated, turned into what the field holds; `if_empty` stands in for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from schemas.mapping.patterns import date_shape, pattern


class Node(BaseModel):
    """The base of all that a map says: fixed, and nothing in it is guessed or overlooked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Column = Annotated[str, Field(min_length=1, max_length=200)]


# ── small values ─────────────────────────────────────────────────────────────────────────────────────────────────


def _pattern(text: Any) -> Any:
    if isinstance(text, str):
        pattern(text)
    return text


Pattern = Annotated[str, BeforeValidator(_pattern)]


def _date_form(form: Any) -> Any:
    if isinstance(form, str):
        date_shape(form)
    return form


DateFormat = Annotated[str, BeforeValidator(_date_form)]


def _number(value: Any) -> Any:
    """A number of the map as a Decimal; what it is not is left for the field to refuse."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        if number.is_finite():
            return number
    raise ValueError(f"{value!r} is no number: write one such as 10 or 4.99")


Number = Annotated[Decimal, BeforeValidator(_number)]


def _text_of(value: Any) -> Any:
    """A whole number of the map where a text is wanted: the key 12, the translation 24."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Word = Annotated[str, BeforeValidator(_text_of)]
Words = Annotated[
    tuple[Word, ...],
    BeforeValidator(lambda value: value if isinstance(value, tuple) else (value,)),
    Field(min_length=1),
]
"""One text or a list of them."""
Translation = Annotated[dict[Word, Word], Field(min_length=1)]


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────


class Condition(Node):
    """A test of one column, or several tests of which all or any must hold."""

    column: Column | None = None
    filled: bool | None = None
    is_: Words | None = Field(default=None, alias="is")
    is_not: Words | None = None
    at_least: Number | None = None
    less_than: Number | None = None
    all: tuple[Condition, ...] | None = Field(default=None, min_length=1)
    any: tuple[Condition, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_one_test(self) -> Condition:
        kinds = [name for name in ("column", "all", "any") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"has {' and '.join(kinds) or 'no test'}: write exactly one of column, all, any")
        told = {"filled": self.filled, "is": self.is_, "is_not": self.is_not}
        tests = [name for name, value in told.items() if value is not None]
        if self.at_least is not None or self.less_than is not None:
            tests.append("at_least/less_than")
        if self.column is not None and len(tests) != 1:
            found = " and ".join(tests) or "no test"
            raise ValueError(f"has {found}: write exactly one of filled, is, is_not, at_least/less_than beside column")
        if self.column is None and tests:
            raise ValueError(f"has {tests[0]} beside {kinds[0]}: write it into a test of its own, with its column")
        return self


def conditions(value: Any) -> Any:
    """A list of conditions is one of which all must hold."""
    return {"all": value} if isinstance(value, tuple) else value


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Source(Node):
    sources: ClassVar[tuple[str, ...]] = ("value", "column", "text")
    only_with: ClassVar[dict[str, tuple[str, ...]]] = {"otherwise": ("translate", "table")}
    """What may stand only beside one of these."""

    @model_validator(mode="before")
    @classmethod
    def _a_scalar_is_a_constant(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, (str, int, float)) else value

    @model_validator(mode="after")
    def _holds_together(self) -> Any:
        fields = type(self).model_fields
        written = {name for name in self.model_fields_set if getattr(self, name) is not None}
        given = {fields[name].alias or name for name in written}
        sources = [name for name in self.sources if name in given]
        if len(sources) != 1:
            raise ValueError(
                f"has {' and '.join(sources) or 'no source'}: write exactly one of {', '.join(self.sources)}"
            )
        if sources == ["value"] and (more := sorted(given - {"value", "when"})):
            raise ValueError(f"has {more[0]} beside a constant: write a column, or the constant alone")
        for name, needed in self.only_with.items():
            if name in given and not given & set(needed):
                raise ValueError(f"has {name} without {' or '.join(needed)}: write both, or leave it out")
        if {"translate", "table"} <= given:
            raise ValueError("has translate and table: write one of them")
        return self


class _Read(_Source):
    column: Column | None = None
    text: Pattern | None = None
    without: Words = ()
    translate: Translation | None = None
    table: Column | None = None
    """The name of a translation under `tables`."""


class TextValue(_Read):
    """A text: a constant, a column, or a pattern of columns such as "{Codice}-mail"."""

    value: str | None = None
    as_: Literal["lower", "upper", "slug"] | None = Field(default=None, alias="as")
    otherwise: TextValue | None = None
    """In place of a value that the translation does not have."""
    if_empty: TextValue | None = None


class AddonValue(_Read):
    """Add-ons of a contract: one, or those that `split` finds in the value."""

    value: str | None = None
    as_: Literal["lower", "upper", "slug"] | None = Field(default=None, alias="as")
    otherwise: str | None = None
    """In place of what the translation does not have; "" leaves it out."""
    split: Annotated[str, Field(min_length=1)] | None = None
    when: Condition | None = None

    _any_of_a_list = field_validator("when", mode="before")(conditions)


class AttributeValue(_Read):
    """An attribute: JSON's text, number, true or false. Left out when empty."""

    sources: ClassVar[tuple[str, ...]] = ("value", "column", "text", "whether")
    only_with: ClassVar[dict[str, tuple[str, ...]]] = {**_Source.only_with, "format": ("as",)}

    value: str | int | float | bool | None = None
    whether: Condition | None = None
    as_: Literal["text", "number", "yes_no", "date", "lower", "upper", "slug"] = Field(default="text", alias="as")
    format: DateFormat | None = None
    otherwise: TextValue | None = None

    _any_of_a_list = field_validator("whether", mode="before")(conditions)


class FeeValue(_Source):
    """An amount of money a month; `divided_by` 12 when the file has it by the year."""

    sources: ClassVar[tuple[str, ...]] = ("value", "column")

    value: str | None = None
    column: Column | None = None
    without: Words = ()
    divided_by: Annotated[int, Field(ge=1, le=1200)] = 1
    if_empty: FeeValue | None = None


class CountValue(_Source):
    """A whole number of years, months or days."""

    sources: ClassVar[tuple[str, ...]] = ("value", "column")

    value: Annotated[int, Field(ge=0, le=4000)] | None = None
    column: Column | None = None
    without: Words = ()
    translate: Translation | None = None
    table: Column | None = None
    if_empty: Annotated[int, Field(ge=0, le=4000)] | None = None


class Span(Node):
    """A length of time by the calendar."""

    years: CountValue | None = None
    months: CountValue | None = None
    days: CountValue | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> Span:
        if self.years is None and self.months is None and self.days is None:
            raise ValueError("has no length: write years, months or days")
        return self


class DateValue(_Source):
    """A day: a constant, a column, or one computed from another by the calendar."""

    sources: ClassVar[tuple[str, ...]] = ("value", "column", "from")
    only_with: ClassVar[dict[str, tuple[str, ...]]] = {"format": ("column",), "plus": ("from",), "minus": ("from",)}

    value: str | None = None
    column: Column | None = None
    from_: DateValue | None = Field(default=None, alias="from")
    format: DateFormat | None = None
    plus: Span | None = None
    minus: Span | None = None
    if_empty: DateValue | None = None

    @field_validator("value")
    @classmethod
    def _is_a_day(cls, value: str | None) -> str | None:
        try:
            if value is not None and date.fromisoformat(value).isoformat() == value:
                return value
        except ValueError:
            pass  # said below
        if value is not None:
            raise ValueError(f"{value!r} is no date: write YYYY-MM-DD")
        return value


# ── what a value is made from ────────────────────────────────────────────────────────────────────────────────────


def source_of(value: Node) -> tuple[str, ...]:
    """The columns that a value itself is read from, leaving out its conditions and what stands in for it."""
    column, text = getattr(value, "column", None), getattr(value, "text", None)
    return (column,) if column is not None else pattern(text)[1] if text is not None else ()


def columns_of(*nodes: Any) -> tuple[str, ...]:
    """All columns that parts of a map read, each once, in the order of the map."""
    return tuple(dict.fromkeys(column for column, _ in places_of(nodes, ())))


def places_of(node: Any, path: tuple[int | str, ...]) -> Iterator[tuple[str, tuple[int | str, ...]]]:
    """Each column that a part of a map reads, with the path to where it does."""
    if isinstance(node, Node):
        for column in source_of(node):
            yield column, path
        for name, field in type(node).model_fields.items():
            yield from places_of(getattr(node, name), (*path, field.alias or name))
    elif isinstance(node, (tuple, dict)):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places_of(inner, (*path, key))
