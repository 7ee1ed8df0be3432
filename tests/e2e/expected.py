"""The values that the oracle answers with: what each customer is owed, how contracts stand, the books.

Leaves to `oracle` how they are come by. Like it, this shares no code with the services; the shapes of the
wire and of the books are written out here a second time, on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Extension:
    """Days owed to a contract; `ends_on` is its new end, None when billing must refuse for `refused`."""

    contract_id: str
    product: str
    days: int
    before: date | None
    ends_on: date | None
    refused: str | None

    def granted(self) -> dict[str, Any]:
        """The remedy in `entitlement.granted.v1`, without its ids and rule."""
        return {
            "kind": "extension",
            "contract_id": self.contract_id,
            "product": self.product,
            "days": self.days,
        }

    def outcome(self) -> dict[str, Any]:
        """The outcome in `adjustment.applied.v1`, without its ids, and without what is null."""
        told = {"kind": "extension", "contract_id": self.contract_id, "product": self.product}
        if self.refused is not None or self.before is None or self.ends_on is None:
            return told | {"outcome": "refused", "reason": self.refused}
        dates = {"before": self.before.isoformat(), "after": self.ends_on.isoformat()}
        return told | {"outcome": "applied", "ends_on": dates}


@dataclass(frozen=True, slots=True)
class Addon:
    """A complimentary add-on owed on a contract, with an end of its own."""

    contract_id: str
    product: str
    ends_on: date
    refused: str | None

    def granted(self) -> dict[str, Any]:
        """The remedy in `entitlement.granted.v1`, without its ids and rule."""
        return {
            "kind": "addon",
            "contract_id": self.contract_id,
            "product": self.product,
            "ends_on": self.ends_on.isoformat(),
        }

    def outcome(self) -> dict[str, Any]:
        """The outcome in `adjustment.applied.v1`, without its ids, and without what is null."""
        told = {"kind": "addon", "contract_id": self.contract_id, "product": self.product}
        if self.refused is not None:
            return told | {"outcome": "refused", "reason": self.refused}
        return told | {"outcome": "applied", "ends_on": self.ends_on.isoformat()}


@dataclass(frozen=True, slots=True)
class Voucher:
    """The voucher that every customer gets who was hit."""

    valid_until: date
    amount: Decimal = Decimal("5.00")
    shipping_cap: Decimal = Decimal("1.90")
    currency: str = "EUR"
    merchant: str = "Fotoaruba"
    handling_covered: bool = True

    def granted(self) -> dict[str, Any]:
        """The remedy in `entitlement.granted.v1`, without its ids and rule."""
        return {
            "kind": "voucher",
            "amount": {"amount": str(self.amount), "currency": self.currency},
            "merchant": self.merchant,
            "shipping_cap": {"amount": str(self.shipping_cap), "currency": self.currency},
            "handling_covered": self.handling_covered,
            "valid_until": self.valid_until.isoformat(),
        }

    def outcome(self) -> dict[str, Any]:
        """The outcome in `adjustment.applied.v1`, without its ids and its code."""
        return self.granted() | {"outcome": "applied"}


@dataclass(frozen=True, slots=True)
class Letter:
    """The details letter: `sent` or `no_address`, or `pending` while the CRM has not told who it is to."""

    status: str
    recipient: str | None
    language: str
    name: str


def in_order(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remedies or outcomes in an order of their own: by kind, then by contract."""
    return sorted(told, key=lambda item: (item["kind"], item.get("contract_id", "")))


@dataclass(frozen=True, slots=True)
class Owed:
    """What the promise makes of one considered customer; entitled when `exclusion` is None."""

    customer_id: str
    exclusion: str | None
    extensions: tuple[Extension, ...] = ()
    addons: tuple[Addon, ...] = ()
    vouchers: tuple[Voucher, ...] = ()
    letter: Letter | None = None

    @property
    def told(self) -> dict[str, date]:
        """The contracts that the letter must name as extended, each with its new end."""
        return {e.contract_id: e.ends_on for e in self.extensions if e.refused is None and e.ends_on is not None}

    @property
    def not_told(self) -> tuple[str, ...]:
        """The contracts that the letter must not give a new end."""
        return tuple(e.contract_id for e in self.extensions if e.refused is not None)

    def granted(self) -> list[dict[str, Any]]:
        """All remedies as they stand in `entitlement.granted.v1`, without ids, in order."""
        return in_order([remedy.granted() for remedy in self.remedies])

    def outcomes(self) -> list[dict[str, Any]]:
        """All outcomes as they stand in `adjustment.applied.v1`, without ids, in order."""
        return in_order([remedy.outcome() for remedy in self.remedies])

    @property
    def remedies(self) -> tuple[Extension | Addon | Voucher, ...]:
        """All of them: extensions, add-ons, vouchers."""
        return self.extensions + self.addons + self.vouchers


@dataclass(frozen=True, slots=True)
class Standing:
    """How a contract must stand once everything is applied."""

    ends_on: date | None
    terminated_on: date | None
    complimentary: tuple[tuple[str, date, date], ...] = ()
    """Every add-on that it was given: product, first day, last day; sorted."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The whole promise: every considered customer, and every contract of the file, changed or not."""

    incident_id: str
    revision: int
    customers: Mapping[str, Owed] = field(default_factory=dict)
    contracts: Mapping[str, Standing] = field(default_factory=dict)

    @property
    def days_applied(self) -> int:
        """The days that billing could add; `days_granted` in the books counts the refused ones too."""
        return sum(e.days for owed in self.customers.values() for e in owed.extensions if e.refused is None)

    def books(self) -> dict[str, Any]:
        """What `amends reconcile --output json` must print when everything is done."""
        entitled = [owed for owed in self.customers.values() if owed.exclusion is None]
        remedies = [remedy for owed in entitled for remedy in owed.remedies]
        refused = sum(1 for remedy in remedies if remedy.outcome()["outcome"] == "refused")
        letters = dict.fromkeys(("sent", "failed", "in_doubt", "suppressed", "no_address", "pending"), 0)
        liability: dict[str, Decimal] = {}
        for owed in entitled:
            if owed.letter is not None:
                letters[owed.letter.status] += 1
            for voucher in owed.vouchers:
                liability[voucher.currency] = liability.get(voucher.currency, Decimal(0)) + voucher.amount
        return {
            "incident_id": self.incident_id,
            "revision": self.revision,
            "customers": {
                "considered": len(self.customers),
                "entitled": len(entitled),
                "excluded": len(self.customers) - len(entitled),
                "adjusted": len(entitled),
                "quarantined": 0,
            },
            "remedies": {"granted": len(remedies), "applied": len(remedies) - refused, "refused": refused},
            "letters": {"details": letters},
            "liability": {currency: str(amount) for currency, amount in liability.items()},
            "days_granted": sum(e.days for owed in entitled for e in owed.extensions),
            "closed": letters["pending"] == 0,
            "gaps": [],
        }
