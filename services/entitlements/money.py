"""Money in several currencies: added up, told as decimal strings, read again. Pure; never a float."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from schemas.values import plain
from services.entitlements.domain import ZERO

Money = Mapping[str, Decimal]
"""Amounts by currency."""


def add(total: dict[str, Decimal], money: Money) -> None:
    """Add to what there is, by currency."""
    for currency, amount in money.items():
        total[currency] = total.get(currency, ZERO) + amount


def added(*amounts: Money) -> dict[str, Decimal]:
    """The sums by currency."""
    total: dict[str, Decimal] = {}
    for money in amounts:
        add(total, money)
    return total


def told(money: Money) -> dict[str, str]:
    """Money as it is kept and told: decimal strings with each currency's own decimals, the currencies in order."""
    return {currency: plain(amount, currency) for currency, amount in sorted(money.items())}


def read(money: Mapping[str, str]) -> dict[str, Decimal]:
    """Money as it was kept."""
    return {currency: Decimal(amount) for currency, amount in money.items()}
