"""The examples kept beside a policy, tried: the same judgement as a run's, over the facts that an example gives.

Each step of an example is judged with what the steps before it have put into the books. What does not come out as it
is written is said in the same YAML, so that it can be compared, or copied. Pure but for the reading of files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from schemas.events import Impact, Interval
from schemas.statements import Statement
from schemas.values import plain
from services.entitlements.decide import decide, prepare
from services.entitlements.domain import (
    CUSTOMER,
    ONE,
    Contract,
    Decision,
    Grant,
    Neighbour,
    OtherGrant,
    PriorGrant,
    Terms,
    Withdrawn,
)
from services.entitlements.explain import explain
from services.entitlements.policy import Policy, read_policy
from services.entitlements.policy_errors import PolicyError, said_plainly
from services.entitlements.policy_facts import (
    WHO,
    Beside,
    Example,
    Examples,
    Gave,
    Line,
    NoLonger,
    Outcome,
    Said,
    examples_beside,
    read_examples,
)


@dataclass(frozen=True, slots=True)
class Tried:
    """An example and what is wrong with it; nothing, when it is true."""

    policy: str
    example: str
    problems: tuple[str, ...]


def try_policy(path: str | Path) -> list[Tried]:
    """Try the examples beside a policy's file; raises PolicyError when the policy or they cannot be read."""
    policy = read_policy(path)
    beside = examples_beside(path)
    if not beside.exists():
        raise PolicyError([f"{Path(path).name}: has no examples: write some in examples/{beside.name}"])
    return try_examples(policy, read_examples(beside))


def try_examples(policy: Policy, examples: Examples) -> list[Tried]:
    """Try every example under a policy."""
    return [
        Tried(policy.key, example.example, tuple(_tried(policy, examples.incident, example)))
        for example in examples.examples
    ]


def _tried(policy: Policy, incident: Said, example: Example) -> list[str]:
    problems: list[str] = []
    statements: list[Statement] = []
    prior: tuple[PriorGrant, ...] = ()
    contracts: list[Contract] = []
    others = [_other(policy, beside, gave) for beside in example.beside for gave in beside.gave]
    for number, step in enumerate(example.steps, 1):
        where = f"revision {number}: " if example.then else ""
        incident = incident.then(step.incident)
        if step.contracts is not None:
            contracts = [facts.known() for facts in step.contracts]
        try:
            statements.append(incident.statement("the-incident", number, policy.key))
            prepared = prepare(policy, statements, [_neighbour(beside) for beside in example.beside])
        except ValueError as error:
            return [*problems, *(f"{where}incident: {line}" for line in _plainly(error))]
        decision = explain(prepared, WHO, contracts, prior, others)
        found = [*_compared(step, decision), *_agreed(decision, decide(prepared, WHO, contracts, prior, others))]
        problems += [where + problem for problem in found]
        prior = booked(prior, decision)
    return problems


def _plainly(error: ValueError) -> list[str]:
    return said_plainly(error, Impact) if isinstance(error, ValidationError) else [str(error)]


def booked(prior: Sequence[PriorGrant], decision: Decision) -> tuple[PriorGrant, ...]:
    """The entries in the books once a decision was written down."""
    withdrawn = {one.withdraws: one.honoured for one in decision.withdrawals}
    entries = [
        replace(entry, withdrawn=True, honoured=withdrawn[entry.entry_id]) if entry.entry_id in withdrawn else entry
        for entry in prior
    ]
    entries += [
        PriorGrant(
            grant.grant_id,
            grant.entry_id,
            grant.rule,
            grant.target,
            grant.choice,
            grant.stamp,
            grant.terms.quantity,
            currency=grant.currency,
        )
        for grant in decision.grants
    ]
    return tuple(entries)


def _neighbour(beside: Beside) -> Neighbour:
    hours = Interval(starts_at=beside.starts_at, ends_at=beside.ends_at)
    return Neighbour(beside.incident, (hours,), beside.scope.scope())


def _other(policy: Policy, beside: Beside, gave: Gave) -> OtherGrant:
    money = gave.money and gave.money.amount
    quantity = Decimal(gave.extension) if gave.extension else money or ONE
    rule = next((rule for rule in policy.rules if rule.rule == gave.rule), None)
    alternative = rule.if_owned.instead.addon if rule and rule.if_owned else None
    choice: Literal["give", "instead"] = "instead" if alternative and alternative.product == gave.addon else "give"
    return OtherGrant(beside.incident, gave.rule, gave.target, choice, quantity)


