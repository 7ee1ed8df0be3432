"""The oracle's reading of a policy: which contracts an outage has hit, which rules are for them, how much each gives.

Everything here is about one statement of an incident and the facts as they are told; nothing is remembered. A policy
is the plain tree of its YAML file. Leaves to `oracle_owed` what follows from several statements one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from tests.life.oracle_days import (
    SMALLEST,
    ZONES,
    Interval,
    day_at,
    days_touched,
    instant,
    later,
    length,
    lowest_availability,
    merged,
    total,
    without_the_first,
)

Facts = dict[str, Any]
"""A contract as it is told on the wire."""
Tree = dict[str, Any]
"""A piece of a policy, as YAML reads it."""

NEARER = ("not_in_scope", "started_after", "ended_before", "terminated_before", "nothing_due", "waits_for_end")
"""Why a customer gets nothing, from the farthest to the nearest: of several reasons the nearest is told."""
MOST_DAYS = 3660
"""No remedy is more than ten years."""
DECIMALS = {"JPY": 0, "KWD": 3}
"""How many decimals a currency has; all others here have two."""


@dataclass(frozen=True)
class Said:
    """An incident as one revision leaves it."""

    revision: int
    declared_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    also: tuple[Interval, ...]
    scope: Tree
    retracted: bool = False

    @property
    def stretches(self) -> list[Interval]:
        """The stretches that are over, told once each."""
        last: list[Interval] = [] if self.ends_at is None else [(self.starts_at, self.ends_at)]
        return merged([*self.also, *last])

    def windows(self, zone: str) -> list[tuple[date, date]]:
        """The days of the outage in a zone: the one that lasts still reaches until it was declared."""
        ends = self.ends_at or self.declared_at
        stretches = [*self.also, (self.starts_at, max(ends, self.starts_at + SMALLEST))]
        return [(day_at(start, zone), day_at(end - SMALLEST, zone)) for start, end in stretches]


def zone_of(contract: Facts, policy: Tree) -> str:
    """Where a contract's days are counted: its own zone if there is such a zone, else the policy's."""
    own = contract.get("attributes", {}).get("time_zone")
    return own if isinstance(own, str) and own in ZONES else policy["time_zone"]


def rounded(amount: Fraction | Decimal, currency: str) -> Decimal:
    """Half-up at the currency's own exponent, once, at the very end."""
    unit = Decimal(1).scaleb(-DECIMALS.get(currency, 2))
    exact = Fraction(amount) / Fraction(unit)
    whole = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return (whole * unit).quantize(unit, rounding=ROUND_HALF_UP)


# ── Who was hit ──────────────────────────────────────────────────────────────────────────────────────────────────


def last_day_of_service(contract: Facts) -> tuple[date | None, str]:
    """The last day on which a contract is in service (None: no end is known), and what ends it."""
    ends, terminated = _date(contract.get("ends_on")), _date(contract.get("terminated_on"))
    before = terminated and terminated - timedelta(days=1)
    if ends is not None and (before is None or ends <= before):
        return ends, "ended_before"
    return before, "terminated_before"


def spared(contract: Facts, windows: list[tuple[date, date]]) -> str | None:
    """Why a contract was in service on no day of the outage; None when it was on one."""
    starts = _date(contract["starts_on"])
    assert starts is not None
    last, what = last_day_of_service(contract)
    if last is not None and last < starts:
        return "terminated_before"  # it never had a day of service
    reasons = []
    for first_day, last_day in windows:
        if starts > last_day:
            reasons.append("started_after")
        elif last is not None and last < first_day:
            reasons.append(what)
        else:
            return None
    return max(reasons, key=NEARER.index)


def in_scope(contract: Facts, scope: Tree) -> bool:
    """It matches every list that the scope gives."""
    return bool(scope.get("everyone")) or all(
        contract.get(column) in scope[named]
        for named, column in (("sites", "site"), ("families", "family"), ("contract_ids", "contract_id"))
        if scope.get(named)
    )


