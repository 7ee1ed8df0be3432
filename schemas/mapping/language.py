"""The language in which a map says how a provider's own CSV export becomes contracts or customers (see README.md).

A map is a YAML file; here is what it may say, checked whole, each problem with its path, its value and what to write
instead. Leaves to `makers` the doing, and to the header of a file whether it has the columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator

from schemas.mapping.values import (
    AddonValue,
    AttributeValue,
    Condition,
    DateFormat,
    DateValue,
    FeeValue,
    Node,
    TextValue,
    Translation,
    Words,
    conditions,
)
from schemas.yaml_files import YamlError, nearest, read_yaml, said_plainly, shown_path

Encoding = Literal[
    "utf-8", "utf-16", "cp1252", "iso-8859-1", "iso-8859-15", "cp850", "cp1250", "iso-8859-2", "cp1251"
]  # fmt: skip
Name = Annotated[str, Field(min_length=1, max_length=200)]


class FileShape(Node):
    """How the file is written."""

    delimiter: Literal[",", ";", "\t", "|", ":", "tab"] = ","
    quote: Literal['"', "'", "none"] = '"'
    encoding: Encoding = "utf-8"
    header_line: Annotated[int, Field(ge=1, le=1000)] = 1
    """The line with the names of the columns; what stands above it is left out."""


class Habits(Node):
    """How dates, numbers, yes and no are written in the file, and what stands for nothing."""

    dates: DateFormat = "YYYY-MM-DD"
    decimals: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'", "none"] = "none"
    empty: Words = ()
    yes: Words = ("yes", "y", "true", "1")
    no: Words = ("no", "n", "false", "0")

    @model_validator(mode="after")
    def _tell_apart(self) -> Habits:
        if self.thousands == self.decimals:
            raise ValueError(f'thousands {self.thousands!r} are the decimals too: write another mark, or "none"')
        if both := set(self.yes) & set(self.no):
            raise ValueError(f"{sorted(both)[0]!r} is both yes and no: keep it in one of them")
        return self


class CustomerFields(Node):
    """What makes a customer."""

    customer_id: TextValue | None = None
    name: TextValue | None = None
    email: TextValue | None = None
    locale: TextValue | None = None


class ContractFields(Node):
    """What makes a contract."""

    contract_id: TextValue | None = None
    customer_id: TextValue | None = None
    family: TextValue | None = None
    product: TextValue | None = None
    site: TextValue | None = None
    starts_on: DateValue | None = None
    ends_on: DateValue | None = None
    terminated_on: DateValue | None = None
    monthly_fee: FeeValue | None = None
    currency: TextValue | None = None
    addons: tuple[AddonValue, ...] = ()
    attributes: dict[Name, AttributeValue] = Field(default_factory=dict)


class ContractTemplate(ContractFields):
    """One contract that a row makes, when its condition holds."""

    contract: Name
    when: Condition | None = None

    _any_of_a_list = field_validator("when", mode="before")(conditions)


class CustomerTemplate(CustomerFields):
    """One customer that a row makes, when its condition holds."""

    customer: Name = "customer"
    when: Condition | None = None

    _any_of_a_list = field_validator("when", mode="before")(conditions)


class _Map(Node):
    file: FileShape = FileShape()
    reading: Habits = Habits()
    tables: dict[Name, Translation] = Field(default_factory=dict)
    """Translations that several fields share."""
    only: Condition | None = None
    """Which rows count; without it, all."""
    ignore: tuple[Name, ...] = ()
    """Columns that are left out knowingly."""

    _any_of_a_list = field_validator("only", mode="before")(conditions)


class ContractMap(_Map):
    """A map that makes contracts."""

    makes: Literal["contracts"]
    each: ContractFields = ContractFields()
    contracts: Annotated[tuple[ContractTemplate, ...], Field(min_length=1, max_length=100)]
    other_columns: Literal["refuse", "ignore", "attributes"] = "refuse"
    """What becomes of a column that the map neither reads nor ignores."""

    @property
    def templates(self) -> tuple[ContractTemplate, ...]:
        """The contracts of a row, each with what it has in common with the others."""
        return tuple(_joined(self.each, template) for template in self.contracts)


class CustomerMap(_Map):
    """A map that makes customers."""

    makes: Literal["customers"]
    each: CustomerFields = CustomerFields()
    customers: Annotated[tuple[CustomerTemplate, ...], Field(min_length=1, max_length=100)]
    other_columns: Literal["refuse", "ignore"] = "ignore"
    repeated: Literal["refuse", "once"] = "refuse"
    """What becomes of a customer whom several rows make alike: an export of contracts names him in each."""

    @property
    def templates(self) -> tuple[CustomerTemplate, ...]:
        """The customers of a row, each with what it has in common with the others."""
        return tuple(_merged(self.each, template) for template in self.customers)


Map: TypeAlias = ContractMap | CustomerMap
Template: TypeAlias = ContractTemplate | CustomerTemplate


def _merged(each: Node, template: Any) -> Any:
    """The template with what it leaves out taken from what all have in common."""
    own = template.model_fields_set
    return template.model_copy(update={name: getattr(each, name) for name in each.model_fields_set - own})


def _joined(each: ContractFields, template: ContractTemplate) -> ContractTemplate:
    """As `_merged`; add-ons add up, and so do attributes, by name."""
    merged: ContractTemplate = _merged(each, template)
    return merged.model_copy(
        update={
            "addons": (*each.addons, *template.addons),
            "attributes": {**each.attributes, **template.attributes},
        }
    )


class MapError(YamlError):
    """A map that is wrong: `problems` has one line for each thing that is, with the file's name."""


