"""The single values that a policy is made of: names, money, periods, zones; each refused with what would be right.

Leaves to `policy` which of them stand where.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, PlainValidator

from schemas.values import AMOUNT_PATTERN, CURRENCIES
from services.entitlements.domain import Period
from services.entitlements.policy_errors import nearest

_PERIOD = re.compile(r"([1-9]\d{0,3}) (year|month|day)s?")
_LONGEST = {"year": 10, "month": 120, "day": 3660}


def _period(value: Any) -> Period:
    match = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is no period: write a text such as "1 year", "6 months" or "15 days"')
    period = Period(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern allows these three alone
    if period.count > _LONGEST[period.unit]:
        raise ValueError(f"{value!r} is too long: write {_LONGEST[period.unit]} {period.unit}s at most")
    return period


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


def _scalar(value: Any) -> Any:
    if isinstance(value, bool | int | str):
        return value
    raise ValueError(f"{value!r} cannot be compared: write true, false, a whole number or a text")


@cache
def known_zones() -> frozenset[str]:
    """The names of every time zone that this machine knows."""
    return frozenset(available_timezones())


def _time_zone(value: Any) -> str:
    if isinstance(value, str) and value in known_zones():
        return value
    right = nearest(value, known_zones(), "Europe/Rome")
    raise ValueError(f"{value!r} is no time zone: write an IANA name such as {right}")


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)]
Name = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]+$", min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=1000)]
Positive = Annotated[Decimal, BeforeValidator(_amount)]
Currency = Annotated[str, BeforeValidator(_currency)]
TimeZone = Annotated[str, BeforeValidator(_time_zone)]
Length = Annotated[Period, BeforeValidator(_period)]
Scalar = Annotated[bool | int | str, PlainValidator(_scalar)]
