"""What each revision owes a customer, rule by rule and target by target, on today's facts.

For every rule: which contracts meet it under which revision, the gift or its alternative, and how much that is after
what other incidents have paid for the same hours. Leaves to `owed` what follows from the levels, and to `decide` the
entries that come of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from services.entitlements.domain import (
    CUSTOMER,
    ZERO,
    Choice,
    Condition,
    Contract,
    OtherGrant,
    PriorGrant,
    SparedReason,
)
from services.entitlements.owed import Level
from services.entitlements.prepared import Hours, Prepared, Revision
from services.entitlements.quantities import Reckoned, holds, spoken
from services.entitlements.rules import Offer, PreparedRule, fee_of, owns

NO_ONE: frozenset[str] = frozenset()


class Due(NamedTuple):
    """What one revision owes one target by one rule.

    `owed` is after what other incidents gave, `gross` before it; both None while the end is not known. `contract` is
    the one that it is owed for or through; None when the rule is not for the target.
    """

    owed: Level = ZERO
    gross: Level = ZERO
    why: Literal["due", "not_met", "outage", "unless", "waits_for_end"] = "not_met"
    contract: Contract | None = None
    how: Reckoned | None = None
    hours: Hours | None = None
    near: frozenset[str] = NO_ONE
    told: str = ""


NOT_MET = Due()


@dataclass(slots=True)
class RuleStanding:
    """How one rule stands with a customer: per target what each revision owes.

    `judged_at` is the revision at whose window the choice was made; None when it was made before, or there is none.
    """

    rule: PreparedRule
    choice: Choice
    judged_at: Revision | None
    dues: dict[str, list[Due]]
    unmet: list[tuple[Contract, Condition]] = field(default_factory=list)
    """The contracts that were hit under the last revision and do not meet the rule."""


class Levels:
    """A customer's levels; ask for the rules in their order, since a later one may depend on an earlier one."""

    def __init__(
        self,
        prepared: Prepared,
        contracts: Sequence[Contract],
        prior: Sequence[PriorGrant],
        others: Sequence[OtherGrant],
    ) -> None:
        self._prepared, self._contracts = prepared, contracts
        self.entries: dict[tuple[str, str], list[PriorGrant]] = {}
        """This incident's entries by rule and target."""
        self._choices: dict[str, set[Choice]] = {}
        self._had: dict[str, set[str]] = {}
        for entry in prior:
            self.entries.setdefault((entry.rule, entry.target), []).append(entry)
            self._had.setdefault(entry.rule, set()).add(entry.target)
            self._choices.setdefault(entry.rule, set()).add(entry.choice)
        self._given: dict[tuple[str, str], list[OtherGrant]] = {}
        for one in others if prepared.neighbours else ():
            if one.quantity > ZERO and one.incident_id in prepared.neighbours:
                self._given.setdefault((one.rule, one.target), []).append(one)
        self.gifts = _gifts(prepared, prior)
        self.hit: list[list[Contract]] = []
        self.spared: list[tuple[Contract, SparedReason]] = []
        for revision in prepared.revisions:
            hit: list[Contract] = []
            self.spared = []
            for contract in () if revision.retracted else contracts:
                reason = revision.reach.spared(contract)
                if reason is None:
                    hit.append(contract)
                else:
                    self.spared.append((contract, reason))
            self.hit.append(hit)
        self._gross: dict[str, list[dict[str, Level]]] = {}

    def of(self, rule: PreparedRule) -> RuleStanding:
        """How a rule stands, with every target that it is for under some revision, or was given something."""
        unmet: list[tuple[Contract, Condition]] = []
        revisions = self._prepared.revisions
        eligible = [
            self._eligible(rule, revision, hit, unmet) for revision, hit in zip(revisions, self.hit, strict=True)
        ]
        choice, judged_at = self._choice(rule, eligible)
        offer = rule.offer(choice)
        targets = set().union(*eligible) if len(eligible) > 1 else set(eligible[0])
        targets.update(self._had.get(rule.name, ()))
        dues = {
            target: [
                self._due(rule, offer, revision, target, entitled.get(target, ()))
                for revision, entitled in zip(revisions, eligible, strict=True)
            ]
            for target in (sorted(targets) if len(targets) > 1 else targets)
        }
        if rule.name in self._prepared.barring:
            self._gross[rule.name] = [
                {target: dues[target][index].gross for target in entitled} for index, entitled in enumerate(eligible)
            ]
        return RuleStanding(rule, choice, judged_at, dues, unmet)

    def net(self, rule: PreparedRule, offer: Offer, due: Due, revision: Revision) -> Reckoned:
        """What a substitute comes to where a remedy is due: for the same hours, without those paid for elsewhere."""
        assert due.hours is not None, "what is due has its hours"
        contract = due.contract if rule.per_contract else None
        how = self._reckoned(revision, offer, due.hours, contract)
        if not due.near:
            return how
        paid = self._reckoned(revision, offer, revision.hours_of(due.near), contract).quantity
        return Reckoned(max(ZERO, how.quantity - paid), how.currency, how.steps)

    def _eligible(
        self,
        rule: PreparedRule,
        revision: Revision,
        hit: Sequence[Contract],
        unmet: list[tuple[Contract, Condition]],
    ) -> dict[str, list[Contract]]:
        """The targets that the rule is for, with the contracts that it is for; the unmet ones of this revision."""
        unmet.clear()
        eligible: dict[str, list[Contract]] = {}
        for contract in hit:
            condition = rule.unmet(contract)
            if condition is None and rule.by_window:
                condition = rule.unmet_then(contract, revision.reach.window(contract), self.gifts)
            if condition is None:
                eligible.setdefault(contract.contract_id if rule.per_contract else CUSTOMER, []).append(contract)
            else:
                unmet.append((contract, condition))
        return eligible

    def _choice(
        self, rule: PreparedRule, eligible: Sequence[dict[str, list[Contract]]]
    ) -> tuple[Choice, Revision | None]:
        """The gift or its alternative: as it was made, else by what he owned at the window that first owes the rule.

        With it the revision of that window; None when it was made before, or there is nothing to choose.
        """
        if rule.instead is None:
            return "give", None
        if rule.name in self._choices:
            return "instead" if "instead" in self._choices[rule.name] else "give", None
        choice: Choice = "give"
        judged_at: Revision | None = None
        for revision, entitled in zip(self._prepared.revisions, eligible, strict=True):
            if not entitled:
                continue
            choice, judged_at = "instead" if self.owned_at(rule, revision) else "give", revision
            for target, contracts in entitled.items():
                if self._due(rule, rule.offer(choice), revision, target, contracts).owed:
                    return choice, judged_at
        return choice, judged_at

    def owned_at(self, rule: PreparedRule, revision: Revision) -> Contract | None:
        """The contract through which the customer had the product at a revision's window, in scope or not."""
        for contract in self._contracts:
            if owns(contract, rule.owned, revision.reach.window(contract), self.gifts):
                return contract
        return None

    def _due(
        self, rule: PreparedRule, offer: Offer, revision: Revision, target: str, contracts: Sequence[Contract]
    ) -> Due:
        if not contracts:
            return NOT_MET
        first = contracts[0]
        barred = self._barred(rule, revision, target) if rule.unless else ""
        if barred:
            return Due(why="unless", contract=first, told=barred)
        if barred is None or (rule.needs_end and revision.lasts):
            return Due(None, None, "waits_for_end", first)
        near = self._near(rule, revision, target, contracts)
        hours = revision.hours_with(near)
        if rule.outage is not None and not holds(rule.outage, hours.outage.length):
            return Due(why="outage", contract=first, hours=hours, told=spoken(hours.outage.length))
        contract = first if rule.per_contract else None
        how = self._reckoned(revision, offer, hours, contract)
        owed = gross = how.quantity
        if near:
            owed = max(ZERO, gross - self._paid(rule, offer, revision, target, near, contract))
        return Due(owed, gross, "due", first, how, hours, near)

    def _reckoned(self, revision: Revision, offer: Offer, hours: Hours, contract: Contract | None) -> Reckoned:
        """What an offer comes to for a contract, or for the customer: then by the policy's calendar, without a fee."""
        if offer.flat is not None:
            return offer.flat
        zone = self._prepared.time_zone
        if contract is not None and offer.by_calendar:
            zone = revision.reach.window(contract).time_zone
        return revision.reckoned(offer, hours, zone, fee_of(contract))

    def _barred(self, rule: PreparedRule, revision: Revision, target: str) -> str | None:
        """The earlier rule that gives the target something already, "" for none, None while that is not known."""
        known = True
        for name in rule.unless:
            gross = self._gross[name][revision.number - 1]
            if target == CUSTOMER:
                levels = list(gross.values())
            else:
                levels = [gross.get(target, ZERO), gross.get(CUSTOMER, ZERO)]
            if any(level for level in levels):
                return name
            known = known and None not in levels
        return "" if known else None

    def _near(
        self, rule: PreparedRule, revision: Revision, target: str, contracts: Sequence[Contract]
    ) -> frozenset[str]:
        """The other incidents whose hours count with this one's for a target."""
        neighbours = self._prepared.neighbours
        if not rule.merged or not neighbours:
            return NO_ONE
        beside = {one.incident_id for one in self._given.get((rule.name, target), ())}
        for name, neighbour in neighbours.items():
            reach = neighbour.reach
            if reach is not None and any(reach.spared(contract) is None for contract in contracts):
                beside.add(name)
        return revision.near(frozenset(beside)) if beside else NO_ONE

    def _paid(
        self,
        rule: PreparedRule,
        offer: Offer,
        revision: Revision,
        target: str,
        near: frozenset[str],
        contract: Contract | None,
    ) -> Decimal:
        """What other incidents gave for these hours; the other choice counts as what this one is worth for theirs."""
        given = [one for one in self._given.get((rule.name, target), ()) if one.incident_id in near]
        paid = sum((one.quantity for one in given if one.choice == offer.choice), ZERO)
        if other := frozenset(one.incident_id for one in given if one.choice != offer.choice):
            paid += self._reckoned(revision, offer, revision.hours_of(other), contract).quantity
        return paid


def _gifts(prepared: Prepared, prior: Sequence[PriorGrant]) -> frozenset[tuple[str, str]]:
    """The products that this incident has given before, with whom."""
    if not prior:
        return frozenset()
    products = {
        (rule.name, offer.choice): offer.product
        for rule in prepared.rules
        for offer in (rule.give, rule.instead)
        if offer is not None and offer.product is not None
    }
    given = ((entry.target, products.get((entry.rule, entry.choice))) for entry in prior)
    return frozenset((target, product) for target, product in given if product is not None)
