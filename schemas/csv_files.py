"""customers.csv and contracts.csv, read into the events that they stand for.

A file is good as a whole or not at all: the errors of a bad one are collected and raised together, each with line,
column and value. Events come out while the file is still being read, so whoever stores them does so in one
transaction and drops it on `CsvErrors`. Leaves the storing and publishing to the service that owns the data.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.csv_errors import CsvError, CsvErrors
from schemas.csv_reading import Event, Layout, Reading, read_all
from schemas.csv_rows import Source
from schemas.csv_values import day, json_object, money, optional_day, optional_text, slugs, text
from schemas.events import ContractChanged, CustomerChanged

__all__ = ["CsvError", "CsvErrors", "read_contracts", "read_customers"]


def _ends_before_it_starts(contract: ContractChanged) -> tuple[str, str] | None:
    # `terminated_on` may be before `starts_on`: a contract that was called off before it began.
    if contract.ends_on is not None and contract.ends_on < contract.starts_on:
        return "ends_on", f"is before starts_on {contract.starts_on}: write the last day of the contract"
    return None


CUSTOMERS = Layout(
    CustomerChanged,
    (text("customer_id"), optional_text("name"), optional_text("email"), optional_text("locale")),
    lambda customer: None,
)
CONTRACTS = Layout(
    ContractChanged,
    (
        text("contract_id"),
        text("customer_id"),
        text("family"),
        text("product"),
        optional_text("site"),
        day("starts_on"),
        optional_day("ends_on"),
        optional_day("terminated_on"),
        money("monthly_fee", "monthly_fee", "currency"),
        slugs("addons"),
        json_object("attributes"),
    ),
    _ends_before_it_starts,
)


def read_customers(file: Source) -> Iterator[CustomerChanged]:
    """The customers of a file with the columns customer_id,name,email,locale, in the order of the file.

    `file` is a path, or text opened and not yet read from; UTF-8, with or without a byte order mark. An empty value
    is null. Raises `CsvErrors` at the end of a file in which anything is wrong, or after `ERRORS_AT_MOST` errors;
    `OSError` when it cannot be opened.
    """
    return _read(file, CUSTOMERS)


def read_contracts(file: Source) -> Iterator[ContractChanged]:
    """The contracts of a file with the columns of `ContractChanged` and `currency`, in the order of the file.

    Dates are YYYY-MM-DD, `monthly_fee` a decimal with its `currency`, `addons` separated by `;`, `attributes` a JSON
    object; an empty value is null, an empty list or an empty object. Raises as `read_customers` does.
    """
    return _read(file, CONTRACTS)


def _read(source: Source, layout: Layout[Event]) -> Iterator[Event]:
    return read_all(source, lambda name: Reading(name, layout))
