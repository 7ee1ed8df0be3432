"""The remedies that a rule gives: days, an add-on, a voucher or a credit, and how much of it an outage makes.

Only what can be reckoned in one way is let through. Leaves the reckoning to `quantities`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from schemas.events import RefusalReason
from services.entitlements.domain import Kind
from services.entitlements.policy_conditions import Span
from services.entitlements.policy_fields import (
    Availability,
    Currency,
    Days,
    Duration,
    Length,
    Name,
    Part,
    Positive,
    Share,
    Slug,
    at_the_exponent,
)

_NO_GRACE = timedelta(0)


class Amount(Part):
    """Money as a policy writes it, kept with all the decimals of its currency."""

    amount: Positive
    currency: Currency

    @model_validator(mode="before")
    @classmethod
    def _at_the_exponent(cls, data: Any) -> Any:
        return at_the_exponent(data, "amount")


class Band(Part):
    """How much it is from a length of the outage on, or below an availability of the month."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2, "maxProperties": 2})

    outage: Span | None = None
    """The total length of the outage."""
    availability_below: Availability | None = None
    """Of the worst calendar month that the outage touched: below so much of it with service."""
    days: Days | None = None
    amount: Amount | None = None
    share: Share | None = None
    """A share of the contract's monthly fee."""

    @model_validator(mode="after")
    def _one_measure_one_quantity(self) -> Band:
        _exactly_one(self, "is for", ("outage", "availability_below"))
        _exactly_one(self, "gives", ("days", "amount", "share"))
        if self.outage is not None and (self.outage.at_least is None or self.outage.less_than is not None):
            raise ValueError(
                "outage is not where the band begins: write {at_least: 2 hours} alone; it reaches to the next band"
            )
        return self


def _kind_of_cap(cap: Any) -> str | None:
    if isinstance(cap, int) and not isinstance(cap, bool):
        return "(days)"
    if isinstance(cap, dict | Amount):
        return "(money)"
    return "(share)" if isinstance(cap, str | Decimal) else None


Cap = Annotated[
    Annotated[int, Field(ge=1, le=3660, strict=True), Tag("(days)")]
    | Annotated[Amount, Tag("(money)")]
    | Annotated[Share, Tag("(share)")],
    Discriminator(
        _kind_of_cap,
        custom_error_type="no_cap",
        custom_error_message='write days such as 30, {amount: "20.00", currency: EUR}, or "100 %" of the monthly fee',
    ),
]
"""What caps a remedy: days, money, or a share of the monthly fee."""


class Scale(Part):
    """How the outage makes a remedy larger or smaller."""

    per: Literal["started hour", "started day", "calendar day"] | None = None
    """So much for each of them; a calendar day is a date that the outage touched."""
    after: Duration = _NO_GRACE
    """The grace: so much of the outage is not counted."""
    at_most: Cap | None = None
    bands: Annotated[tuple[Band, ...], Field(min_length=1)] = ()
    """Written rising; the last one that holds counts, and where none does there is nothing."""

    @model_validator(mode="after")
    def _bands_rise(self) -> Scale:
        if self.after and self.per is None:
            raise ValueError("after is a grace for what per counts: write per too, for example per: calendar day")
        starts = [band.outage.at_least for band in self.bands if band.outage and band.outage.at_least]
        limits = [-band.availability_below for band in self.bands if band.availability_below]
        if starts and limits:
            raise ValueError("bands go by outage and by availability_below: write all of them by one of the two")
        for measured in (starts, limits):
            if index := _first_fall(measured):
                raise ValueError(f"bands[{index}] does not come after the one before it: write them rising")
        return self

    @property
    def is_flat(self) -> bool:
        """Whether it is the same whatever the outage."""
        return self.per is None and not self.bands


def _first_fall(values: Sequence[Any]) -> int:
    """The index of the first value that is not larger than the one before; 0 when they all rise."""
    return next((index for index in range(1, len(values)) if not values[index - 1] < values[index]), 0)


class Extension(Scale):
    """Calendar days added to a contract's end."""

    days: Days | None = None

    @model_validator(mode="after")
    def _days_alone(self) -> Extension:
        _exactly_one(self, "says", ("days", "bands"))
        for index, band in enumerate(self.bands):
            if band.days is None:
                raise ValueError(f"bands[{index}] gives money: an extension gives days")
        if self.at_most is not None and (not isinstance(self.at_most, int) or self.is_flat):
            right = "leave it out, days are not more than they are" if self.is_flat else "write days such as 30"
            raise ValueError(f"at_most does not cap days here: {right}")
        return self


class Addon(Part):
    """A complimentary product with an end of its own: the day of the declaration and the period `for`."""

    product: Slug
    length: Annotated[Length, Field(alias="for")]


