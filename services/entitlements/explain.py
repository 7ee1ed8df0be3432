"""Why a customer is owed what he is owed, or not: the verdict of every rule on every contract, with the facts.

Runs the judgement of `decide` with a recorder beside it. For people who ask, not for the run: it builds sentences, out
of `wording`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from services.entitlements import wording
from services.entitlements.decide import Outcome, judge
from services.entitlements.domain import (
    CUSTOMER,
    ZERO,
    Contract,
    Decision,
    OtherGrant,
    PriorGrant,
    Verdict,
    Why,
)
from services.entitlements.levels import Levels, RuleStanding
from services.entitlements.owed import held
from services.entitlements.prepared import Prepared
from services.entitlements.rules import PreparedRule


def explain(
    prepared: Prepared,
    customer_id: str,
    contracts: Sequence[Contract],
    prior: Sequence[PriorGrant] = (),
    others: Sequence[OtherGrant] = (),
) -> Decision:
    """The decision of `decide`, with its verdicts: by rule, then by contract id, what is the customer's own last.

    A contract that meets a rule that is given per customer has no verdict of its own: the customer's names it.
    Raises ValueError as `decide` does.
    """
    recorder = _Recorder(prepared, contracts)
    decision = judge(prepared, customer_id, contracts, prior, others, recorder)
    return replace(decision, verdicts=tuple(recorder.verdicts))


class _Recorder:
    """Turns what the judgement finds into verdicts."""

    def __init__(self, prepared: Prepared, contracts: Sequence[Contract]) -> None:
        self._prepared = prepared
        self._contracts = sorted(contracts, key=lambda contract: contract.contract_id)
        self.verdicts: list[Verdict] = []

    def rule(self, levels: Levels, standing: RuleStanding, outcomes: Sequence[Outcome]) -> None:
        """The verdicts of one rule."""
        rule = standing.rule
        told = dict(self._not_for(levels, standing))
        for outcome in outcomes:
            if _says(outcome):
                not_for = told[outcome.target].detail if outcome.target in told else None
                told[outcome.target] = self._outcome(levels, standing, outcome, not_for)
        if not rule.per_contract and CUSTOMER not in told:
            told[CUSTOMER] = self._nobody(rule)
        self.verdicts += [told[target] for target in sorted(told, key=lambda target: (target == CUSTOMER, target))]

    def _not_for(self, levels: Levels, standing: RuleStanding) -> list[tuple[str, Verdict]]:
        """The contracts that the rule is not for under the revision in force, with what stands in the way."""
        rule, prepared = standing.rule, self._prepared
        if prepared.retracted:
            return [(c.contract_id, self._verdict(rule, c.contract_id, "retracted", wording.RETRACTED))
                    for c in self._contracts]  # fmt: skip
        window = prepared.last.reach.window
        verdicts: list[tuple[str, Verdict]] = []
        for contract, reason in levels.spared:
            told = wording.why_spared(contract, reason, window(contract))
            verdicts.append((contract.contract_id, self._verdict(rule, contract.contract_id, reason, told)))
        for contract, condition in standing.unmet:
            told = wording.why_unmet(rule, contract, condition, window(contract))
            verdicts.append((contract.contract_id, self._verdict(rule, contract.contract_id, condition, told)))
        return verdicts

    def _nobody(self, rule: PreparedRule) -> Verdict:
        if self._prepared.retracted:
            return self._verdict(rule, CUSTOMER, "retracted", wording.RETRACTED)
        told = "none of his contracts was hit and meets the rule"
        return self._verdict(rule, CUSTOMER, "no_eligible_contract", told)

    def _outcome(self, levels: Levels, standing: RuleStanding, outcome: Outcome, not_for: str | None) -> Verdict:
        rule, target = standing.rule, outcome.target
        if outcome.grants:
            why: Why = "granted_instead" if standing.choice == "instead" else "granted"
            if held(_kept(outcome)) > ZERO:
                why = "difference"
            return self._verdict(rule, target, why, self._granted(levels, standing, outcome))
        if outcome.entries:
            return self._stands(levels, standing, outcome, not_for)
        due = outcome.dues[-1]
        if due.why == "waits_for_end":
            return self._verdict(rule, target, "waits_for_end", wording.waits(rule))
        if due.why == "unless":
            return self._verdict(rule, target, "unless", f"{due.told} gives something already")
        if due.why == "outage":
            return self._verdict(rule, target, "outage", wording.why_outage(rule, due.told))
        return self._verdict(rule, target, "nothing_due", wording.why_nothing(due))

    def _granted(self, levels: Levels, standing: RuleStanding, outcome: Outcome) -> str:
        """What is granted now, entry by entry, with the arithmetic and why it is this."""
        several = len(self._prepared.revisions) > 1
        told = []
        for grant in outcome.grants:
            due = outcome.dues[grant.stamp - 1]
            since = f", owed since revision {grant.stamp}" if several else ""
            told.append(f"{grant.terms}{since}{wording.arithmetic(due, grant.terms)}{wording.substitutes(grant)}")
        first = outcome.grants[0]
        contract = outcome.dues[first.stamp - 1].contract
        what = "; and ".join(told)
        if contract is not None and outcome.target == CUSTOMER:
            what += f" (through contract {contract.contract_id})"
        if kept := held(_kept(outcome)):
            what += f", on top of {self._told(standing, outcome, kept)}"
        if taken := sum((one.quantity for one in outcome.withdrawals if not one.honoured), ZERO):
            what += f", in place of {self._told(standing, outcome, taken)}, taken back"
        return what + self._instead(levels, standing, first.stamp)

    def _stands(self, levels: Levels, standing: RuleStanding, outcome: Outcome, not_for: str | None) -> Verdict:
        """What was granted before: it stands, or not; `not_for` says why the rule is for the target no more."""
        rule, target = standing.rule, outcome.target
        now = {withdrawn.withdraws: withdrawn.honoured for withdrawn in outcome.withdrawals}
        standing_entries = [entry for entry in outcome.entries if not entry.withdrawn and entry.entry_id not in now]
        if standing_entries:
            told = self._told(standing, outcome, held(_kept(outcome)))
            told += self._instead(levels, standing, standing_entries[0].stamp)
            if now:
                less = sum((one.quantity for one in outcome.withdrawals), ZERO)
                became = "honoured" if self._prepared.honour else "taken back"
                told += f"; {self._told(standing, outcome, less)} no longer owed, and {became}"
            return self._verdict(rule, target, "already_granted", told)
        honoured = any(now.values()) or any(entry.held for entry in outcome.entries if entry.withdrawn)
        due = outcome.dues[-1]
        reason = wording.RETRACTED if self._prepared.retracted else not_for or wording.no_longer(due)
        what = self._told(standing, outcome, sum((entry.quantity for entry in outcome.entries), ZERO))
        return self._verdict(rule, target, "honoured" if honoured else "withdrawn", f"{what}: {reason}")

    def _told(self, standing: RuleStanding, outcome: Outcome, quantity: Decimal) -> str:
        """So much of what the rule gives, with the dates of the first entry."""
        entry = outcome.entries[0]
        revision = self._prepared.revisions[min(entry.stamp, len(self._prepared.revisions)) - 1]
        offer = standing.rule.offer(standing.choice)
        how = outcome.dues[revision.number - 1].how
        currency = entry.currency or (how.currency if how else None) or offer.currency
        told = str(revision.terms(offer, quantity, currency))
        contract = outcome.dues[revision.number - 1].contract
        if outcome.target == CUSTOMER and contract is not None:
            told += f" (through contract {contract.contract_id})"
        return told

    def _instead(self, levels: Levels, standing: RuleStanding, stamp: int) -> str:
        rule = standing.rule
        if standing.choice != "instead" or rule.instead is None:
            return ""
        revision = self._prepared.revisions[min(stamp, len(self._prepared.revisions)) - 1]
        why = wording.why_owned(levels, standing, several=len(self._prepared.revisions) > 1)
        return f", in place of {wording.gift(rule, revision)}: {why}"

    def _verdict(self, rule: PreparedRule, target: str, why: Why, detail: str) -> Verdict:
        granted = why in ("granted", "granted_instead", "difference")
        return Verdict(rule.name, target, granted, why, detail)


def _kept(outcome: Outcome) -> list[PriorGrant]:
    """The entries that he keeps: what this decision takes back is not among them."""
    taken = {one.withdraws for one in outcome.withdrawals if not one.honoured}
    return [entry for entry in outcome.entries if entry.entry_id not in taken]


def _says(outcome: Outcome) -> bool:
    """Whether a target has a verdict of its own, beside that the rule is not for it."""
    return bool(outcome.entries or outcome.grants) or outcome.dues[-1].why != "not_met"
