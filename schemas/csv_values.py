"""How the columns of the CSV files are read: dates, fees, add-ons, attributes, and the identifiers as they are.

One field of the event is made from one column, or from two (a fee from amount and currency). Values repeat (a million
contracts share a few thousand dates, fees and attributes), so each is read once and then looked up.
Leaves to `csv_rows` the rows and lines, and to the event models what makes an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from pydantic import ValidationError

from schemas.csv_errors import UnreadableError
from schemas.values import CURRENCIES, Money, exponent

Raw = TypeVar("Raw")

_KEPT_AT_MOST = 50_000
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?")


class Readings(dict[Raw, Any], Generic[Raw]):
    """Raw values and what they were read as; reads those that are new, and keeps a bounded number of them.

    Looking up raises `UnreadableError` for a value that is not what the column holds.
    """

    def __init__(self, read: Callable[[Raw], Any], at_most: int = _KEPT_AT_MOST) -> None:
        super().__init__()
        self._read = read
        self._at_most = at_most

    def __missing__(self, raw: Raw) -> Any:
        value = self._read(raw)
        if len(self) < self._at_most:
            self[raw] = value
        return value


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an event: the columns that it is made from, and how (None: the text as it stands)."""

    name: str
    columns: tuple[str, ...]
    readings: Callable[[], Readings[Any]] | None = None


def text(name: str) -> Field:
    """A column that must not be empty; what it may hold is the event model's to say."""
    return Field(name, (name,))


def optional_text(name: str) -> Field:
    """A column that is null when empty."""
    return Field(name, (name,), lambda: Readings[str](lambda raw: raw or None))


def day(name: str) -> Field:
    """A column with a date."""
    return Field(name, (name,), lambda: Readings[str](_day))


def optional_day(name: str) -> Field:
    """A column with a date, null when empty."""
    return Field(name, (name,), lambda: Readings[str](lambda raw: _day(raw) if raw else None))


def money(name: str, amount: str, currency: str) -> Field:
    """Two columns, an amount and its currency: both, or neither (then null)."""

    def read(raw: tuple[str, str]) -> dict[str, str] | None:
        return _money(raw[0], raw[1], amount, currency)

    return Field(name, (amount, currency), lambda: Readings[tuple[str, str]](read))


def slugs(name: str) -> Field:
    """A column with a list, its entries separated by `;`."""
    return Field(name, (name,), lambda: Readings[str](_slugs))


def json_object(name: str) -> Field:
    """A column with a JSON object, empty when the column is."""
    return Field(name, (name,), lambda: Readings[str](_json_object))


def _day(raw: str) -> date:
    if raw == "":
        raise UnreadableError("is empty: write a date, YYYY-MM-DD")
    try:
        if _DATE.fullmatch(raw):
            return date.fromisoformat(raw)
    except ValueError:
        pass  # the right shape, but no such day: said below
    raise UnreadableError("is no date: write YYYY-MM-DD")


def _money(amount: str, currency: str, amount_column: str, currency_column: str) -> dict[str, str] | None:
    if not amount and not currency:
        return None
    if not amount:
        raise UnreadableError(f"is empty although {currency_column} is {currency}: write both or none", amount_column)
    if not currency:
        raise UnreadableError(f"is empty although {amount_column} is {amount}: write both or none", currency_column)
    if not _AMOUNT.fullmatch(amount):
        raise UnreadableError("is no amount: write a decimal such as 5.00", amount_column)
    if currency not in CURRENCIES:
        raise UnreadableError("is no currency: write an ISO 4217 code such as EUR", currency_column)
    fee = {"amount": amount, "currency": currency}
    try:
        Money.model_validate(fee)
    except ValidationError:
        # Amount and currency are each right, so it is the one that does not fit the other.
        decimals = exponent(currency)
        raise UnreadableError(f"has more decimals than {currency} has ({decimals})", amount_column) from None
    # The parts and not the Money: the event's model looks its shared instance up faster than it checks another.
    return fee


def _slugs(raw: str) -> tuple[str, ...]:
    if raw == "":
        return ()
    entries = tuple(raw.split(";"))
    if "" in entries:
        raise UnreadableError("has an empty entry: write the entries with one ; between them")
    return entries


def _json_object(raw: str) -> dict[str, Any]:
    if raw == "":
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UnreadableError(f'is no JSON ({error.msg}): write an object such as {{"includes_email": true}}') from None
    if not isinstance(value, dict):
        raise UnreadableError('is no JSON object: write one such as {"includes_email": true}')
    if "\\u0000" in raw and "\0" in _strings(value):
        raise UnreadableError("has a NUL character (\\u0000), which the database cannot keep")
    zone = value.get("time_zone")
    if zone is not None and not _is_time_zone(zone):
        raise UnreadableError(f'has time_zone {zone!r}, which is none: write an IANA name such as "Europe/Rome"')
    return value


def _strings(value: Any) -> str:
    """All strings in a JSON value, keys included, one after the other."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(key + _strings(entry) for key, entry in value.items())
    if isinstance(value, list):
        return "".join(_strings(entry) for entry in value)
    return ""


def _is_time_zone(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # ValueError: not a relative path; OSError: a folder of zones ("Europe"), or a name too long for a file.
        return False
    return True
