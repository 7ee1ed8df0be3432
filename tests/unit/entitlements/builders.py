"""Contracts, incidents and policies for the tests of entitlements: the case's, unless a test says otherwise."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from schemas.events import IncidentDeclared
from services.entitlements.decide import decide, prepare
from services.entitlements.domain import Contract, Decision, PriorGrant
from services.entitlements.policy import SHIPPED, Policy, load_policies, parse_policy
from services.entitlements.prepared import Prepared

ARUBA = "aruba-2011-04-29@1"
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
        "impact": {"starts_at": "2011-04-29T04:30:00+02:00", "ends_at": "2011-04-29T13:30:00+02:00"},
        "scope": {"everyone": True},
        "policy": ARUBA,
        "declared_by": "noc",
        "declared_at": "2011-05-13T10:00:00+02:00",
    }
    return IncidentDeclared.model_validate(said | changed, strict=False)


def impact(starts_at: str, ends_at: str | None) -> dict[str, str | None]:
    return {"starts_at": starts_at, "ends_at": ends_at}


def prepared(policy: Policy | None = None, **changed: Any) -> Prepared:
    policy = policy or aruba()
    return prepare(policy, incident(**{"policy": policy.key, **changed}))


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


def policy(rules: str, time_zone: str = "Europe/Rome") -> Policy:
    """A policy with the rules given as YAML (a list, not indented)."""
    text = f"name: test\nversion: 1\ntitle: Test\ntime_zone: {time_zone}\nrules:\n{rules}"
    return parse_policy(text, "test@1.yaml")


def as_prior(decision: Decision) -> tuple[PriorGrant, ...]:
    """The decision's grants as the next run finds them in the books."""
    return tuple(PriorGrant(g.grant_id, g.rule, g.target, g.choice) for g in decision.grants)


def given(decision: Decision) -> list[tuple[str, str, str | None]]:
    """What was granted, short: (rule, target, product)."""
    return [(g.rule, g.target, g.product) for g in decision.grants]


def is_hit(of: Contract, by: Prepared) -> str:
    """`hit`, or the reason why the contract's only holder is excluded."""
    return decide(by, of.customer_id, [of]).exclusion or "hit"
