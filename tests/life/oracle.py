"""The oracle: what entitlements has to make of what it hears, kept as a person with a ledger would keep it.

It is told what arrives (declarations, orders, contracts) and which customers were decided when: who comes first is
nobody's rule. From that it says what each of them is owed, what is published, and where a run may stand. Leaves to
`oracle_owed` the judgement of a customer, to `oracle_billing` and `oracle_letters` what becomes of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.life.oracle_days import an_id
from tests.life.oracle_owed import Beside, Customer, Entry, Judgement, hours_of
from tests.life.oracle_promise import DECIMALS, Facts, Said, Tree, in_scope, statement

Told = tuple[str, str, dict[str, Any]]
"""An event that ought to be published: its type, its key, what it says."""
Money = dict[str, Decimal]
STATEMENTS = ("incident.declared.v1", "incident.amended.v1")
REVISIONS = (*STATEMENTS, "incident.resolved.v1", "incident.retracted.v1")


@dataclass
class Incident:
    """One incident: what was said of it, what is in force, whom it gave what."""

    incident_id: str
    policy: Tree = field(default_factory=dict)
    drill: bool = False
    heard: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    in_force: list[Said] = field(default_factory=list)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    exclusions: dict[str, str | None] = field(default_factory=dict)
    spent: Money = field(default_factory=dict)
    order: tuple[str, str, bool] | None = None
    undecided: bool = False

    @property
    def held(self) -> bool:
        """A later revision waits for one that has not come."""
        return any(revision > len(self.in_force) for revision in self.heard)

    @property
    def paused(self) -> bool:
        return self.order is not None and self.order[2]

    @property
    def declarers(self) -> set[str]:
        return {self.heard[said.revision][1]["declared_by"] for said in self.in_force}

    @property
    def now(self) -> Said:
        """The statement in force."""
        return self.in_force[-1]


class Oracle:
    """The book of all incidents, over the contracts as they were told so far."""

    def __init__(self, policies: list[Tree]) -> None:
        self.policies = {f"{policy['name']}@{policy['version']}": policy for policy in policies}
        self.contracts: dict[str, Facts] = {}
        self.incidents: dict[str, Incident] = {}

    # ── what arrives ─────────────────────────────────────────────────────────────────────────────────────────────

    def hear_contract(self, contract: Facts) -> None:
        """Of two tellings of a contract the later version counts."""
        known = self.contracts.get(contract["contract_id"])
        if known is None or known.get("version", 0) <= contract.get("version", 0):
            self.contracts[contract["contract_id"]] = contract

    def forget_contract(self, contract_id: str) -> None:
        """The contract is gone."""
        self.contracts.pop(contract_id, None)

    def hear(self, event_type: str, event_id: str, body: dict[str, Any]) -> bool:
        """Hear what is said or ordered of an incident; False when it has to be refused and set aside."""
        if event_type in ("incident.paused.v1", "incident.resumed.v1"):
            return self._order(event_type, event_id, body)
        incident_id, revision = body["incident_id"], body["revision"]
        if event_type in STATEMENTS and body["policy"] not in self.policies:
            return False
        incident = self.incidents.setdefault(incident_id, Incident(incident_id))
        if revision in incident.heard:
            return incident.heard[revision][1] == body
        incident.heard[revision] = (event_type, body)
        refused = self._put_in_force(incident)
        return revision not in refused

    def _put_in_force(self, incident: Incident) -> set[int]:
        """What can follow now follows; a revision that cannot follow the ones before it is dropped."""
        before = len(incident.in_force)
        while (following := incident.heard.get(len(incident.in_force) + 1)) is not None:
            event_type, body = following
            if not self._can_follow(incident, event_type, body):
                del incident.heard[body["revision"]]
                incident.undecided = incident.undecided or len(incident.in_force) > before
                return {body["revision"]}
            last = incident.in_force[-1] if incident.in_force else None
            incident.in_force.append(statement(body, last, event_type))
            if last is None:
                incident.policy, incident.drill = self.policies[body["policy"]], body["drill"]
        incident.undecided = incident.undecided or len(incident.in_force) > before
        return set()

    def _can_follow(self, incident: Incident, event_type: str, body: dict[str, Any]) -> bool:
        if not incident.in_force:
            return event_type in STATEMENTS
        if event_type in STATEMENTS:
            return self.policies.get(body["policy"]) is incident.policy and body["drill"] == incident.drill
        if event_type == "incident.resolved.v1":
            return statement(body, incident.now, event_type).ends_at > incident.now.starts_at  # type: ignore[operator]
        return True

    def _order(self, event_type: str, event_id: str, body: dict[str, Any]) -> bool:
        incident = self.incidents.setdefault(body["incident_id"], Incident(body["incident_id"]))
        at = body.get("paused_at") or body["resumed_at"]
        order = (at, event_id, event_type == "incident.paused.v1")
        if incident.order is None or incident.order[:2] < order[:2]:
            incident.order = order
        return True

    # ── who is decided ───────────────────────────────────────────────────────────────────────────────────────────

    def considered(self, incident: Incident) -> list[str]:
        """The customers with a contract in scope, unless it was taken back, and those whom it has given something."""
        given = {customer for customer, entries in incident.entries.items() if entries}
        hit = {
            contract["customer_id"]
            for contract in self.contracts.values()
            if not incident.now.retracted and in_scope(contract, incident.now.scope)
        }
        return sorted(given | hit)

    def decide(self, incident_id: str, first: str, last: str) -> list[Told]:
        """The customers from the first to the last are decided now; what is published of it."""
        incident = self.incidents[incident_id]
        told: list[Told] = []
        for customer_id in self.considered(incident):
            if first <= customer_id <= last:
                entries = incident.entries.setdefault(customer_id, [])
                judgement = self.customer(incident, customer_id, entries).judge(incident.in_force)
                incident.exclusions[customer_id] = judgement.exclusion
                told += published(incident, customer_id, judgement)
                self._spend(incident, judgement)
        return told

    def foresee(self, incident_id: str, first: str, last: str) -> Money:
        """What it would come to at most if the customers from the first to the last were decided now."""
        incident = self.incidents[incident_id]
        money: Money = {}
        for customer_id in self.considered(incident):
            if first <= customer_id <= last:
                entries = copy.deepcopy(incident.entries.get(customer_id, []))
                judgement = self.customer(incident, customer_id, entries).judge(incident.in_force)
                add(money, cost(judgement.given))
        return money

    def customer(self, incident: Incident, customer_id: str, entries: list[Entry]) -> Customer:
        mine = [contract for contract in self.contracts.values() if contract["customer_id"] == customer_id]
        beside = self.beside(incident, customer_id)
        return Customer(incident.incident_id, customer_id, incident.policy, mine, entries, beside)

    def _spend(self, incident: Incident, judgement: Judgement) -> None:
        add(incident.spent, cost(judgement.given))
        for entry in judgement.withdrawn:
            if entry.currency is not None and not entry.honoured:
                add(incident.spent, {entry.currency: -entry.quantity})

    def beside(self, incident: Incident, customer_id: str) -> list[Beside]:
        """The other incidents under a policy of this name, drills among drills, with what they gave a customer."""
        found = []
        for other in self.incidents.values():
            same = other.in_force and other.policy["name"] == incident.policy["name"] and other.drill == incident.drill
            if other is incident or not same:
                continue
            gave = self.gave(other.incident_id, customer_id)
            found.append(Beside(other.now, tuple(hours_of(other.now)), gave))
        return found

    def gave(self, incident_id: str, customer_id: str) -> dict[tuple[str, str, str], Decimal]:
        """What an incident has given a customer and not taken back, by rule, target and choice."""
        gave: dict[tuple[str, str, str], Decimal] = {}
        for entry in self.incidents[incident_id].entries.get(customer_id, []):
            if entry.counts:
                key = (entry.rule, entry.target, entry.choice)
                gave[key] = gave.get(key, Decimal(0)) + entry.quantity
        return gave


# ── what is published ────────────────────────────────────────────────────────────────────────────────────────────


def published(incident: Incident, customer_id: str, judgement: Judgement) -> list[Told]:
    """What the services beside are told of a judgement."""
    shared: dict[str, Any] = {
        "incident_id": incident.incident_id,
        "revision": incident.now.revision,
        "policy": f"{incident.policy['name']}@{incident.policy['version']}",
        "customer_id": customer_id,
    }
    if incident.drill:
        shared["drill"] = True
    letters = list(incident.policy.get("letters", ["details"]))
    spoken = {
        **shared,
        "declared_at": incident.now.declared_at.isoformat(),
        "time_zone": incident.policy["time_zone"],
        **({} if letters == ["details"] else {"letters": letters}),
    }
    told: list[Told] = []
    if judgement.withdrawn:
        withdrawals = [_withdrawal(entry, incident.now.revision) for entry in judgement.withdrawn]
        told.append(("entitlement.withdrawn.v1", customer_id, {**spoken, "withdrawals": withdrawals}))
    if judgement.given:
        remedies = [_remedy(entry) for entry in judgement.given]
        judged = [_judged(incident, entry, one) for entry, one in zip(judgement.given, remedies, strict=True)]
        told.append(("entitlement.granted.v1", customer_id, {**spoken, "remedies": judged}))
        if "announcement" in letters:
            told.append(("announcement.requested.v1", customer_id, {**shared, "remedies": remedies}))
    return told


def _judged(incident: Incident, entry: Entry, remedy: dict[str, Any]) -> dict[str, Any]:
    """A remedy with the moment by which it is judged whether it can be applied: that since which it is owed."""
    if entry.kind not in ("extension", "addon") or entry.stamp == incident.now.revision:
        return remedy
    return {**remedy, "declared_at": incident.in_force[entry.stamp - 1].declared_at.isoformat()}


def _withdrawal(entry: Entry, revision: int) -> dict[str, Any]:
    return {
        "entry_id": an_id(entry.entry_id, str(revision), "withdrawal"),
        "grant_id": entry.grant_id,
        "rule": entry.rule,
        "kind": entry.kind,
        "withdraws": entry.entry_id,
        "honoured": entry.honoured,
    }


def _remedy(entry: Entry) -> dict[str, Any]:
    told = {
        "entry_id": entry.entry_id,
        "grant_id": entry.grant_id,
        "rule": entry.rule,
        **_terms(entry.kind, entry.remedy, entry.quantity, entry.currency, entry.until),
    }
    if entry.kind in ("extension", "addon"):
        told |= {"contract_id": entry.contract_id, "product": entry.product}
    if entry.substitutes:
        told["substitutes"] = [
            {
                "reasons": list(one.reasons),
                "remedy": {
                    "entry_id": one.entry_id,
                    "grant_id": one.grant_id,
                    "rule": entry.rule,
                    **_terms(one.kind, one.remedy, one.amount, one.currency, one.valid_until),
                },
            }
            for one in entry.substitutes
        ]
    return told


def _terms(kind: str, remedy: Tree, quantity: Decimal, currency: str | None, until: Any) -> dict[str, Any]:
    body = remedy[kind]
    told: dict[str, Any] = {"kind": kind}
    if kind == "extension":
        told["days"] = int(quantity)
    elif kind == "addon":
        told["ends_on"] = until.isoformat()
    else:
        told["amount"] = money(quantity, str(currency))
    if kind == "voucher":
        told |= {"merchant": body["merchant"], "handling_covered": body.get("handling_covered", False)}
        told["valid_until"] = until.isoformat()
        if "shipping_cap" in body:
            told["shipping_cap"] = money(Decimal(body["shipping_cap"]["amount"]), body["shipping_cap"]["currency"])
    return told


def money(amount: Decimal, currency: str) -> dict[str, str]:
    """Money as it is told: with the currency's own number of decimals."""
    return {"amount": f"{amount:.{DECIMALS.get(currency, 2)}f}", "currency": currency}


# ── money and hours ──────────────────────────────────────────────────────────────────────────────────────────────


def add(total: Money, more: Money) -> None:
    """Add money to a total, currency by currency."""
    for currency, amount in more.items():
        total[currency] = total.get(currency, Decimal(0)) + amount


def cost(entries: list[Entry]) -> Money:
    """What entries come to at most: at face value, and as if each substitute were needed, the dearest of several."""
    total: Money = {}
    for entry in entries:
        if entry.currency is not None:
            add(total, {entry.currency: entry.quantity})
        dearest: Money = {}
        for one in entry.substitutes:
            dearest[one.currency] = max(dearest.get(one.currency, Decimal(0)), one.amount)
        add(total, dearest)
    return total