_NEEDED = {
    "contracts": ("contract_id", "customer_id", "family", "product", "starts_on"),
    "customers": ("customer_id",),
}
_MODELS: dict[str, type[ContractMap | CustomerMap]] = {"contracts": ContractMap, "customers": CustomerMap}


def read_map(file: str | PathLike[str], makes: Literal["contracts", "customers"]) -> Map:
    """The map of a YAML file that makes contracts, or customers. Raises MapError with all that is wrong, or OSError."""
    name = Path(file).name
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MapError([f"{name}: byte {error.start} is not UTF-8: save the map as UTF-8"]) from None
    try:
        return parsed(text, makes)
    except YamlError as error:
        raise MapError([f"{name}: {problem}" for problem in error.problems]) from None


def parsed(text: str, makes: Literal["contracts", "customers"]) -> Map:
    """The map that a YAML text says. Raises YamlError with all that is wrong."""
    told = _fixed(read_yaml(text, f"the file is empty: write makes: {makes}, and the {makes} that a row makes"))
    if not isinstance(told, dict):
        raise YamlError([f"is not a mapping: write makes: {makes}, and the {makes} that a row makes"])
    if told.get("makes") in _MODELS and told["makes"] != makes:
        raise YamlError(
            [f"makes: the map makes {told['makes']}, and {makes} are wanted: import {told['makes']} with it"]
        )
    model = _MODELS[makes]
    try:
        read = model.model_validate(told)
    except ValidationError as error:
        raise YamlError(said_plainly(error, model)) from None
    if problems := list(_flaws(read)):
        raise YamlError(problems)
    return read


def _flaws(read: Map) -> Iterator[str]:
    """What is wrong with a map whose parts are each right."""
    count = Counter(template.contract for template in read.contracts) if isinstance(read, ContractMap) else Counter()
    for index, template in enumerate(read.templates):
        here = f"{read.makes}[{index}]"
        for field in _NEEDED[read.makes]:
            if getattr(template, field) is None:
                yield f"{here}.{field}: is missing, here and in each: write it"
        if isinstance(template, ContractTemplate):
            if count[template.contract] > 1:
                yield f"{here}.contract: {template.contract!r} is the name of another one too: write a name of its own"
            if template.monthly_fee is not None and template.currency is None:
                yield f"{here}.currency: is missing although there is a monthly_fee: write a currency such as EUR"
    yield from _unknown_tables(read, read, ())


def _unknown_tables(read: Map, node: Any, path: tuple[int | str, ...]) -> Iterator[str]:
    if isinstance(node, Node):
        table = getattr(node, "table", None)
        if table is not None and table not in read.tables:
            close = nearest(table, read.tables)
            hint = f"did you mean {close}?" if close else "write the table under tables, or the values here"
            yield f"{shown_path((*path, 'table'))}: there is no table {table!r}: {hint}"
        for name in type(node).model_fields:
            yield from _unknown_tables(read, getattr(node, name), (*path, name))
    elif isinstance(node, tuple):
        for index, item in enumerate(node):
            yield from _unknown_tables(read, item, (*path, index))
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from _unknown_tables(read, item, (*path, key))


def _fixed(value: Any) -> Any:
    """The same with its lists as tuples: a map is a value."""
    if isinstance(value, dict):
        return {key: _fixed(inner) for key, inner in value.items()}
    return tuple(_fixed(item) for item in value) if isinstance(value, list) else value
