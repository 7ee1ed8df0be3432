"""The values that entitlements decides with: contracts and what is in the books as facts, grants and withdrawals as
results, verdicts as reasons.

Leaves to `policy` what is promised, to `decide` who gets it, and to the messages and the store how a value is read
and kept. Nothing here does I/O, asks the clock or touches a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple

from schemas.events import Interval, RefusalReason, Scope
from schemas.values import exponent
from services.entitlements.periods import Period as Period

Kind = Literal["extension", "addon", "voucher", "credit"]
Choice = Literal["give", "instead"]
SparedReason = Literal["not_in_scope", "started_after", "ended_before", "terminated_before"]
"""Why an incident did not hit a contract."""
ExclusionReason = Literal[SparedReason, "nothing_due", "waits_for_end"]
"""Why a customer is owed nothing: he was spared, or what he is owed comes to nothing, or it is not known yet."""
Condition = Literal["family", "product", "site", "attributes", "addons", "tenure", "monthly_fee", "outage"]
Why = Literal[
    "granted", "granted_instead", "difference", "already_granted", "honoured", "withdrawn", "no_eligible_contract",
    "waits_for_end", "nothing_due", "unless", "retracted", Condition, SparedReason,
]  # fmt: skip

ZERO, ONE = Decimal(0), Decimal(1)

CUSTOMER = "customer"
"""The target of a grant that belongs to the customer and to none of his contracts."""

CLOSENESS: Mapping[ExclusionReason, int] = {
    "not_in_scope": 0,
    "started_after": 1,
    "ended_before": 2,
    "terminated_before": 3,
    "nothing_due": 4,
    "waits_for_end": 5,
}
"""How near a contract came to being compensated: a customer is excluded for the reason that came closest."""


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
class Terms:
    """What one choice of one rule gives under one revision: the same for everyone who gets as much of it, so it is
    made once and shared.

    `days` for an extension; `product` and `ends_on` for an add-on; `amount` and `currency` for a voucher or a
    credit; `shipping_cap` (in `currency`, apart from the amount), `handling_covered`, `merchant`, `valid_until` for
    a voucher. `stamp` is the revision that owes it: dates count from its declaration. An encoder may keep what it
    makes of a Terms and reuse it for every grant that refers to it.
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
    stamp: int = 1

    @property
    def quantity(self) -> Decimal:
        """How much it is: days, money, or 1 for an add-on."""
        return Decimal(self.days) if self.days is not None else self.amount if self.amount is not None else ONE

    def __str__(self) -> str:
        if self.kind == "extension":
            return f"{self.days} calendar day{'' if self.days == 1 else 's'}"
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
class SubstituteGrant:
    """What is owed in place of a grant that billing has to refuse for one of the reasons: a credit or a voucher."""

    grant_id: str
    entry_id: str
    reasons: tuple[RefusalReason, ...]
    terms: Terms


class Grant(NamedTuple):  # of all values the one that a run makes most of: a tuple is made in half the time
    """One entry of what is owed to one customer. `target` is a contract id, or `CUSTOMER`.

    `contract_id` is there for an extension and an add-on alone; `product` is the contract's for an extension, the
    gift's for an add-on. The terms are shared; the properties read them. At most one of the substitutes is needed.
    """

    grant_id: str
    entry_id: str
    target: str
    contract_id: str | None
    product: str | None
    terms: Terms
    substitutes: tuple[SubstituteGrant, ...] = ()

    @property
    def stamp(self) -> int:
        """The revision since which it is owed."""
        return self.terms.stamp

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
    def amount(self) -> Decimal | None:
        return self.terms.amount

    @property
    def currency(self) -> str | None:
        return self.terms.currency


@dataclass(frozen=True, slots=True)
class PriorGrant:
    """An entry of this incident that is in the books already: it is never made again, and its choice stands.

    `stamp` is the revision that it was granted for; `quantity` is in days, money or 1. A withdrawn one that is
    `honoured` is still the customer's; one that is not was taken back.
    """

    grant_id: str
    entry_id: str
    rule: str
    target: str
    choice: Choice
    stamp: int = 1
    quantity: Decimal = ONE
    withdrawn: bool = False
    honoured: bool = False
    currency: str | None = None

    @property
    def held(self) -> bool:
        """Whether the customer still has it."""
        return self.honoured or not self.withdrawn


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An entry that is no longer owed: `entry_id` is that of the withdrawal, `withdraws` that of what it is about.

    When it is `honoured` the entry stands all the same. `quantity` is the entry's, in days, money or 1.
    """

    entry_id: str
    grant_id: str
    rule: str
    choice: Choice
    kind: Kind
    target: str
    withdraws: str
    honoured: bool
    quantity: Decimal
    currency: str | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another incident under a policy of the same name, with its hours.

    With a `scope` its hours count for every contract that it hit, whether it gave something or not (what stayed
    within a grace there may be more than that together with this incident's hours); without one, as for an incident
    that was retracted, only where it gave something.
    """

    incident_id: str
    intervals: tuple[Interval, ...]
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class OtherGrant:
    """What another incident has given a target by a rule of the same name, net of what it took back."""

    incident_id: str
    rule: str
    target: str
    choice: Choice
    quantity: Decimal


_SAID: Mapping[Why, str] = {
    "already_granted": "granted before",
    "honoured": "no longer owed, and honoured",
    "withdrawn": "no longer owed, and taken back",
    "waits_for_end": "not granted yet",
}


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
        said = _SAID.get(self.why, "granted" if self.granted else "not granted")
        return f"{self.rule}, {whom}: {said}, {self.detail}"


@dataclass(frozen=True, slots=True)
class Decision:
    """All that a customer is owed now, and what he is owed no longer.

    There are new grants, or earlier ones are in the books, or there is an `exclusion`. `verdicts` is filled by
    `explain` alone, by rule and then by contract id.
    """

    customer_id: str
    grants: tuple[Grant, ...]
    exclusion: ExclusionReason | None
    verdicts: tuple[Verdict, ...] = ()
    withdrawals: tuple[Withdrawn, ...] = ()


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Money rounded half-up at the currency's own exponent: 1.005 EUR = 1.01, 0.5 JPY = 1."""
    return amount.quantize(ONE.scaleb(-exponent(currency)), rounding=ROUND_HALF_UP)
