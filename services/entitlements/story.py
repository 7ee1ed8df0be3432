"""One customer's story: what each run decided for him and why, from the facts as they were.

It is told as JSON that holds everything it was judged by, so that anybody can judge it again, offline and next year:
`flaws` does so and says what comes out differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from schemas.statements import event, in_force
from schemas.values import plain
from services.entitlements.catalogue import Catalogue
from services.entitlements.domain import Decision
from services.entitlements.explain import explain
from services.entitlements.facts import kept, kept_contract, kept_neighbour, kept_other
from services.entitlements.policy import policy_from_body
from services.entitlements.prepared import prepare
from services.entitlements.store import SQL, prior_grants
from services.runtime.database import Connection

_ENTRY = ("grant_id", "entry_id", "rule", "target", "choice", "stamp", "quantity", "withdraws", "honoured", "currency")


async def story(connection: Connection, catalogue: Catalogue, incident_id: str, customer_id: str) -> dict[str, Any]:
    """What each run decided for a customer, with all that it was decided by."""
    considered = await connection.fetchrow(SQL["consideration_of_customer"], incident_id, customer_id)
    grants = await connection.fetch(SQL["grants_of_customer"], incident_id, customer_id)
    declared = [dict(row) for row in await connection.fetch(SQL["declarations"], incident_id)]
    runs = []
    for row in await connection.fetch(SQL["facts_of_customer"], incident_id, customer_id):
        facts = kept(row["facts"], customer_id)
        before = [g for g in grants if (g["revision"], g["run"]) < (row["revision"], row["run"])]
        if not facts.contracts and not before:
            continue
        run = {
            "revision": row["revision"],
            "run": row["run"],
            "decided_at": row["done_at"],
            "policy": _policy_named(declared),
            "facts": facts.contracts,
            "others": facts.others,
            "neighbours": facts.neighbours,
            "before": [_entry(grant) for grant in before],
        }
        policy = await catalogue.published(connection, run["policy"])
        assert policy is not None, "what was run was published"
        runs.append(run | _told(judged(customer_id, declared, policy["body"], run)))
    keys = sorted({run["policy"] for run in runs})
    policies = {key: dict(await catalogue.published(connection, key) or {}) for key in keys}
    return {
        "incident_id": incident_id,
        "customer_id": customer_id,
        "considered": considered is not None,
        "exclusion": considered and considered["exclusion"],
        "revisions": declared,
        "policies": policies,
        "grants": [_plain(grant) for grant in grants],
        "runs": runs,
    }


def judged(
    customer_id: str, declared: Sequence[Mapping[str, Any]], policy: Mapping[str, Any], run: Mapping[str, Any]
) -> Decision:
    """What a run has to say of a customer, judged by nothing but what the story holds."""
    statements = in_force(event(one["type"], one["body"]) for one in declared if one["revision"] <= run["revision"])
    neighbours = [kept_neighbour(fact) for fact in run["neighbours"]]
    prepared = prepare(policy_from_body(policy), statements, neighbours)
    rows = [(customer_id, *[_value(name, entry[name]) for name in _ENTRY]) for entry in run["before"]]
    prior = prior_grants(sorted(rows, key=lambda row: (row[6], row[2]))).get(customer_id, [])
    contracts = [kept_contract(fact) for fact in run["facts"]]
    return explain(prepared, customer_id, contracts, prior, [kept_other(fact) for fact in run["others"]])


def flaws(told: Mapping[str, Any]) -> list[str]:
    """What a story says and its own facts do not; nothing when it is true to them."""
    found = []
    for run in told["runs"]:
        again = _told(judged(told["customer_id"], told["revisions"], told["policies"][run["policy"]]["body"], run))
        found += [
            f"revision {run['revision']}, run {run['run']}: {name} says {run[name]}, the facts say {again[name]}"
            for name in again
            if run[name] != again[name]
        ]
    return found


def _policy_named(declared: Sequence[Mapping[str, Any]]) -> str:
    """The policy that an incident was declared under: it keeps it."""
    return str(next(one["body"]["policy"] for one in declared if "policy" in one["body"]))


def _told(decision: Decision) -> dict[str, Any]:
    """A decision as the story tells it."""
    return {
        "exclusion": decision.exclusion,
        "granted": [[grant.entry_id, str(grant.terms)] for grant in decision.grants],
        "withdrawn": [[one.entry_id, one.withdraws, one.honoured] for one in decision.withdrawals],
        "verdicts": [
            {"rule": v.rule, "target": v.target, "granted": v.granted, "why": v.why, "sentence": v.sentence()}
            for v in decision.verdicts
        ],
    }


def _entry(grant: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the books as what was there before a run."""
    quantity = next(value for value in (grant["days"], grant["amount"], 1) if value is not None)
    return {name: str(quantity) if name == "quantity" else grant[name] for name in _ENTRY}


def _value(name: str, value: Any) -> Any:
    return Decimal(value) if name == "quantity" else value


def _plain(grant: Any) -> dict[str, Any]:
    """A grant's row as JSON can tell it: money with its currency's decimals."""
    return {k: plain(v, grant["currency"]) if isinstance(v, Decimal) else v for k, v in grant.items()}