def why_not_hit(contract: Facts, said: Said, policy: Tree) -> str | None:
    """None for a contract that the outage has hit."""
    if not in_scope(contract, said.scope):
        return "not_in_scope"
    return spared(contract, said.windows(zone_of(contract, policy)))


def held(contract: Facts, said: Said, policy: Tree, gifts_of_its_own: set[str]) -> set[str]:
    """The products that a contract carried on a day of the outage: its add-ons, and gifts of other causes."""
    windows = said.windows(zone_of(contract, policy))
    products = set(contract.get("addons", ())) if spared(contract, windows) is None else set()
    for gift in contract.get("complimentary", ()):
        first, last = date.fromisoformat(gift["starts_on"]), date.fromisoformat(gift["ends_on"])
        if gift["addon_id"] not in gifts_of_its_own and any(first <= b and last >= a for a, b in windows):
            products.add(gift["product"])
    return products


# ── Which rules are for it ───────────────────────────────────────────────────────────────────────────────────────


def is_for(rule: Tree, contract: Facts, said: Said, policy: Tree, has: set[str]) -> bool:
    """Whether a rule is for a contract that was hit, whatever the outage's length; `has` is what it carried."""
    when = rule.get("when", {})
    for named, column in (("families", "family"), ("products", "product"), ("sites", "site")):
        if named in when and contract.get(column) not in when[named]:
            return False
    for name, wanted in when.get("attributes", {}).items():
        has_value = contract.get("attributes", {}).get(name)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if not any(type(one) is type(has_value) and one == has_value for one in wanted):
            return False
    if "addons" in when and not has & set(when["addons"]):
        return False
    if "tenure" in when:
        starts = date.fromisoformat(contract["starts_on"])
        first_day = min(a for a, _ in said.windows(zone_of(contract, policy)))
        tenure = when["tenure"]
        if "at_least" in tenure and later(starts, tenure["at_least"]) > first_day:
            return False
        if "less_than" in tenure and later(starts, tenure["less_than"]) <= first_day:
            return False
    return "monthly_fee" not in when or _fee_within(contract.get("monthly_fee"), when["monthly_fee"])


def needs_the_end(rule: Tree) -> bool:
    """Whether a rule cannot be judged before the outage's end is known: because of a condition, or of a remedy."""
    remedies = [rule["give"], *(refused["give"] for refused in rule.get("if_refused", ()))]
    if "if_owned" in rule:
        remedies.append(rule["if_owned"]["instead"])
    bodies = [next(iter(remedy.values())) for remedy in remedies]
    return "outage" in rule.get("when", {}) or any("per" in body or "bands" in body for body in bodies)


def lasted_long_enough(rule: Tree, out: list[Interval]) -> bool:
    """Whether an outage of that length is one that the rule is for."""
    span = rule.get("when", {}).get("outage")
    return span is None or _within(total(out), span)


def _within(out: timedelta, span: Tree) -> bool:
    longer = "at_least" not in span or out >= length(span["at_least"])
    return longer and ("less_than" not in span or out < length(span["less_than"]))


def _fee_within(fee: Tree | None, wanted: Tree) -> bool:
    if fee is None or fee["currency"] != wanted["currency"]:
        return False
    amount = Decimal(fee["amount"])
    at_least, less_than = wanted.get("at_least"), wanted.get("less_than")
    return (at_least is None or amount >= Decimal(at_least)) and (less_than is None or amount < Decimal(less_than))


# ── How much a remedy is ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Much:
    """How much a remedy is: days, money in a currency, or 1 for an add-on."""

    quantity: Decimal
    currency: str | None = None


