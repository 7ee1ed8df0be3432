"""The values that every event is made of: identifiers, money, instants, dates.

Leaves to `events` which of them stand in which event. Everything here refuses what it cannot read exactly:
a float is no amount, an instant without an offset is no instant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any

from babel.core import get_global
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$"
_AMOUNT = re.compile(AMOUNT_PATTERN)
_EXPONENTS: Mapping[str, tuple[int, ...]] = get_global("currency_fractions")
CURRENCIES = frozenset(code for code in get_global("all_currencies") if re.fullmatch("[A-Z]{3}", code))


def exponent(currency: str) -> int:
    """How many decimals the currency has (ISO 4217): EUR 2, JPY 0, KWD 3."""
    return _EXPONENTS.get(currency, _EXPONENTS["DEFAULT"])[0]


def plain(amount: Decimal, currency: str) -> str:
    """An amount as text, with the currency's own number of decimals: 5.00 for EUR, 5 for JPY."""
    return f"{amount:.{exponent(currency)}f}"


def _amount(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise ValueError(f'{value!r} is no amount: write a decimal string such as "5.00"')
    return Decimal(value)


def _currency(value: Any) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise ValueError(f"{value!r} is no currency: write an ISO 4217 code such as EUR")
    return value


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
NO_NUL = r"^[^\x00]*$"
"""A database cannot hold the character U+0000."""
Text = Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)]


def without_nul(value: str) -> str:
    """The same as `NO_NUL`, for what was published without that pattern: a pattern would change its schema."""
    if "\x00" in value:
        raise ValueError("holds the character U+0000: leave it out")
    return value


AT_MOST = 10_000
"""How many remedies or withdrawals one event may have: the answer to them has to fit into one record too."""


def not_too_many(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """A list that can be answered; as with `without_nul`, its schema was published without a bound."""
    if len(value) > AT_MOST:
        raise ValueError(f"{len(value)} are more than the {AT_MOST} that fit into an event: split it")
    return value


Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(without_nul)]
"""A time zone's name; whoever does not know it takes UTC."""
Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN}),
]
Currency = Annotated[str, BeforeValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]


def _of_the_calendar(value: datetime) -> datetime:
    """An instant that every calendar has: in UTC too it is in the years 1 to 9999."""
    if value.year in (1, 9999):
        try:
            value.astimezone(UTC)
        except OverflowError:
            raise ValueError("is outside the calendar in UTC: write a year from 1 to 9999") from None
    return value


_NUMBER = re.compile(r"\s*[+-]?[0-9_.]*\s*")


def _written_as_a_date(value: Any) -> Any:
    """Digits alone would be read as seconds since 1970: "20110429" is the 21st of August of that year then."""
    if isinstance(value, str) and value[4:5] != "-" and _NUMBER.fullmatch(value):
        raise ValueError("is a number: write 2011-04-29, or 2011-04-29T14:00:00+02:00")
    if not isinstance(value, str | date):
        raise ValueError("is no text: write 2011-04-29, or 2011-04-29T14:00:00+02:00")  # noqa: TRY004
    return value


def _written_as_a_day(value: Any) -> Any:
    if isinstance(value, str) and len(value) != len("2011-04-29"):
        raise ValueError("is no date: write one such as 2011-04-29")
    return _written_as_a_date(value)


# Not strict, for what a validator has looked at is taken for Python's, and not for JSON's, from there on.
Instant = Annotated[AwareDatetime, Strict(False), BeforeValidator(_written_as_a_date), AfterValidator(_of_the_calendar)]
"""An instant with its offset, of the years 1 to 9999 in UTC too."""
Day = Annotated[date, Strict(False), BeforeValidator(_written_as_a_day)]
"""A date of the calendar, without a time."""

_SMALLEST_WHOLE, _LARGEST_WHOLE = -(2**63), 2**64 - 1


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """What a database and every reader can keep as JSON."""
    pending: list[Any] = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            pending += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            pending += part
        elif isinstance(part, str):
            if "\x00" in part:
                raise ValueError("holds the character U+0000: leave it out")
        elif isinstance(part, float):
            if not isfinite(part):
                raise ValueError("holds a number that is none, or beyond a double: write it as text")
        elif isinstance(part, int) and not _SMALLEST_WHOLE <= part <= _LARGEST_WHOLE:
            raise ValueError("holds a whole number beyond 64 bits: write it as text")
    return value


Attributes = Annotated[dict[str, Any], AfterValidator(_as_json)]
"""Whatever else is known of something: no U+0000, no whole number beyond 64 bits, none beyond a double."""


class Value(BaseModel):
    """The base of everything on the wire: immutable, unknown fields ignored, nothing guessed from another type."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, use_attribute_docstrings=True)


class Money(Value):
    """An amount in one currency, with no more decimals than the currency has."""

    amount: Amount
    currency: Currency

    @model_validator(mode="after")
    def _fits_its_currency(self) -> Money:
        decimals = -int(self.amount.as_tuple().exponent)
        if decimals > exponent(self.currency):
            raise ValueError(
                f"{self.amount} {self.currency} has {decimals} decimals: {self.currency} has {exponent(self.currency)}"
            )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _one_instance_per_value(cls, data: Any, validate: ModelWrapValidatorHandler[Money]) -> Money:
        """A million vouchers have the same amount: check it once, share the immutable value."""
        if isinstance(data, Money):
            return data
        if not isinstance(data, dict):
            return validate(data)
        amount, currency = data.get("amount"), data.get("currency")
        if not (isinstance(amount, str) and isinstance(currency, str)):
            return validate(data)
        key = (amount, currency)
        known = _KNOWN.get(key)
        if known is None:
            known = validate(data)
            if len(_KNOWN) < _KNOWN_AT_MOST:
                _KNOWN[key] = known
        return known


_KNOWN: dict[tuple[str, str], Money] = {}
_KNOWN_AT_MOST = 10_000
