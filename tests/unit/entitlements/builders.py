"""Contracts, incidents and policies for the tests of entitlements: the case's, unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from schemas.events import IncidentAmended, IncidentDeclared, IncidentResolved, IncidentRetracted
from schemas.statements import IncidentEvent, in_force
from services.entitlements.decide import decide, prepare
from services.entitlements.domain import Contract, Decision, Neighbour, OtherGrant, PriorGrant
from services.entitlements.policy import SHIPPED, Policy, load_policies, parse_policy
from services.entitlements.prepared import Prepared

ARUBA = "aruba-2011-04-29@1"
ARUBAS = {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-04-29T13:30:00+02:00"}
ARUBA_TEXT = (SHIPPED / f"{ARUBA}.yaml").read_text(encoding="utf-8")


@cache
def aruba() -> Policy:
    return load_policies()[ARUBA]


def incident(**changed: Any) -> IncidentDeclared:
    """The black-out of 29 April 2011, everyone in scope, declared on 13 May."""
    said: dict[str, Any] = {
        "incident_id": "arezzo-2011-04-29",
        "revision": 1,
        "title": "Black-out of the Arezzo data centre",
        "drill": False,
        "impact": ARUBAS,
        "scope": {"everyone": True},
        "policy": ARUBA,
        "declared_by": "noc",
        "declared_at": "2011-05-13T10:00:00+02:00",
    }
    return IncidentDeclared.model_validate(said | changed, strict=False)


def impact(starts_at: str, ends_at: str | None, *also: tuple[str, str]) -> dict[str, Any]:
    """An impact; `also` are further windows."""
    more = [{"starts_at": start, "ends_at": end} for start, end in also]
    return {"starts_at": starts_at, "ends_at": ends_at, "also": more}


def hours(start: int | None, end: int | None, *also: tuple[int, int], day: str = "2011-04-29") -> dict[str, Any]:
    """An impact on a day in UTC, from one full hour to another, and further windows of that day."""

    def at(hour: int) -> str:
        return f"{day}T{hour:02}:00:00Z"

    return impact(at(start or 0), None if end is None else at(end), *[(at(a), at(b)) for a, b in also])


def prepared(
    policy: Policy | None = None,
    *later: dict[str, Any],
    neighbours: Sequence[Neighbour] = (),
    **changed: Any,
) -> Prepared:
    """The incident under the policy: as declared, and then what is said `later`, revision by revision.

    A later one is `{"resolved": end}`, `{"retracted": reason}`, or what an amendment changes of the statement.
    """
    policy = policy or aruba()
    changed = {"policy": policy.key, **changed}
    events: list[IncidentEvent] = [incident(**changed)]
    for revision, more in enumerate(later, 2):
        if "resolved" in more:
            said = _as(IncidentResolved, {**changed, "ends_at": more["resolved"]}, revision)
            changed["impact"] = {**changed.get("impact", ARUBAS), "ends_at": more["resolved"]}
        elif "retracted" in more:
            said = _as(IncidentRetracted, {**changed, "reason": more["retracted"]}, revision)
        else:
            changed |= more
            said = _as(IncidentAmended, changed, revision)
        events.append(said)
    return prepare(policy, in_force(events), neighbours)


def _as(model: type[IncidentEvent], changed: dict[str, Any], revision: int) -> IncidentEvent:
    said = {**incident().model_dump(mode="json"), **changed, "revision": revision}
    return model.model_validate(said, strict=False)


def contract(contract_id: str = "K1", customer_id: str = "C1", **changed: Any) -> Contract:
    """A dedicated server that has been in service since 2010, without an end."""
    facts: dict[str, Any] = {
        "family": "dedicated",
        "product": "dedicated-server",
        "site": "arezzo",
        "starts_on": date(2010, 1, 1),
    }
    return Contract(contract_id=contract_id, customer_id=customer_id, **(facts | changed))


def hosting(contract_id: str = "K1", customer_id: str = "C1", **changed: Any) -> Contract:
    """A hosting contract that includes e-mail."""
    facts: dict[str, Any] = {
        "family": "hosting",
        "product": "hosting-linux",
        "attributes": {"includes_email": True},
    }
    return contract(contract_id, customer_id, **(facts | changed))


@cache
def policy(rules: str, time_zone: str = "Europe/Rome") -> Policy:
    """A policy with the rules given as YAML (a list, not indented)."""
    text = f"name: test\nversion: 1\ntitle: Test\ntime_zone: {time_zone}\nrules:\n{rules}"
    return parse_policy(text, "test@1.yaml")


def as_prior(*decisions: Decision) -> tuple[PriorGrant, ...]:
    """What the decisions granted and withdrew, in their order, as the next run finds it in the books."""
    books: dict[str, PriorGrant] = {}
    for decision in decisions:
        for g in decision.grants:
            assert g.entry_id not in books, "an entry is written once"
            books[g.entry_id] = PriorGrant(
                g.grant_id, g.entry_id, g.rule, g.target, g.choice, g.stamp, g.terms.quantity, currency=g.currency
            )
        for w in decision.withdrawals:
            assert not books[w.withdraws].withdrawn, "an entry is withdrawn once"
            books[w.withdraws] = replace(books[w.withdraws], withdrawn=True, honoured=w.honoured)
    return tuple(books.values())


def as_others(incident_id: str, prior: Sequence[PriorGrant]) -> list[OtherGrant]:
    """What an incident gave, as another one finds it: net of what was taken back."""
    return [OtherGrant(incident_id, one.rule, one.target, one.choice, one.quantity) for one in prior if one.held]


def given(decision: Decision) -> list[tuple[str, str, str | None]]:
    """What was granted, short: (rule, target, product)."""
    return [(g.rule, g.target, g.product) for g in decision.grants]


def is_hit(of: Contract, by: Prepared) -> str:
    """`hit`, or the reason why the contract's only holder is excluded."""
    return decide(by, of.customer_id, [of]).exclusion or "hit"


def live(
    by: Policy, held: list[Contract], *later: dict[str, Any], run: set[int] | None = None, **first: Any
) -> list[Decision]:
    """What each revision that is run decides; all of them unless `run` says which. The last one always is."""
    decisions: list[Decision] = []
    for revision in range(1, len(later) + 2):
        if run is None or revision in run or revision == len(later) + 1:
            prior = as_prior(*decisions)
            decisions.append(decide(prepared(by, *later[: revision - 1], **first), "C1", held, prior))
    return decisions


def quantities(decisions: list[Decision]) -> list[list[tuple[str, int, str]]]:
    """What each decision grants, as (target, stamp, quantity)."""
    return [[(g.target, g.stamp, str(g.terms.quantity)) for g in decision.grants] for decision in decisions]
