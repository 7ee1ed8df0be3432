"""Why a customer is owed what he is owed, or not: the verdict of every rule on every contract, with the facts.

Runs the judgement of `decide` with a recorder beside it. For people who ask, not for the run: it builds sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.entitlements.decide import judge, owns
from services.entitlements.domain import (
    CUSTOMER,
    Condition,
    Contract,
    Decision,
    ExclusionReason,
    PriorGrant,
    Terms,
    Verdict,
    Why,
)
from services.entitlements.prepared import Prepared, PreparedRule, same


def explain(
    prepared: Prepared, customer_id: str, contracts: Sequence[Contract], prior: Sequence[PriorGrant] = ()
) -> Decision:
    """The decision of `decide`, with its verdicts: by rule, then by contract id, what is the customer's own last.

    A contract that meets a rule that is given per customer has no verdict of its own: the customer's names it.
    Raises ValueError as `decide` does.
    """
    recorder = _Recorder(prepared, contracts, prior)
    decision = judge(prepared, customer_id, contracts, prior, recorder)
    return replace(decision, verdicts=recorder.in_order())


class _Recorder:
    def __init__(self, prepared: Prepared, contracts: Sequence[Contract], prior: Sequence[PriorGrant]) -> None:
        self._prepared, self._prior = prepared, prior
        self._contracts = sorted(contracts, key=lambda contract: contract.contract_id)
        self._verdicts: dict[str, list[Verdict]] = {rule.name: [] for rule in prepared.rules}

    def spared(self, rule: PreparedRule, contract: Contract, reason: ExclusionReason) -> None:
        self._note(rule, contract.contract_id, reason, self._why_spared(contract, reason))

    def unmet(self, rule: PreparedRule, contract: Contract, condition: Condition) -> None:
        self._note(rule, contract.contract_id, condition, _why_unmet(rule, contract, condition))

    def met(self, rule: PreparedRule, contract: Contract, target: str, terms: Terms, held: bool) -> None:
        what = str(terms)
        if target == CUSTOMER:
            what += f" (through contract {contract.contract_id})"
        if terms.choice == "instead":
            what += f", in place of {rule.give}: {self._why_instead(rule)}"
        if held:
            self._note(rule, target, "already_granted", what)
        else:
            self._note(rule, target, "granted_instead" if terms.choice == "instead" else "granted", what)

    def in_order(self) -> tuple[Verdict, ...]:
        """The verdicts by rule and contract; a rule per customer that nobody met says so."""
        ordered: list[Verdict] = []
        for rule in self._prepared.rules:
            verdicts = sorted(self._verdicts[rule.name], key=lambda v: (v.target == CUSTOMER, v.target))
            if not rule.per_contract and not any(verdict.target == CUSTOMER for verdict in verdicts):
                detail = "none of his contracts was hit and meets the rule"
                verdicts.append(Verdict(rule.name, CUSTOMER, False, "no_eligible_contract", detail))
            ordered.extend(verdicts)
        return tuple(ordered)

    def _note(self, rule: PreparedRule, target: str, why: Why, detail: str) -> None:
        granted = why in ("granted", "granted_instead")
        self._verdicts[rule.name].append(Verdict(rule.name, target, granted, why, detail))

    def _why_spared(self, contract: Contract, reason: ExclusionReason) -> str:
        if reason == "not_in_scope":
            return f"the incident's scope leaves it out (site {contract.site}, family {contract.family})"
        window = self._prepared.window(contract)
        impact = f"the impact was from {window.first_day} to {window.last_day} in {window.time_zone}"
        if reason == "started_after":
            return f"it started on {contract.starts_on}: {impact}"
        if reason == "ended_before":
            return f"it ran through {contract.ends_on}: {impact}"
        if contract.terminated_on is None or contract.starts_on >= contract.terminated_on:
            return f"it never had a day of service (from {contract.starts_on}): {impact}"
        return f"it was terminated on {contract.terminated_on}: {impact}"

    def _why_instead(self, rule: PreparedRule) -> str:
        if any(grant.rule == rule.name for grant in self._prior):
            return "so it was decided before"
        for contract in self._contracts:
            how = owns(self._prepared, contract, rule.owned, self._prior)
            if how:
                kind = "an add-on" if how == "addon" else "a complimentary add-on"
                return f"he had {rule.owned} then, {kind} of contract {contract.contract_id}"
        raise AssertionError("an alternative has a reason")


def _why_unmet(rule: PreparedRule, contract: Contract, condition: Condition) -> str:
    if condition == "attributes":
        attributes = contract.attributes
        lacking = "; ".join(
            f"its {name} is {attributes.get(name)!r}, not {wanted!r}"
            for name, wanted in rule.attributes
            if not same(attributes.get(name), wanted)
        )
        return f"it lacks what the rule asks for: {lacking}"
    allowed, has = {
        "family": (rule.families, contract.family),
        "product": (rule.products, contract.product),
        "site": (rule.sites, contract.site),
    }[condition]
    return f"its {condition} is {has}: the rule is for {', '.join(sorted(allowed or ()))}"