class _Worth(Scale):
    """Money: an amount or a share of the monthly fee, flat or by the outage."""

    amount: Amount | None = None
    share: Share | None = None
    """A share of the contract's monthly fee, in its currency."""

    @model_validator(mode="after")
    def _money_alone(self) -> _Worth:
        ways = ("amount", "share", "bands", "same_worth") if isinstance(self, Credit) else ("amount", "share", "bands")
        _exactly_one(self, "says", ways)
        for index, band in enumerate(self.bands):
            if band.days is not None:
                raise ValueError(f"bands[{index}] gives days: write amount or share, or give an extension")
        if isinstance(self.at_most, int):
            raise ValueError(  # noqa: TRY004  # pydantic reports a ValueError and lets a TypeError pass
                'at_most does not cap money: write {amount: "20.00", currency: EUR} or "100 %" of the monthly fee'
            )
        if isinstance(self.at_most, Amount) and self.is_flat and self.amount:
            raise ValueError("at_most caps an amount that is always the same: leave at_most out")
        if len(self.currencies) > 1:
            raise ValueError(f"is in {' and in '.join(sorted(self.currencies))}: write all of it in one currency")
        return self

    @property
    def currencies(self) -> frozenset[str]:
        """The currencies that it names; a share is in the contract's own."""
        amounts = [self.amount, self.at_most, *(band.amount for band in self.bands)]
        return frozenset(amount.currency for amount in amounts if isinstance(amount, Amount))

    @property
    def asks_for_the_fee(self) -> bool:
        """Whether it depends on a contract's monthly fee."""
        shares = [self.share, self.at_most, *(band.share for band in self.bands)]
        return any(isinstance(share, Decimal) for share in shares)


class Voucher(_Worth):
    """A voucher: value and shipping have caps of their own, in one currency; valid from the declaration on."""

    merchant: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    shipping_cap: Amount | None = None
    handling_covered: Annotated[bool, Field(strict=True)] = False
    valid_for: Length

    @model_validator(mode="after")
    def _one_currency(self) -> Voucher:
        if self.shipping_cap is None:
            return self
        shipping = self.shipping_cap.currency
        if not self.currencies:
            raise ValueError(
                f"shipping_cap is in {shipping} and a share is in whatever the fee is in: "
                f"cap it with an at_most in {shipping}"
            )
        if self.currencies != {shipping}:
            raise ValueError(
                f"shipping_cap is in {shipping} and amount in {min(self.currencies)}: write both in one currency"
            )
        return self


class Credit(_Worth):
    """Money on the customer's account."""

    same_worth: Annotated[bool, Field(strict=True)] = False
    """In place of days that billing refuses, what they are worth: days × monthly fee ÷ 30."""

    @model_validator(mode="after")
    def _worth_of_days_is_not_scaled(self) -> Credit:
        if self.same_worth and not self.is_flat:
            raise ValueError("same_worth is reckoned from the days: leave per out")
        return self

    @property
    def asks_for_the_fee(self) -> bool:
        """Whether it depends on a contract's monthly fee."""
        return self.same_worth or super().asks_for_the_fee


class Remedy(Part):
    """One of the four kinds of remedy."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    extension: Extension | None = None
    addon: Addon | None = None
    voucher: Voucher | None = None
    credit: Credit | None = None

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Remedy:
        _exactly_one(self, "gives", tuple(type(self).model_fields))
        return self

    @property
    def kind(self) -> Kind:
        if self.extension:
            return "extension"
        if self.addon:
            return "addon"
        return "voucher" if self.voucher else "credit"

    @property
    def money(self) -> Voucher | Credit | None:
        """The voucher or the credit, if it is one."""
        return self.voucher or self.credit


class IfOwned(Part):
    """What a customer gets who had `product` at the window already."""

    product: Name
    instead: Remedy


class IfRefused(Part):
    """What is owed in place of days or an add-on that billing has to refuse for one of the reasons."""

    reasons: Annotated[tuple[RefusalReason, ...], Field(min_length=1)]
    give: Remedy

    @model_validator(mode="after")
    def _gives_money(self) -> IfRefused:
        if self.give.money is None:
            raise ValueError(f"gives an {self.give.kind}, which could be refused as well: write credit or voucher")
        return self


def _exactly_one(part: Part, verb: str, names: Iterable[str]) -> None:
    names = tuple(names)
    written = [name for name in names if getattr(part, name) not in (None, (), False)]
    if len(written) != 1:
        raise ValueError(f"{verb} {' and '.join(written) or 'nothing'}: write exactly one of {', '.join(names)}")
