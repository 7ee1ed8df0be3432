"""The single values that a policy is made of: names, money, shares, lengths, periods, zones.

Each is refused with what would be right, is written back as a policy writes it, and tells an editor how it is written.
Leaves to `policy_conditions`, `policy_remedies` and `policy` which of them stand where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from schemas.values import AMOUNT_PATTERN, CURRENCIES, exponent
from schemas.yaml_files import nearest
from services.entitlements.domain import Period, rounded

_PERIOD = re.compile(r"([1-9][0-9]{0,3}) (year|month|day)s?")
_LONGEST = {"year": 10, "month": 120, "day": 3660}
_LENGTH = re.compile(r"([1-9][0-9]{0,5}) (minute|hour|day)s?")
_UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}
LONGEST_LENGTH = timedelta(days=366)
_SHARE = re.compile(r"(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})? ?%")
_LARGEST_INTEGER = 2**53


class Part(BaseModel):
    """The base of everything in a policy: immutable, and a field that it does not know is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        populate_by_name=False,
        use_attribute_docstrings=True,
    )


# ── lengths ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _period(value: Any) -> Period:
    match = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is no period: write a text such as "1 year", "6 months" or "15 days"')
    period = Period(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern allows these three alone
    if period.count > _LONGEST[period.unit]:
        raise ValueError(f"{value!r} is too long: write {_LONGEST[period.unit]} {period.unit}s at most")
    return period


def read_length(value: Any) -> timedelta:
    """A length of time as a policy writes it; raises ValueError for anything else, and for one beyond a year."""
    match = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is no length of time: write a text such as "90 minutes", "2 hours" or "1 day"')
    if (length := int(match[1]) * _UNITS[match[2]]) > LONGEST_LENGTH:
        raise ValueError(f"{value!r} is too long: write {LONGEST_LENGTH.days} days at most")
    return length


def written_length(length: timedelta) -> str:
    """A length of whole minutes as a policy writes it, in the largest unit that divides it: "2 hours", "90 minutes"."""
    unit = next((unit for unit in ("day", "hour") if length and not length % _UNITS[unit]), "minute")
    count = length // _UNITS[unit]
    return f"{count} {unit}{'' if count == 1 else 's'}"


# ── money and shares ─────────────────────────────────────────────────────────────────────────────────────────────


def _amount(value: Any) -> Decimal:
    right = 'write a decimal string such as "5.00"'
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):  # pydantic reports a ValueError and lets a TypeError pass
        raise ValueError(f"{value!r} is a float: {right}")  # noqa: TRY004
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{value!r} is a number, not a text: {right}")  # noqa: TRY004
    if not isinstance(value, str) or not re.fullmatch(AMOUNT_PATTERN, value):
        raise ValueError(f"{value!r} is no amount: {right}")
    if Decimal(value) <= 0:
        raise ValueError(f"{value!r} is not more than nothing: {right}")
    return Decimal(value)


def _currency(value: Any) -> str:
    if isinstance(value, str) and value in CURRENCIES:
        return value
    raise ValueError(f"{value!r} is no currency: write an ISO 4217 code such as {nearest(value, CURRENCIES, 'EUR')}")


