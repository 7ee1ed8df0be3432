"""Who is owed what for an incident: a pure function of the policy, the incident, the contracts and what was given.

`prepare` compiles policy and incident once; `decide` then takes some microseconds per customer. `explain` (in its own
file) is the same judgement with a recorder beside it, so that the two cannot disagree. No clock, no database, no
float. Leaves to the plan which customers are asked about, and to the store that an entry is written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple, Protocol

from schemas.ids import entry_id, grant_id, substitute_id, withdrawal_id
from services.entitlements.domain import (
    CLOSENESS,
    CUSTOMER,
    ZERO,
    Contract,
    Decision,
    ExclusionReason,
    Grant,
    OtherGrant,
    PriorGrant,
    SparedReason,
    SubstituteGrant,
    Terms,
    Withdrawn,
)
from services.entitlements.levels import Due, Levels, RuleStanding
from services.entitlements.owed import settle
from services.entitlements.prepared import Prepared, prepare
from services.entitlements.quantities import worth_of_days
from services.entitlements.reach import closest, out_of_service
from services.entitlements.rules import PreparedRule, Substitution, fee_of, owns

__all__ = ["Outcome", "Recorder", "decide", "judge", "prepare"]

_by_id = attrgetter("contract_id")
_NO_GIFTS: frozenset[tuple[str, str]] = frozenset()


class Outcome(NamedTuple):
    """What came of one rule for one target: what each revision owes, what was there, and what follows."""

    target: str
    dues: Sequence[Due]
    entries: Sequence[PriorGrant]
    grants: Sequence[Grant]
    withdrawals: Sequence[Withdrawn]


class Recorder(Protocol):
    """Hears what the judgement finds, rule by rule; `explain` has one, the run has none."""

    def rule(self, levels: Levels, standing: RuleStanding, outcomes: Sequence[Outcome]) -> None: ...


def decide(
    prepared: Prepared,
    customer_id: str,
    contracts: Sequence[Contract],
    prior: Sequence[PriorGrant] = (),
    others: Sequence[OtherGrant] = (),
) -> Decision:
    """What the customer is owed beyond `prior`, his entries of this incident, and what of them no longer; no verdicts.

    `contracts` are all of his contracts, in any order, not only those in scope: what he owns counts too. `others` is
    what the neighbours of the incident gave him. Raises ValueError when a contract is another customer's, or stands
    twice.
    """
    if len(contracts) > 1:
        contracts = sorted(contracts, key=_by_id)
    if prepared.plain is not None and not prior:
        return _decide_plainly(prepared, customer_id, contracts)
    return judge(prepared, customer_id, contracts, prior, others, None)


def judge(
    prepared: Prepared,
    customer_id: str,
    contracts: Sequence[Contract],
    prior: Sequence[PriorGrant],
    others: Sequence[OtherGrant],
    recorder: Recorder | None,
) -> Decision:
    """The one judgement behind `decide` and `explain`; the recorder hears of it and changes nothing."""
    contracts = sorted(contracts, key=_by_id)
    _check(customer_id, contracts)
    levels = Levels(prepared, contracts, prior, others)
    grants: list[Grant] = []
    withdrawals: list[Withdrawn] = []
    last: list[Due] = []
    for rule in prepared.rules:
        standing = levels.of(rule)
        outcomes = [_outcome(prepared, customer_id, levels, standing, target) for target in standing.dues]
        for outcome in outcomes:
            grants.extend(outcome.grants)
            withdrawals.extend(outcome.withdrawals)
            last.append(outcome.dues[-1])
        if recorder:
            recorder.rule(levels, standing, outcomes)
    exclusion = None if grants or prior else _exclusion(levels.spared, last)
    return Decision(customer_id, tuple(grants), exclusion, (), tuple(withdrawals))


def _decide_plainly(prepared: Prepared, customer_id: str, contracts: Sequence[Contract]) -> Decision:
    """`judge` for the common case: one revision, flat rules, nothing given before or beside. The same, and quicker."""
    revision, incident = prepared.last, prepared.incident_id
    reach, stamp = revision.reach, revision.number
    hit: list[Contract] = []
    spared: list[SparedReason] = []
    last = None
    for contract in contracts:
        if contract.customer_id != customer_id or contract.contract_id == last:
            _check(customer_id, contracts)
        last = contract.contract_id
        reason: SparedReason | None = "not_in_scope"
        if reach.everyone or reach.in_scope(contract):
            reason = out_of_service(contract, reach.window(contract))
        if reason is None:
            hit.append(contract)
        else:
            spared.append(reason)
    grants: list[Grant] = []
    for rule, give, instead in prepared.plain or ():
        eligible = [contract for contract in hit if rule.unmet(contract) is None]
        if not eligible:
            continue
        terms = give
        if instead is not None:
            for contract in contracts:
                held = contract.addons or contract.complimentary
                if held and owns(contract, rule.owned, reach.window(contract), _NO_GIFTS):
                    terms = instead
                    break
        for contract in eligible if rule.per_contract else eligible[:1]:
            target = contract.contract_id if rule.per_contract else CUSTOMER
            identity = grant_id(incident, customer_id, target, rule.name)
            grants.append(_grant(identity, entry_id(identity, stamp), target, contract, terms))
    exclusion = None if grants else closest(spared)
    return Decision(customer_id, tuple(grants), exclusion)


def _check(customer_id: str, contracts: Sequence[Contract]) -> None:
    last = None
    for contract in contracts:
        if contract.customer_id != customer_id:
            raise ValueError(f"contract {contract.contract_id} is held by {contract.customer_id}, not {customer_id}")
        if contract.contract_id == last:
            raise ValueError(f"contract {last} of {customer_id} stands twice")
        last = contract.contract_id


def _outcome(
    prepared: Prepared,
    customer_id: str,
    levels: Levels,
    standing: RuleStanding,
    target: str,
) -> Outcome:
    rule, dues = standing.rule, standing.dues[target]
    entries = levels.entries.get((rule.name, target), ())
    settled = settle([due.owed for due in dues], entries, retracted=prepared.retracted, honour=prepared.honour)
    withdrawals = [_withdrawn(prepared, standing, entry, dues) for entry in settled.withdrawn]
    if not settled.granted:
        return Outcome(target, dues, entries, (), withdrawals)
    offer = rule.offer(standing.choice)
    identity = grant_id(prepared.incident_id, customer_id, target, rule.name)
    before = _standing(entries, () if prepared.honour else settled.withdrawn)
    currencies = {entry.currency for entry in entries if entry.held} - {None}
    grants: list[Grant] = []
    for stamp, quantity in settled.granted:
        revision, due = prepared.revisions[stamp - 1], dues[stamp - 1]
        assert due.contract is not None, "what is owed is due through a contract"
        assert due.how is not None, "what is owed was reckoned"
        if currencies and due.how.currency not in currencies:
            continue  # what he has is in another currency: no difference can be told
        terms = revision.terms(offer, quantity, due.how.currency)
        substitutes: tuple[SubstituteGrant, ...] = ()
        if rule.substitutes:
            substitutes = tuple(_substitutes(prepared, levels, rule, identity, dues, before, terms))
        grants.append(_grant(identity, entry_id(identity, stamp), target, due.contract, terms, substitutes))
        before.append(stamp)
    return Outcome(target, dues, entries, grants, withdrawals)


def _standing(entries: Sequence[PriorGrant], reversed_now: Sequence[PriorGrant]) -> list[int]:
    """The stamps of the entries that the customer keeps."""
    gone = {entry.entry_id for entry in reversed_now}
    return [entry.stamp for entry in entries if entry.held and entry.entry_id not in gone]


def _substitutes(
    prepared: Prepared,
    levels: Levels,
    rule: PreparedRule,
    identity: str,
    dues: Sequence[Due],
    before: Sequence[int],
    terms: Terms,
) -> Iterable[SubstituteGrant]:
    """What takes the place of an entry that is refused; of what grows by revisions, only the difference."""
    if terms.kind not in ("extension", "addon"):
        return
    stamp = terms.stamp
    revision = prepared.revisions[stamp - 1]
    for substitution in rule.substitutes:
        offer = substitution.offer
        if substitution.same_worth:
            if terms.days is None:
                continue
            how = worth_of_days(terms.quantity, fee_of(dues[stamp - 1].contract))
            quantity = how.quantity
        else:
            how = levels.net(rule, offer, dues[stamp - 1], revision)
            quantity = how.quantity - _substituted(prepared, levels, rule, substitution, dues, before, stamp)
        if quantity > ZERO:
            grant = substitute_id(identity)
            yield SubstituteGrant(
                grant, entry_id(grant, stamp), substitution.reasons, revision.terms(offer, quantity, how.currency)
            )


def _substituted(
    prepared: Prepared,
    levels: Levels,
    rule: PreparedRule,
    substitution: Substitution,
    dues: Sequence[Due],
    before: Sequence[int],
    stamp: int,
) -> Decimal:
    """What the entry before this one has as its substitute."""
    stamps = [one for one in before if one < stamp and dues[one - 1].hours is not None]
    if not stamps:
        return ZERO
    last = max(stamps)
    return levels.net(rule, substitution.offer, dues[last - 1], prepared.revisions[last - 1]).quantity


def _grant(
    identity: str,
    entry: str,
    target: str,
    contract: Contract,
    terms: Terms,
    substitutes: tuple[SubstituteGrant, ...] = (),
) -> Grant:
    if terms.kind == "extension":
        return Grant(identity, entry, target, contract.contract_id, contract.product, terms, substitutes)
    if terms.kind == "addon":
        return Grant(identity, entry, target, contract.contract_id, terms.product, terms, substitutes)
    return Grant(identity, entry, target, None, None, terms)


def _withdrawn(prepared: Prepared, standing: RuleStanding, entry: PriorGrant, dues: Sequence[Due]) -> Withdrawn:
    rule = standing.rule
    then = dues[entry.stamp - 1] if entry.stamp <= len(dues) else None
    currency = entry.currency or rule.offer(entry.choice).currency
    if currency is None and then is not None and then.how is not None:
        currency = then.how.currency
    return Withdrawn(
        entry_id=withdrawal_id(entry.entry_id, prepared.revision),
        grant_id=entry.grant_id,
        rule=rule.name,
        choice=entry.choice,
        kind=rule.offer(entry.choice).kind,
        target=entry.target,
        withdraws=entry.entry_id,
        honoured=prepared.honour,
        quantity=entry.quantity,
        currency=currency,
    )


def _exclusion(spared: Sequence[tuple[Contract, SparedReason]], last: Sequence[Due]) -> ExclusionReason:
    """The reason that came closest; contracts that were hit but meet no rule were not in the policy's scope."""
    reasons: list[ExclusionReason] = [reason for _, reason in spared]
    reasons += [
        "waits_for_end" if due.why == "waits_for_end" else "nothing_due"
        for due in last
        if due.why in ("waits_for_end", "due", "unless")
    ]
    return max(reasons, key=CLOSENESS.__getitem__, default="not_in_scope")
