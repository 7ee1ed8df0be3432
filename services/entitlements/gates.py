"""What may go by itself and what a person has to answer for: pure, from a policy's budget and what was foreseen.

A budget names for each currency a ceiling, and a share of it up to which nobody is asked. What an incident comes to is
counted at most: vouchers and credits at face value, substitutes as if each were needed. A currency that the budget
does not name has a ceiling of nothing.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256

from schemas.statements import Statement
from services.entitlements.money import Money, added, told
from services.entitlements.policy import Policy


def wants_forecast(policy: Policy, statement: Statement) -> bool:
    """Whether what a run will come to has to be known before it; a drill moves no money, a retraction gives none."""
    if statement.drill or statement.retracted:
        return False
    return bool(policy.budget) or (policy.canary is not None and policy.canary.then == "approval")


def without_approval(policy: Policy) -> dict[str, Decimal]:
    """Up to what an incident may go with nobody asked."""
    return {
        budget.currency: budget.ceiling if budget.approval_above is None else budget.ceiling * budget.approval_above
        for budget in policy.budget
    }


def ceiling(policy: Policy) -> dict[str, Decimal]:
    """Up to what an incident may go with a plan's approval."""
    return {budget.currency: budget.ceiling for budget in policy.budget}


def beyond(limit: Money, spent: Money, more: Money) -> dict[str, Decimal]:
    """What the incident would come to, in the currencies in which `more` takes it past the limit."""
    total = added(spent, more)
    return {c: total[c] for c, amount in more.items() if amount > 0 and total[c] > limit.get(c, Decimal(0))}


def approved(policy: Policy, spent: Money, foreseen: Money) -> dict[str, Decimal]:
    """What the approval of a plan allows: what it comes to, and no more than the ceiling."""
    limit = ceiling(policy)
    return {c: min(amount, limit.get(c, Decimal(0))) for c, amount in added(spent, foreseen).items()}


def gate_hash(plan: str, gate: str, spent: Money) -> str:
    """What is approved at a gate: the plan itself at the start, the plan from where it stands at any other."""
    if gate == "start":
        return plan
    stands = ",".join(f"{currency}={amount}" for currency, amount in told(spent).items())
    return sha256(f"{plan}:{gate}:{stands}".encode()).hexdigest()