def at_the_exponent(data: Any, *fields: str) -> Any:
    """What stands in a mapping beside `currency`, with all the decimals of that currency.

    Raises ValueError for an amount with more; whatever else is wrong is left to the fields themselves to say.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("currency"), str):
        return data
    currency = data["currency"]
    if currency not in CURRENCIES:
        return data
    exact = {}
    for name in fields:
        amount = data.get(name)
        if not isinstance(amount, str) or not re.fullmatch(AMOUNT_PATTERN, amount):
            continue
        kept = rounded(Decimal(amount), currency)
        if kept != Decimal(amount):
            right = max(kept, Decimal(1).scaleb(-exponent(currency)))
            raise ValueError(
                f"{amount} {currency} has too many decimals: {currency} has {exponent(currency)}, "
                f'write for example "{right}"'
            )
        exact[name] = str(kept)
    return {**data, **exact}


def _share(most_percent: int, least: Decimal) -> Callable[[Any], Decimal]:
    """Reads a percentage of at most so much as a fraction: "20 %" is 0.2."""

    def read(value: Any) -> Decimal:
        if isinstance(value, Decimal):
            return value
        if not isinstance(value, str) or not (match := _SHARE.fullmatch(value)):
            raise ValueError(f'{value!r} is no share: write a percentage in quotes such as "20 %"')
        share = Decimal(f"{match[1]}{match[2] or ''}").scaleb(-2)
        if share > Decimal(most_percent).scaleb(-2):
            raise ValueError(f'{value!r} is too much: write "{most_percent} %" at most')
        if share < least:
            raise ValueError(f'{value!r} is nothing: write a percentage in quotes such as "20 %"')
        return share

    return read


def written_share(share: Decimal) -> str:
    """A fraction as a policy writes it: 0.2 is "20 %"."""
    return f"{(share * 100).normalize():f} %"


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _scalar(value: Any) -> bool | int | str:
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _LARGEST_INTEGER):
        return value
    if isinstance(value, str) and "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value):
        return value
    raise ValueError(f"{value!r} cannot be compared: write true, false, a whole number or a text")


def _wanted(value: Any) -> bool | int | str | tuple[bool | int | str, ...]:
    if not isinstance(value, list | tuple):
        return _scalar(value)
    if not value:
        raise ValueError("[] is empty: write at least 1, or one value without [ and ]")
    return tuple(_scalar(item) for item in value)


@cache
def known_zones() -> frozenset[str]:
    """The names of every time zone that this machine knows."""
    return frozenset(available_timezones())


def _time_zone(value: Any) -> str:
    if isinstance(value, str) and value in known_zones():
        return value
    right = nearest(value, known_zones(), "Europe/Rome")
    raise ValueError(f"{value!r} is no time zone: write an IANA name such as {right}")


def _written(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


_SCALARS: list[dict[str, Any]] = [{"type": "boolean"}, {"type": "integer"}, {"type": "string"}]
_SHARES = _written(rf"^{_SHARE.pattern}$", "20 %", "99.9 %")
_AMOUNTS = _written(AMOUNT_PATTERN, "5.00")

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)]
Name = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]+$", min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)]
Title = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=300)]
Days = Annotated[int, Field(ge=1, le=3660, strict=True)]
Positive = Annotated[Decimal, BeforeValidator(_amount), _AMOUNTS]
Currency = Annotated[str, BeforeValidator(_currency), _written("^[A-Z]{3}$", "EUR", "GBP", "USD")]
TimeZone = Annotated[str, BeforeValidator(_time_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Rome"]})]
Length = Annotated[
    Period, BeforeValidator(_period), PlainSerializer(str), _written(f"^{_PERIOD.pattern}$", "1 year", "15 days")
]
"""A length in the calendar: "1 year", "6 months", "15 days"."""
Duration = Annotated[
    timedelta,
    BeforeValidator(lambda value: value if isinstance(value, timedelta) else read_length(value)),
    PlainSerializer(written_length),
    _written(f"^{_LENGTH.pattern}$", "90 minutes", "2 hours", "1 day"),
]
"""An exact length: "90 minutes", "2 hours", "1 day" (24 hours)."""
_WrittenShare = PlainSerializer(written_share)
_LEAST = Decimal("0.000001")
Share = Annotated[Decimal, BeforeValidator(_share(1000, _LEAST)), _WrittenShare, _SHARES]
"""A share of the monthly fee, as a fraction."""
Availability = Annotated[Decimal, BeforeValidator(_share(100, _LEAST)), _WrittenShare, _SHARES]
Portion = Annotated[Decimal, BeforeValidator(_share(100, Decimal(0))), _WrittenShare, _SHARES]
"""A share of something that may be none of it or all."""
Wanted = Annotated[
    bool | int | str | tuple[bool | int | str, ...],
    PlainValidator(_wanted),
    PlainSerializer(lambda wanted: list(wanted) if isinstance(wanted, tuple) else wanted, return_type=Any),
    WithJsonSchema({"anyOf": [*_SCALARS, {"type": "array", "minItems": 1, "items": {"anyOf": _SCALARS}}]}),
]
"""What an attribute must be equal to: a value, or any of a list."""
