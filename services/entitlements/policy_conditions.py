"""Which of the contracts that were hit a rule is for.

A contract meets the conditions when it meets every one that is given. Leaves the judging to `prepared`.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from services.entitlements.domain import Period
from services.entitlements.policy_fields import (
    Currency,
    Duration,
    Length,
    Names,
    Part,
    Positive,
    Wanted,
    at_the_exponent,
    written_length,
)

_SOME_STARTS = [date(2023 + year, month, 1) for year in (0, 1) for month in range(1, 13)]
"""Days to compare calendar periods from: every month of a common and of a leap year."""


def _check_range(at_least: object | None, less_than: object | None, is_empty: bool) -> None:
    if at_least is None and less_than is None:
        raise ValueError("says nothing: write at_least, less_than or both")
    if is_empty:
        raise ValueError(f"nothing is at least {at_least} and less than {less_than}: write less_than as the larger one")


class Span(Part):
    """A range of lengths of the outage: its total, in exact time."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    at_least: Duration | None = None
    less_than: Duration | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Span:
        at_least, less_than = self.at_least or timedelta(0), self.less_than
        empty = less_than is not None and less_than <= at_least
        _check_range(self.at_least and written_length(self.at_least), less_than and written_length(less_than), empty)
        return self


class Tenure(Part):
    """How long the contract has run, from its start to the first day of the window, in the calendar."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    at_least: Length | None = None
    less_than: Length | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Tenure:
        _check_range(self.at_least, self.less_than, _never(self.at_least, self.less_than))
        return self


def _never(at_least: Period | None, less_than: Period | None) -> bool:
    """Whether no day is both: at least the one period and less than the other from any start."""
    if at_least is None or less_than is None:
        return False
    return all(at_least.after(start) >= less_than.after(start) for start in _SOME_STARTS)


class FeeRange(Part):
    """A range of monthly fees in one currency; a contract without a fee, or with one in another, is not in it."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2})

    currency: Currency
    at_least: Positive | None = None
    less_than: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _at_the_exponent(cls, data: Any) -> Any:
        return at_the_exponent(data, "at_least", "less_than")

    @model_validator(mode="after")
    def _holds_something(self) -> FeeRange:
        at_least, less_than = self.at_least or Decimal(0), self.less_than
        _check_range(self.at_least, less_than, less_than is not None and less_than <= at_least)
        return self


class When(Part):
    """Which of the contracts that were hit a rule is for: those that meet all that is given here."""

    families: Names | None = None
    products: Names | None = None
    sites: Names | None = None
    attributes: Annotated[dict[str, Wanted], Field(min_length=1, max_length=100)] | None = None
    """Attributes of the contract and what each must be equal to; of a list, any one will do."""
    addons: Names | None = None
    """Any one of these add-ons was held by the contract at the window, a complimentary one too."""
    outage: Span | None = None
    tenure: Tenure | None = None
    monthly_fee: FeeRange | None = None
