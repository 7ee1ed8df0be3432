"""Values of a provider's file as the text that would stand in a contracts.csv or customers.csv.

Each reading takes a text that is not empty and raises UnreadableError, whose words complete the sentence "VALUE …".
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeAlias

import orjson

from schemas.csv_errors import UnreadableError
from schemas.mapping.language import Habits
from schemas.mapping.patterns import date_shape
from schemas.values import CURRENCIES, exponent

Read: TypeAlias = Callable[[str], str]
ReadSeveral: TypeAlias = Callable[[tuple[str, ...]], str]

# ── readings of one value ────────────────────────────────────────────────────────────────────────────────────────


def without(words: Sequence[str]) -> Read:
    """The value with these words taken away, and the blanks around what is left."""

    def read(value: str) -> str:
        for word in words:
            value = value.replace(word, "")
        return value.strip()

    return read


_NO_DIGIT = re.compile("[^0-9]")
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "œ": "oe"})


def slug(value: str) -> str:
    """The value as a name in small letters: "Hosting Città" is hosting-citta."""
    plain = unicodedata.normalize("NFKD", value.casefold().translate(_LETTERS)).encode("ascii", "ignore").decode()
    name = _NOT_A_NAME.sub("-", plain).strip("-")
    if not name:
        raise UnreadableError("has no letter from a to z and no digit to make a name of: translate it")
    return name


def day(form: str) -> Read:
    """A date of a form such as DD/MM/YYYY as YYYY-MM-DD; of two digits 69 to 99 are the last century's."""
    shape = date_shape(form)

    def read(value: str) -> str:
        if found := shape.fullmatch(value):
            told = found.groupdict()
            short = int(told.get("yy") or 0)
            year = int(told["y"]) if "y" in told else short + (1900 if short >= 69 else 2000)
            try:
                return date(year, int(told["m"]), int(told["d"])).isoformat()
            except ValueError:
                pass  # the right shape, but no such day: said below
        raise UnreadableError(f"is no date: write {form.removesuffix('*').strip()}")

    return read


def number(habits: Habits) -> Read:
    """A number as it is written in the file, as a plain decimal; its decimals stay as many as they are."""
    mark, group = re.escape(habits.decimals), "" if habits.thousands == "none" else re.escape(habits.thousands)
    whole = f"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]+" if group else "[0-9]+"
    shape = re.compile(rf"(-?)({whole})(?:{mark}([0-9]+))?")
    example = f"1{habits.thousands if group else ''}234{habits.decimals}50"

    def read(value: str) -> str:
        found = shape.fullmatch(value)
        if found is None or len(value) > 40:
            raise UnreadableError(f"is no number: write one such as {example}")
        digits = _NO_DIGIT.sub("", found[2]).lstrip("0") or "0"
        return f"{found[1]}{digits}" + (f".{found[3]}" if found[3] else "")

    return read


def json_number(value: str) -> str:
    """A plain decimal as JSON's number, which readers hold to 15 digits."""
    if sum(map(str.isdigit, value)) > 15:
        raise UnreadableError("has more than 15 digits, which no reader of JSON keeps: write as: text")
    return value


def count(unit: str) -> Read:
    """A whole number of years, months or days."""

    def read(value: str) -> str:
        if not value.isascii() or not value.isdigit() or len(value) > 5:
            raise UnreadableError(f"is no whole number of {unit}: write one such as 12")
        return value

    return read


def yes_or_no(habits: Habits) -> Read:
    """true for the words that mean yes, false for those that mean no."""
    meant = {**dict.fromkeys(habits.yes, "true"), **dict.fromkeys(habits.no, "false")}

    def read(value: str) -> str:
        if value not in meant:
            words = f"{', '.join(habits.yes)} for yes, {', '.join(habits.no)} for no"
            raise UnreadableError(f"is neither yes nor no: write {words}, or add it to reading.yes or reading.no")
        return meant[value]

    return read


def within(habits: Habits, at_least: Decimal | None, less_than: Decimal | None) -> Callable[[str], bool]:
    """Whether a number lies between two bounds; an empty value does not."""
    read = number(habits)

    def test(value: str) -> bool:
        if not value:
            return False
        found = Decimal(read(value))
        return (at_least is None or found >= at_least) and (less_than is None or found < less_than)

    return test


def split(mark: str, reads: Sequence[Read]) -> Read:
    """The entries of a value, each read by itself, with a ; between them."""

    def read(value: str) -> str:
        entries = [entry.strip() for entry in value.split(mark)]
        for one in reads:
            entries = [one(entry) for entry in entries if entry]
        return listed(tuple(entries))

    return read


def json_text(value: str) -> str:
    """The value as JSON's text."""
    return orjson.dumps(value).decode()


def json_constant(value: str | float) -> str:
    """A constant of the map as JSON."""
    return orjson.dumps(value).decode()


# ── readings of several values ───────────────────────────────────────────────────────────────────────────────────


def parted(into: int) -> Read:
    """A plain decimal, to be divided when its currency is known: it is rounded only once."""
    return lambda fee: fee if into == 1 else f"{fee}/{into}"


def amount(row: tuple[str, ...]) -> str:
    """The fee of a plain decimal and a currency: with the currency's own decimals, rounded half-up where it is divided.

    An amount that is not divided is never rounded: one that has too many decimals stays, to be refused.
    """
    fee, currency = row
    whole, _, into = fee.partition("/")
    if not fee or currency not in CURRENCIES:
        return whole
    exact = Decimal(whole)
    cut = (exact / int(into or 1)).quantize(Decimal(1).scaleb(-exponent(currency)), ROUND_HALF_UP)
    return f"{cut:f}" if into or cut == exact else whole


def currency(row: tuple[str, ...]) -> str:
    """The currency of a fee, if there is one."""
    fee, code = row
    return code if fee else ""


def moved(sign: int) -> ReadSeveral:
    """A day moved by years and months (to the month's last day where it has no such day), then by days.

    Empty when the day or one of the lengths is.
    """

    def read(row: tuple[str, ...]) -> str:
        if "" in row:
            return ""
        start = date.fromisoformat(row[0])
        years, months, days = map(int, row[1:])
        index = start.year * 12 + start.month - 1 + sign * (years * 12 + months)
        year, month = divmod(index, 12)
        try:
            last = monthrange(year, month + 1)[1]
            return (date(year, month + 1, min(start.day, last)) + timedelta(days=sign * days)).isoformat()
        except (ValueError, OverflowError):
            raise UnreadableError("gives a day outside the years 1 to 9999: write another length") from None

    return read


def listed(entries: tuple[str, ...]) -> str:
    """Several lists as one, with a ; between the entries, each of them once."""
    return ";".join(dict.fromkeys(entry for text in entries for entry in text.split(";") if entry))


def json_object(names: Sequence[str]) -> ReadSeveral:
    """An object of the attributes of these names, whose values are JSON; what is empty is left out, an object too."""
    keys = [f"{json_text(name)}:" for name in names]

    def read(row: tuple[str, ...]) -> str:
        told = ",".join([key + value for key, value in zip(keys, row, strict=True) if value])
        return told and f"{{{told}}}"

    return read
