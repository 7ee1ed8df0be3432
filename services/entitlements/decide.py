"""Who is owed what for an incident: a pure function of the policy, the incident, the contracts and earlier grants.

`prepare` compiles policy and incident once; `decide` then takes some microseconds per customer. `explain` (in its own
file) is the same judgement with a recorder beside it, so that the two cannot disagree. No clock, no database, no
float. Leaves to the plan which customers are asked about, and to the store that a grant is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Literal, Protocol

from schemas.ids import entry_id, grant_id
from services.entitlements.domain import (
    CLOSENESS,
    CUSTOMER,
    Condition,
    Contract,
    Decision,
    ExclusionReason,
    Grant,
    PriorGrant,
    Terms,
)
from services.entitlements.prepared import Prepared, PreparedRule, Window, prepare

__all__ = ["Recorder", "decide", "judge", "out_of_service", "owns", "prepare"]

_by_id = attrgetter("contract_id")


class Recorder(Protocol):
    """Hears what the judgement finds, rule by rule; `explain` has one, the run has none."""

    def spared(self, rule: PreparedRule, contract: Contract, reason: ExclusionReason) -> None: ...

    def unmet(self, rule: PreparedRule, contract: Contract, condition: Condition) -> None: ...

    def met(self, rule: PreparedRule, contract: Contract, target: str, terms: Terms, held: bool) -> None: ...


def decide(
    prepared: Prepared, customer_id: str, contracts: Sequence[Contract], prior: Sequence[PriorGrant] = ()
) -> Decision:
    """What the customer is owed beyond `prior`, the grants of this incident that he has; no verdicts.

    `contracts` are all of his contracts, in any order, not only those in scope: what he owns counts too.
    Raises ValueError when a contract is another customer's, or stands twice.
    """
    return judge(prepared, customer_id, contracts, prior, None)


def judge(
    prepared: Prepared,
    customer_id: str,
    contracts: Sequence[Contract],
    prior: Sequence[PriorGrant],
    recorder: Recorder | None,
) -> Decision:
    """The one judgement behind `decide` and `explain`; the recorder hears of it and changes nothing."""
    if len(contracts) > 1:
        contracts = sorted(contracts, key=_by_id)
    hit, spared = _sorted_out(prepared, customer_id, contracts)
    held = {grant.grant_id for grant in prior}
    grants: list[Grant] = []
    for rule in prepared.rules:
        eligible: list[Contract] = []
        for contract in hit:
            unmet = rule.unmet(contract)
            if unmet is None:
                eligible.append(contract)
            elif recorder:
                recorder.unmet(rule, contract, unmet)
        if recorder:
            for contract, reason in spared:
                recorder.spared(rule, contract, reason)
        if not eligible:
            continue
        terms = rule.give
        if rule.instead is not None and _has_it(prepared, rule, contracts, prior):
            terms = rule.instead
        for contract in eligible if rule.per_contract else eligible[:1]:
            target = contract.contract_id if rule.per_contract else CUSTOMER
            identity = grant_id(prepared.incident_id, customer_id, target, rule.name)
            if identity not in held:
                grants.append(_grant(identity, prepared.revision, target, contract, terms))
            if recorder:
                recorder.met(rule, contract, target, terms, identity in held)
    exclusion = None if grants or prior else _exclusion(spared)
    return Decision(customer_id, tuple(grants), exclusion)


def _sorted_out(
    prepared: Prepared, customer_id: str, contracts: Sequence[Contract]
) -> tuple[list[Contract], list[tuple[Contract, ExclusionReason]]]:
    """The contracts that were hit, and the others with what spared them."""
    hit: list[Contract] = []
    spared: list[tuple[Contract, ExclusionReason]] = []
    last = None
    for contract in contracts:
        if contract.customer_id != customer_id:
            raise ValueError(f"contract {contract.contract_id} is held by {contract.customer_id}, not {customer_id}")
        if contract.contract_id == last:
            raise ValueError(f"contract {last} of {customer_id} stands twice")
        last = contract.contract_id
        reason: ExclusionReason | None = "not_in_scope"
        if prepared.everyone or prepared.in_scope(contract):
            reason = out_of_service(contract, prepared.window(contract))
        if reason is None:
            hit.append(contract)
        else:
            spared.append((contract, reason))
    return hit, spared


def out_of_service(contract: Contract, window: Window) -> ExclusionReason | None:
    """Why the contract was in service on no day of the window, or None when it was.

    It is in service from `starts_on` through `ends_on`, and no longer on `terminated_on`; of the two ends the
    earlier one decides, and `ends_on` when both fall on the same last day. A contract that never had a day of
    service counts as terminated before.
    """
    starts_on, ends_on, terminated_on = contract.starts_on, contract.ends_on, contract.terminated_on
    if (terminated_on is not None and terminated_on <= starts_on) or (ends_on is not None and ends_on < starts_on):
        return "terminated_before"
    if starts_on > window.last_day:
        return "started_after"
    first_day = window.first_day
    if ends_on is not None and ends_on < first_day and (terminated_on is None or ends_on < terminated_on):
        return "ended_before"
    if terminated_on is not None and terminated_on <= first_day:
        return "terminated_before"
    return None


def _has_it(prepared: Prepared, rule: PreparedRule, contracts: Sequence[Contract], prior: Sequence[PriorGrant]) -> bool:
    """Whether the alternative is due: the choice made before stands, else what the customer owned at the window.

    He owned the product when a contract of his, in scope or not, was in service at the window with that add-on, or
    when a complimentary one ran on a day of it. What this very incident gave him he did not own before.
    """
    if prior:
        choices = {grant.choice for grant in prior if grant.rule == rule.name}
        if choices:
            return "instead" in choices
    for contract in contracts:  # noqa: SIM110  # any() would cost the run a generator per customer
        if owns(prepared, contract, rule.owned, prior):
            return True
    return False


def owns(
    prepared: Prepared, contract: Contract, product: str | None, prior: Sequence[PriorGrant]
) -> Literal["addon", "complimentary"] | None:
    """How the customer had the product through this contract at the window, if he had."""
    if not contract.addons and not contract.complimentary:
        return None
    window = prepared.window(contract)
    if product in contract.addons and out_of_service(contract, window) is None:
        return "addon"
    for gift in contract.complimentary:
        if gift[0] == product and gift[1] <= window.last_day and gift[2] >= window.first_day:
            if gift[1] >= window.first_day and _gave(prepared, contract, product, prior):
                continue
            return "complimentary"
    return None


def _gave(prepared: Prepared, contract: Contract, product: str | None, prior: Sequence[PriorGrant]) -> bool:
    """Whether an earlier run of this incident gave the product, on this contract or to the customer."""
    terms = {(t.rule, t.choice): t for rule in prepared.rules for t in (rule.give, rule.instead) if t}
    return any(
        grant.target in (contract.contract_id, CUSTOMER)
        and (given := terms.get((grant.rule, grant.choice))) is not None
        and given.product == product
        for grant in prior
    )


def _grant(identity: str, revision: int, target: str, contract: Contract, terms: Terms) -> Grant:
    entry = entry_id(identity, revision)
    if terms.kind == "extension":
        return Grant(identity, entry, target, contract.contract_id, contract.product, terms)
    if terms.kind == "addon":
        return Grant(identity, entry, target, contract.contract_id, terms.product, terms)
    return Grant(identity, entry, target, None, None, terms)


def _exclusion(spared: Sequence[tuple[Contract, ExclusionReason]]) -> ExclusionReason:
    """The reason that came closest; contracts that were hit but meet no rule were not in the policy's scope."""
    return max((reason for _, reason in spared), key=CLOSENESS.__getitem__, default="not_in_scope")