# ── compared ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _agreed(explained: Decision, decided: Decision) -> list[str]:
    return [] if replace(explained, verdicts=()) == decided else ["explain and decide do not say the same"]


def _compared(step: Outcome, decision: Decision) -> list[str]:
    """What is written and does not come out, and what comes out and is not written."""
    problems = []
    rest = [_written_grant(grant) for grant in decision.grants]
    for line in step.gets or ():
        wanted = _written_line(line)
        found = next((grant for grant in rest if _fits(wanted, grant)), None)
        if found is None:
            problems.append(f"does not get {_flow(wanted)}")
        else:
            rest.remove(found)
    problems += [f"gets {_flow(grant)} as well" for grant in rest]
    if decision.exclusion != step.excluded:
        problems.append(f"excluded: is {_reason(decision.exclusion)}, not {_reason(step.excluded)}")
    problems += _withdrawals(step.no_longer, decision.withdrawals)
    verdicts = {(verdict.rule, verdict.target): verdict for verdict in decision.verdicts}
    for rule, targets in step.verdicts.items():
        for target, why in targets.items():
            verdict = verdicts.get((rule, target))
            if verdict is None or verdict.why != why:
                problems.append(f"verdicts.{rule}.{target}: is {verdict.why if verdict else 'not given'}, not {why}")
    sentences = [verdict.sentence() for verdict in decision.verdicts]
    for text in step.because:
        if not any(text in sentence for sentence in sentences):
            problems.append(f"because: nothing says {text!r}, but: {' | '.join(sentences)}")
    return problems


def _fits(wanted: Mapping[str, Any], grant: Mapping[str, Any]) -> bool:
    """Whether a grant is what is written; who it is for has to be the same, of the rest what is written."""
    same_target = wanted.get("contract") == grant.get("contract")
    return same_target and all(grant.get(name) == value for name, value in wanted.items())


def _withdrawals(written: Sequence[NoLonger], found: Sequence[Withdrawn]) -> list[str]:
    wanted = sorted((one.rule, one.contract or CUSTOMER, one.honoured) for one in written)
    there = sorted((one.rule, one.target, one.honoured) for one in found)
    return [] if wanted == there else [f"no_longer: is {_flow(list(map(_no_longer, there)))}"]


def _no_longer(one: tuple[str, str, bool]) -> dict[str, Any]:
    rule, target, honoured = one
    return {"rule": rule, **_contract(target), "honoured": honoured}


def _written_line(line: Line) -> dict[str, Any]:
    """What an example says that he gets, without what it does not say."""
    return {name: _written(value) for name, value in line if value is not None}


def _written_grant(grant: Grant) -> dict[str, Any]:
    """A grant as an example would say it, with everything that can be said."""
    said = {"rule": grant.rule, **_contract(grant.target), **_terms(grant.terms), "since": grant.stamp}
    if grant.substitutes:
        said["if_refused"] = {reason: _worth(one.terms) for one in grant.substitutes for reason in one.reasons}
    return said


def _terms(terms: Terms) -> dict[str, Any]:
    if terms.kind == "extension":
        return {"extension": terms.days}
    if terms.kind == "addon":
        return {"addon": terms.product, "until": terms.ends_on}
    if terms.kind == "credit":
        return {"credit": _worth(terms)}
    shipping = {} if terms.shipping_cap is None else {"shipping_cap": f"{terms.shipping_cap} {terms.currency}"}
    return {
        "voucher": _worth(terms),
        "merchant": terms.merchant,
        **shipping,
        "handling_covered": terms.handling_covered,
        "until": terms.valid_until,
    }


def _contract(target: str) -> dict[str, str]:
    return {} if target == CUSTOMER else {"contract": target}


def _worth(terms: Terms) -> str:
    assert terms.amount is not None, "a voucher or a credit has an amount"
    assert terms.currency is not None, "an amount has a currency"
    return f"{plain(terms.amount, terms.currency)} {terms.currency}"


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _written(item) for name, item in value.items()}
    return f"{value.amount} {value.currency}" if hasattr(value, "currency") else value


def _reason(reason: str | None) -> str:
    return reason or "no exclusion"


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True).strip()
