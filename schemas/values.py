"""The values that every event is made of: identifiers, money, instants, dates.

Leaves to `events` which of them stand in which event. Everything here refuses what it cannot read exactly:
a float is no amount, an instant without an offset is no instant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from babel.core import get_global
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PlainSerializer,
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
    if value not in CURRENCIES:
        raise ValueError(f"{value!r} is no currency: write an ISO 4217 code such as EUR")
    return str(value)


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
NO_NUL = r"^[^\x00]*$"
"""A database cannot hold the character U+0000."""
Text = Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)]
Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN}),
]
Currency = Annotated[str, BeforeValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]


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
