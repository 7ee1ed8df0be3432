"""The values that entitlements decides with: contracts as facts, grants as results, verdicts as reasons.

Leaves to `policy` what is promised, to `decide` who gets it, and to the messages and the store how a value is read
and kept. Nothing here does I/O, asks the clock or touches a float.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple

from schemas.values import exponent

Kind = Literal["extension", "addon", "voucher", "credit"]
Choice = Literal["give", "instead"]
ExclusionReason = Literal["not_in_scope", "started_after", "ended_before", "terminated_before"]
Condition = Literal["family", "product", "site", "attributes"]
Why = Literal[
    "granted", "granted_instead", "already_granted", "no_eligible_contract",
    "family", "product", "site", "attributes",
    "not_in_scope", "started_after", "ended_before", "terminated_before",
]  # fmt: skip

CUSTOMER = "customer"
"""The target of a grant that belongs to the customer and to none of his contracts."""

CLOSENESS: Mapping[ExclusionReason, int] = {
    "not_in_scope": 0,
    "started_after": 1,
    "ended_before": 2,
    "terminated_before": 3,
}
"""How near a spared contract came to being hit: a customer is excluded for the reason that came closest."""


class Complimentary(NamedTuple):
    """An add-on that was given as a remedy: held from `starts_on` through `ends_on`, both included."""

    product: str
    starts_on: date
    ends_on: date


@dataclass(frozen=True, slots=True)
class Contract:
    """What the projection knows of a contract: no name, no address.

    It is in service from `starts_on` through `ends_on`; `terminated_on` is the first day without service.
    """

    contract_id: str
    customer_id: str
    family: str
    product: str
    site: str | None
    starts_on: date
    ends_on: date | None = None
    terminated_on: date | None = None
    monthly_fee: Decimal | None = None
    currency: str | None = None
    addons: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    complimentary: tuple[Complimentary, ...] = ()


@dataclass(frozen=True, slots=True)
class Period:
    """A length in the calendar: years and months keep the day of the month, clamped to the month's end."""

    count: int
    unit: Literal["year", "month", "day"]

    def after(self, day: date) -> date:
        """The same day `count` units later (29 February + 1 year = 28 February), at most 9999-12-31."""
        try:
            if self.unit == "day":
                return day + timedelta(days=self.count)
            months = day.year * 12 + day.month - 1 + self.count * (12 if self.unit == "year" else 1)
            year, month = divmod(months, 12)
            return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
        except (OverflowError, ValueError):  # past the last year that a date can have
            return date.max

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What one choice of one rule gives: the same for everyone who gets it, so it is made once per incident.

    `days` for an extension; `product` and `ends_on` for an add-on; `amount` and `currency` for a voucher or a
    credit; `shipping_cap` (in `currency`, apart from the amount), `handling_covered`, `merchant`, `valid_until` for
    a voucher. An encoder may keep what it makes of a Terms and reuse it for every grant that refers to it.
    """

    rule: str
    choice: Choice
    kind: Kind
    days: int | None = None
    product: str | None = None
    ends_on: date | None = None
    amount: Decimal | None = None
    currency: str | None = None
    merchant: str | None = None
    shipping_cap: Decimal | None = None
    handling_covered: bool = False
    valid_until: date | None = None

    def __str__(self) -> str:
        if self.kind == "extension":
            return f"{self.days} calendar days"
        if self.kind == "addon":
            return f"{self.product}, free until {self.ends_on}"
        if self.kind == "credit":
            return f"a credit of {self.amount} {self.currency}"
        shipping = f", shipping up to {self.shipping_cap} {self.currency}" if self.shipping_cap else ""
        handling = ", handling covered" if self.handling_covered else ""
        return (
            f"a voucher of {self.amount} {self.currency} at {self.merchant}{shipping}{handling}, "
            f"valid until {self.valid_until}"
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """One remedy owed to one customer. `target` is a contract id, or `CUSTOMER`.

    `contract_id` is there for an extension and an add-on alone; `product` is the contract's for an extension, the
    gift's for an add-on. The terms are shared; the properties read them.
    """

    grant_id: str
    entry_id: str
    target: str
    contract_id: str | None
    product: str | None
    terms: Terms

    @property
    def rule(self) -> str:
        return self.terms.rule

    @property
    def choice(self) -> Choice:
        return self.terms.choice

    @property
    def kind(self) -> Kind:
        return self.terms.kind

    @property
    def days(self) -> int | None:
        return self.terms.days

    @property
    def ends_on(self) -> date | None:
        return self.terms.ends_on

    @property
    def amount(self) -> Decimal | None:
        return self.terms.amount

    @property
    def currency(self) -> str | None:
        return self.terms.currency

    @property
    def merchant(self) -> str | None:
        return self.terms.merchant

    @property
    def shipping_cap(self) -> Decimal | None:
        return self.terms.shipping_cap

    @property
    def handling_covered(self) -> bool:
        return self.terms.handling_covered

    @property
    def valid_until(self) -> date | None:
        return self.terms.valid_until


@dataclass(frozen=True, slots=True)
class PriorGrant:
    """A grant of this incident that is already in the books: it is never made again, and its choice stands."""

    grant_id: str
    rule: str
    target: str
    choice: Choice


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule said of a target, and why. `granted` is true when this very decision grants it.

    `why` is a stable code for programs; `detail` holds the facts behind it, `sentence()` is for people.
    """

    rule: str
    target: str
    granted: bool
    why: Why
    detail: str

    def sentence(self) -> str:
        """For example: "extra-days, contract C1: not granted, its family is adsl: the rule is for dedicated"."""
        whom = "the customer" if self.target == CUSTOMER else f"contract {self.target}"
        if self.why == "already_granted":
            return f"{self.rule}, {whom}: granted before, {self.detail}"
        return f"{self.rule}, {whom}: {'granted' if self.granted else 'not granted'}, {self.detail}"


@dataclass(frozen=True, slots=True)
class Decision:
    """All that a customer is owed now. Either new grants, or earlier ones stand, or there is an `exclusion`.

    `verdicts` is filled by `explain` alone, by rule and then by contract id.
    """

    customer_id: str
    grants: tuple[Grant, ...]
    exclusion: ExclusionReason | None
    verdicts: tuple[Verdict, ...] = ()


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Money rounded half-up at the currency's own exponent: 1.005 EUR = 1.01, 0.5 JPY = 1."""
    return amount.quantize(Decimal(1).scaleb(-exponent(currency)), rounding=ROUND_HALF_UP)