def how_much(remedy: Tree, contract: Facts | None, zone: str, out: list[Interval]) -> Much:
    """The arithmetic of a remedy for a contract (None: for the customer): count × size, capped, rounded once."""
    kind, body = next(iter(remedy.items()))
    if kind == "addon":
        return Much(Decimal(1))
    if "bands" in body:
        size = next((band for band in reversed(body["bands"]) if _band_holds(band, zone, out)), None)
        if size is None:
            return Much(Decimal(0), _currency(kind, body, contract))
    else:
        size = body
    count = _count(body, zone, out)
    if kind == "extension":
        days = size["days"] * count
        return Much(Decimal(min(days, body.get("at_most", days), MOST_DAYS)))
    fee = (contract or {}).get("monthly_fee")
    if "amount" in size:
        one, currency = Fraction(size["amount"]["amount"]), size["amount"]["currency"]
    elif fee is None:
        return Much(Decimal(0))
    else:
        one, currency = Fraction(fee["amount"]) * _share(size["share"]), fee["currency"]
    worth, cap = one * count, body.get("at_most")
    if isinstance(cap, dict):
        worth = min(worth, Fraction(cap["amount"])) if cap["currency"] == currency else Fraction(0)
    elif cap is not None:
        # Yen cannot cap euros: where no fee in that currency is known there is nothing.
        worth = (
            min(worth, Fraction(fee["amount"]) * _share(cap)) if fee and fee["currency"] == currency else Fraction(0)
        )
    return Much(rounded(worth, currency), currency)


def _count(body: Tree, zone: str, out: list[Interval]) -> int:
    """How many times a remedy's size is owed: once, or per started hour or day, or per calendar day."""
    if "per" not in body:
        return 1
    left = without_the_first(out, length(body["after"]) if "after" in body else timedelta(0))
    if body["per"] == "calendar day":
        return days_touched(left, zone)
    unit = timedelta(hours=1) if body["per"] == "started hour" else timedelta(days=1)
    return -(-total(left) // unit)


def _band_holds(band: Tree, zone: str, out: list[Interval]) -> bool:
    if "outage" in band:
        return _within(total(out), band["outage"])
    return lowest_availability(out, zone) < _share(band["availability_below"])


def _share(text: str) -> Fraction:
    """A share such as "12.5 %"."""
    return Fraction(text.rstrip("% ")) / 100


def _currency(kind: str, body: Tree, contract: Facts | None) -> str | None:
    if kind == "extension":
        return None
    amounts = [band["amount"]["currency"] for band in body["bands"] if "amount" in band]
    return amounts[0] if amounts else ((contract or {}).get("monthly_fee") or {}).get("currency")


def worth_of_days(kind: str, days: Decimal, contract: Facts | None) -> Much:
    """Days in money: days × monthly fee ÷ 30, rounded once; nothing without a fee."""
    fee = (contract or {}).get("monthly_fee")
    if kind != "extension" or fee is None:
        return Much(Decimal(0))
    return Much(rounded(Fraction(fee["amount"]) * Fraction(days) / 30, fee["currency"]), fee["currency"])


def ends_of_validity(remedy: Tree, said: Said, policy: Tree) -> date | None:
    """Until when an add-on runs or a voucher is good: so long after the day of the declaration."""
    body = next(iter(remedy.values()))
    period = body.get("for") or body.get("valid_for")
    return later(day_at(said.declared_at, policy["time_zone"]), period) if period else None


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def statement(body: Tree, before: Said | None = None, event: str = "incident.declared.v1") -> Said:
    """What an event makes of the statement before it."""
    at = instant(body["declared_at"])
    if event in ("incident.declared.v1", "incident.amended.v1"):
        impact = body["impact"]
        ends = impact.get("ends_at")
        also = tuple((instant(one["starts_at"]), instant(one["ends_at"])) for one in impact.get("also", ()))
        return Said(
            body["revision"], at, instant(impact["starts_at"]), instant(ends) if ends else None, also, body["scope"]
        )
    assert before is not None
    ends_at = instant(body["ends_at"]) if event == "incident.resolved.v1" else before.ends_at
    retracted = event == "incident.retracted.v1" or before.retracted
    return Said(body["revision"], at, before.starts_at, ends_at, before.also, before.scope, retracted)
