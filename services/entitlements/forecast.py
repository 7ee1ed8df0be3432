"""What decisions come to, in numbers: customers, remedies, days and money; a plan that a person can answer for.

Forecasts add up: that of the whole is the sum of its parts', in any order. Money is counted at most: a substitute as
if it were needed, and of several for one remedy the dearest. Leaves to the plan whose decisions they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

import orjson

from services.entitlements import money
from services.entitlements.domain import CUSTOMER, ZERO, Decision, Grant, Withdrawn
from services.entitlements.money import Money


@dataclass(frozen=True, slots=True)
class Given:
    """What one rule gives in one kind: to how many customers and contracts, how many remedies, days, how much money."""

    customers: int = 0
    contracts: int = 0
    remedies: int = 0
    days: int = 0
    money: Money = field(default_factory=dict)

    def __add__(self, other: Given) -> Given:
        return Given(
            self.customers + other.customers,
            self.contracts + other.contracts,
            self.remedies + other.remedies,
            self.days + other.days,
            money.added(self.money, other.money),
        )


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What one rule withdraws in one kind; the `honoured` entries, which stand, are among the entries alone."""

    entries: int = 0
    honoured: int = 0
    days: int = 0
    money: Money = field(default_factory=dict)

    def __add__(self, other: TakenBack) -> TakenBack:
        return TakenBack(
            self.entries + other.entries,
            self.honoured + other.honoured,
            self.days + other.days,
            money.added(self.money, other.money),
        )


Key = tuple[str, str]
"""A rule and a kind of remedy."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a set of decisions comes to."""

    considered: int = 0
    entitled: int = 0
    exclusions: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[Key, Given] = field(default_factory=dict)
    substitutes: Money = field(default_factory=dict)
    withdrawn: Mapping[Key, TakenBack] = field(default_factory=dict)

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> Forecast:
        """What these decisions come to, each customer being in one of them at most."""
        considered, exclusions = 0, Counter[str]()
        given: dict[Key, _Given] = {}
        substitutes: dict[str, Decimal] = {}
        withdrawn: dict[Key, TakenBack] = {}
        for decision in decisions:
            considered += 1
            if decision.exclusion is not None:
                exclusions[decision.exclusion] += 1
            for grant in decision.grants:
                key = (grant.terms.rule, grant.terms.kind)
                sums = given.get(key)
                if sums is None:
                    sums = given[key] = _Given()
                sums.add(decision.customer_id, grant)
                if grant.substitutes:
                    money.add(substitutes, _dearest(grant))
            for entry in decision.withdrawals:
                one = (entry.rule, entry.kind)
                withdrawn[one] = withdrawn.get(one, TakenBack()) + _taken_back(entry)
        return cls(
            considered,
            considered - exclusions.total(),
            dict(exclusions),
            {key: sums.total() for key, sums in given.items()},
            substitutes,
            withdrawn,
        )

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(
            self.considered + other.considered,
            self.entitled + other.entitled,
            dict(Counter(self.exclusions) + Counter(other.exclusions)),
            _merged(self.given, other.given, Given()),
            money.added(self.substitutes, other.substitutes),
            _merged(self.withdrawn, other.withdrawn, TakenBack()),
        )

    def money(self) -> dict[str, Decimal]:
        """What it costs at most, by currency: vouchers and credits at face value, substitutes as if all were needed."""
        return money.added(self.substitutes, *[given.money for given in self.given.values()])

    def days(self) -> int:
        """The calendar days that are granted."""
        return sum(given.days for given in self.given.values())

    def to_json(self) -> dict[str, Any]:
        """As plain objects, the same for equal forecasts; money as decimal strings."""
        return {
            "customers": {
                "considered": self.considered,
                "entitled": self.entitled,
                "excluded": self.considered - self.entitled,
            },
            "exclusions": dict(sorted(self.exclusions.items())),
            "rules": [
                {
                    "rule": rule,
                    "kind": kind,
                    "customers": given.customers,
                    "contracts": given.contracts,
                    "remedies": given.remedies,
                    "days": given.days,
                    "money": money.told(given.money),
                }
                for (rule, kind), given in sorted(self.given.items())
            ],
            "money": money.told(self.money()),
            "substitutes": money.told(self.substitutes),
            "days": self.days(),
            "withdrawals": [
                {
                    "rule": rule,
                    "kind": kind,
                    "entries": taken.entries,
                    "honoured": taken.honoured,
                    "days": taken.days,
                    "money": money.told(taken.money),
                }
                for (rule, kind), taken in sorted(self.withdrawn.items())
            ],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Forecast:
        """What `to_json` told."""
        return cls(
            told["customers"]["considered"],
            told["customers"]["entitled"],
            dict(told["exclusions"]),
            {
                (one["rule"], one["kind"]): Given(
                    one["customers"], one["contracts"], one["remedies"], one["days"], money.read(one["money"])
                )
                for one in told["rules"]
            },
            money.read(told["substitutes"]),
            {
                (one["rule"], one["kind"]): TakenBack(
                    one["entries"], one["honoured"], one["days"], money.read(one["money"])
                )
                for one in told["withdrawals"]
            },
        )


def plan_hash(incident_id: str, revision: int, policy_digest: str, forecast: Forecast) -> str:
    """What a person approves: an incident's revision under one very policy, and all that it comes to; hex, SHA-256."""
    plan = {
        "incident_id": incident_id,
        "revision": revision,
        "policy": policy_digest,
        "forecast": forecast.to_json(),
    }
    return sha256(orjson.dumps(plan, option=orjson.OPT_SORT_KEYS)).hexdigest()


class _Given:
    """Counts the grants of one rule and kind, customer after customer."""

    __slots__ = ("_customer", "_target", "contracts", "customers", "days", "money", "remedies")

    def __init__(self) -> None:
        self.customers = self.contracts = self.remedies = self.days = 0
        self.money: dict[str, Decimal] = {}
        self._customer = self._target = ""

    def add(self, customer_id: str, grant: Grant) -> None:
        terms = grant.terms
        self.remedies += 1
        if customer_id != self._customer:
            self.customers += 1
            self._customer, self._target = customer_id, ""
        if grant.target not in (CUSTOMER, self._target):
            self.contracts += 1
            self._target = grant.target
        if terms.days is not None:
            self.days += terms.days
        elif terms.amount is not None and terms.currency is not None:
            self.money[terms.currency] = self.money.get(terms.currency, ZERO) + terms.amount

    def total(self) -> Given:
        return Given(self.customers, self.contracts, self.remedies, self.days, self.money)


def _dearest(grant: Grant) -> dict[str, Decimal]:
    """What one of a grant's substitutes costs at most, by currency: one of them is needed at most."""
    dearest: dict[str, Decimal] = {}
    for substitute in grant.substitutes:
        amount, currency = substitute.terms.amount, substitute.terms.currency
        if amount is not None and currency is not None:
            dearest[currency] = max(amount, dearest.get(currency, ZERO))
    return dearest


def _taken_back(entry: Withdrawn) -> TakenBack:
    if entry.honoured:
        return TakenBack(1, 1)
    if entry.kind == "extension":
        return TakenBack(1, 0, int(entry.quantity))
    return TakenBack(1, 0, 0, {entry.currency: entry.quantity} if entry.currency else {})


def _merged(left: Mapping[Key, Any], right: Mapping[Key, Any], nothing: Any) -> dict[Key, Any]:
    return {key: left.get(key, nothing) + right.get(key, nothing) for key in {**left, **right}}
