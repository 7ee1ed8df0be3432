"""What a verdict says to a person: the facts that spared a contract, the condition it lacks, the arithmetic.

Leaves to `explain` which verdict it is. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from services.entitlements.domain import Condition, Contract, Grant, SparedReason, Terms
from services.entitlements.levels import Due, Levels, RuleStanding
from services.entitlements.prepared import Revision
from services.entitlements.quantities import Reckoned, spoken
from services.entitlements.reach import Window
from services.entitlements.rules import PreparedRule, fits, owns

RETRACTED = "the incident was taken back"
_Bound = TypeVar("_Bound")


def why_spared(contract: Contract, reason: SparedReason, window: Window) -> str:
    """Why the incident did not hit the contract."""
    if reason == "not_in_scope":
        return f"the incident's scope leaves it out (site {contract.site}, family {contract.family})"
    if reason == "started_after":
        return f"it started on {contract.starts_on}: {window}"
    if reason == "ended_before":
        return f"it ran through {contract.ends_on}: {window}"
    if contract.terminated_on is None or contract.starts_on >= contract.terminated_on:
        return f"it never had a day of service (from {contract.starts_on}): {window}"
    return f"it was terminated on {contract.terminated_on}: {window}"


def why_unmet(rule: PreparedRule, contract: Contract, condition: Condition, window: Window) -> str:
    """Which condition of the rule the contract does not meet, and what it has instead."""
    if condition == "attributes":
        attributes = contract.attributes
        lacking = "; ".join(
            f"its {name} is {attributes.get(name)!r}, not {' or '.join(map(repr, wanted))}"
            for name, wanted in rule.attributes
            if not fits(attributes.get(name), wanted)
        )
        return f"it lacks what the rule asks for: {lacking}"
    if condition == "addons":
        return f"it had none of {', '.join(rule.addons)} then"
    if condition == "tenure":
        return f"it started on {contract.starts_on}: the rule is for {_tenure(rule)} before {window.first_day}"
    if condition == "monthly_fee":
        fee = "unknown" if contract.monthly_fee is None else f"{contract.monthly_fee} {contract.currency}"
        return f"its monthly fee is {fee}: the rule is for {_fee(rule)}"
    allowed, has = {
        "family": (rule.families, contract.family),
        "product": (rule.products, contract.product),
        "site": (rule.sites, contract.site),
    }[condition]
    return f"its {condition} is {has}: the rule is for {', '.join(sorted(allowed or ()))}"


def why_outage(rule: PreparedRule, length: str) -> str:
    """Why the outage was too short, or too long."""
    span = rule.outage
    assert span is not None, "the rule asks for an outage"
    return f"the outage lasted {length}: the rule is for {_span(span.at_least, span.less_than, spoken)}"


def waits(rule: PreparedRule) -> str:
    """Why it is not known yet."""
    if rule.needs_end:
        return "it depends on how long the outage lasts: its end is not known yet"
    return f"it depends on what {', '.join(rule.unless)} will give: the outage's end is not known yet"


def why_nothing(due: Due) -> str:
    """Why a rule that is met comes to nothing."""
    assert due.how is not None, "what is due was reckoned"
    if due.gross:
        return f"other incidents have given it for the same hours: {', '.join(sorted(due.near))}"
    return due.how.arithmetic


def no_longer(due: Due) -> str:
    """Why what was granted is not owed any more."""
    if due.why == "unless":
        return f"{due.told} gives something now"
    if due.owed:
        return "less is owed now"
    return "it is not owed any more"


def arithmetic(due: Due, terms: Terms) -> str:
    """How much it is and why, after what it is; nothing for what is flat and given once."""
    how = due.how
    if how is None:
        return ""
    told = [how.arithmetic] if how.steps else []
    if due.gross is not None and due.owed is not None and due.owed < due.gross:
        told.append(f"less what {', '.join(sorted(due.near))} gave for the same hours: {_quantity(due.owed, how)}")
    if due.owed is not None and terms.quantity < due.owed:
        told.append(f"{_quantity(terms.quantity, how)} more than before")
    return f" ({', '.join(told)})" if told else ""


def substitutes(grant: Grant) -> str:
    """What comes in its place when it is refused."""
    return "".join(f", or, if it is refused as {' or '.join(one.reasons)}, {one.terms}" for one in grant.substitutes)


def gift(rule: PreparedRule, revision: Revision) -> str:
    """What the alternative is in place of."""
    flat = rule.give.flat
    return str(revision.terms(rule.give, flat.quantity, flat.currency)) if flat else f"what {rule.name} gives"


def why_owned(levels: Levels, standing: RuleStanding, *, several: bool) -> str:
    """Why it is the alternative: it was so before, or what he had at the window (and whose, of several revisions)."""
    rule, revision = standing.rule, standing.judged_at
    if revision is None:
        return "so it was decided before"
    contract = levels.owned_at(rule, revision)
    assert contract is not None, "an alternative has a reason"
    window = revision.reach.window(contract)
    kind = "an add-on" if owns(contract, rule.owned, window, levels.gifts) == "addon" else "a complimentary add-on"
    then = f"then (by revision {revision.number}, {window})" if several else "then"
    return f"he had {rule.owned} {then}, {kind} of contract {contract.contract_id}"


def _quantity(quantity: Decimal, how: Reckoned) -> str:
    return f"{quantity} {how.currency}" if how.currency else str(quantity)


def _tenure(rule: PreparedRule) -> str:
    assert rule.tenure is not None, "the rule asks for a tenure"
    return _span(rule.tenure.at_least, rule.tenure.less_than, str)


def _fee(rule: PreparedRule) -> str:
    fee = rule.monthly_fee
    assert fee is not None, "the rule asks for a fee"
    return _span(fee.at_least, fee.less_than, lambda amount: f"{amount} {fee.currency}")


def _span(at_least: _Bound | None, less_than: _Bound | None, told: Callable[[_Bound], str]) -> str:
    parts = [f"at least {told(at_least)}"] if at_least is not None else []
    parts += [f"less than {told(less_than)}"] if less_than is not None else []
    return " and ".join(parts)
