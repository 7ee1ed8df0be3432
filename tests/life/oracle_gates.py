"""The oracle's doorkeeper: which states a run may be in, and when a person has to answer for the money.

The rules: a policy with a budget, or one that wants its canary approved, is foreseen before it runs. What an incident
comes to at most, all that was spent included, goes by itself within the share of the ceiling that needs no approval;
past that somebody else than a declarer approves this very plan, in time, and the approval goes as far as the plan and
never past the ceiling. A run halts before the customers that would take it past what is allowed. A drill moves no
money, and nobody is asked; what is taken back gives nothing, and nobody is asked either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tests.life.oracle import Incident, Money, add
from tests.life.oracle_promise import Tree


@dataclass
class Run:
    """One run of one revision, with what it waits for."""

    revision: int
    number: int
    state: str = "declared"
    gate: str | None = None
    allowed: Money | None = None
    foreseen: dict[int, Money] = field(default_factory=dict)

    @property
    def comes_to(self) -> Money:
        """What its customers were foreseen to come to at most."""
        total: Money = {}
        for money in self.foreseen.values():
            add(total, money)
        return total


def wants_to_know(incident: Incident) -> bool:
    """Whether a run is foreseen before it begins."""
    canary = incident.policy.get("canary")
    by_approval = canary is not None and then(canary) == "approval"
    return not incident.drill and not incident.now.retracted and bool(incident.policy.get("budget") or by_approval)


def first_customers(incident: Incident, run: int) -> int:
    """How many customers go first; nobody when it is run again, or taken back."""
    canary = incident.policy.get("canary")
    if canary is None or run > 1 or incident.now.retracted:
        return 0
    return int(canary["customers"]) if isinstance(canary, dict) else int(canary)


def then(canary: Tree | int) -> str:
    """What the customers after the first wait for."""
    return str(canary["then"]) if isinstance(canary, dict) else "approval"


def by_itself(policy: Tree) -> Money:
    """Up to what an incident may go with nobody asked."""
    return {
        one["currency"]: Decimal(one["ceiling"]) * _share(one.get("approval_above", "100 %"))
        for one in policy.get("budget", ())
    }


def ceilings(policy: Tree) -> Money:
    """Past what no approval of a plan goes."""
    return {one["currency"]: Decimal(one["ceiling"]) for one in policy.get("budget", ())}


def beyond(limit: Money, spent: Money, more: Money) -> bool:
    """Whether more money takes an incident past a limit, in some currency; one without a limit has one of nothing."""
    return any(
        amount > 0 and spent.get(currency, Decimal(0)) + amount > limit.get(currency, Decimal(0))
        for currency, amount in more.items()
    )


def allowed_by(gate: str, policy: Tree, before: Money | None, spent: Money, foreseen: Money) -> Money | None:
    """How far an incident may go once a person has answered for what waits at a gate."""
    if gate == "rest" or not policy.get("budget"):
        return before
    total = dict(spent)
    add(total, foreseen)
    if gate == "ceiling":
        return total
    limit = ceilings(policy)
    return {currency: min(amount, limit.get(currency, Decimal(0))) for currency, amount in total.items()}


def may_approve(
    incident: Incident, who: str, at: datetime, plan: str, waits: str | None, until: datetime | None
) -> bool:
    """Whether an approval counts: this very plan waits, the person declared nothing of it, and it is in time."""
    return waits is not None and plan == waits and who not in incident.declarers and (until is None or at <= until)


def _share(text: str) -> Decimal:
    return Decimal(text.rstrip("% ")) / 100
