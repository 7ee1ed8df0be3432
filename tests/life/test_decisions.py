"""Entitlements' decision is the oracle's: any policy, any contracts, any story of revisions, run at any time.

The real `prepare`, `decide` and `explain` against the oracle, without a database. What was granted is carried from one
run to the next, as the ledger would.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import ContractChanged
from schemas.statements import Statement, event, in_force
from services.entitlements.cases import Case, make
from services.entitlements.decide import decide
from services.entitlements.domain import Complimentary, Contract, Decision, OtherGrant, PriorGrant
from services.entitlements.explain import explain
from tests.life.oracle import Incident, Oracle, published
from tests.life.oracle_owed import Entry
from tests.life.policies import holdings, moment, policies, policy_of, whole
from tests.life.telling import as_told, same

EXAMPLES = int(os.environ.get("AMENDS_LIFE_DECISIONS", "1500"))
Story = list[tuple[str, dict[str, Any], bool]]
"""What is said of an incident, revision by revision, and whether somebody runs it before the next is said."""


@st.composite
def stories(draw: st.DrawFn, incident_id: str, contract_ids: list[str]) -> Story:
    """An incident's life: declared, then amended, resolved, retracted, run in between or not."""
    story: Story = []
    for revision in range(1, draw(st.integers(1, 5)) + 1):
        kind = "declared" if revision == 1 else draw(st.sampled_from(["amended", "amended", "resolved", "retracted"]))
        body: dict[str, Any] = {
            "incident_id": incident_id, "revision": revision, "declared_by": "desk",
            "declared_at": moment(24 * (10 + revision)),
        }  # fmt: skip
        if kind in ("declared", "amended"):
            body |= {"title": "Black-out", "drill": False, "policy": "chance@1", **draw(whole(contract_ids))}
        elif kind == "resolved":
            body["ends_at"] = moment(draw(st.sampled_from([61, 66, 90, 130])))
        else:
            body["reason"] = "a false alarm"
        story.append((f"incident.{kind}.v1", body, draw(st.booleans())))
    return story


def contract_of(fact: dict[str, Any]) -> Contract:
    """The fact as entitlements keeps it."""
    told = ContractChanged.model_validate(fact, strict=False)
    fee = told.monthly_fee
    return Contract(
        told.contract_id, told.customer_id, told.family, told.product, told.site, told.starts_on, told.ends_on,
        told.terminated_on, fee.amount if fee else None, fee.currency if fee else None, told.addons, told.attributes,
        tuple(Complimentary(one.product, one.starts_on, one.ends_on) for one in told.complimentary),
    )  # fmt: skip


def prior_of(entries: list[Entry]) -> list[PriorGrant]:
    """What is in the books of one customer, as the store reads it."""
    return [
        PriorGrant(
            one.grant_id, one.entry_id, one.rule, one.target, one.choice, one.stamp, one.quantity,  # type: ignore[arg-type]
            one.withdrawn_by is not None, one.honoured, one.currency,
        )
        for one in entries
    ]  # fmt: skip


class Beside:
    """The real decision and the oracle's, led through the same."""

    def __init__(self, policy: dict[str, Any], facts: list[dict[str, Any]]) -> None:
        self.policy, self.oracle = policy_of(policy), Oracle([policy])
        for fact in facts:
            self.oracle.hear_contract(fact)
        self.statements: dict[str, list[Statement]] = {}

    def say(self, event_type: str, body: dict[str, Any]) -> None:
        """A revision is heard."""
        self.oracle.hear(event_type, "x", body)
        heard = self.oracle.incidents[body["incident_id"]].heard
        self.statements[body["incident_id"]] = in_force(event(kind, said) for kind, said in heard.values())

    def decide(self, incident_id: str) -> None:
        """Everybody is decided, by both; the same comes out."""
        incident = self.oracle.incidents[incident_id]
        if not incident.in_force:
            return
        others = [held[-1] for name, held in self.statements.items() if name != incident_id and held]
        case = make(self.policy, self.statements[incident_id], others)
        for customer in self.oracle.considered(incident):
            self._customer(incident, case, customer)

    def _customer(self, incident: Incident, case: Case, customer: str) -> None:
        mine = [fact for fact in self.oracle.contracts.values() if fact["customer_id"] == customer]
        contracts = [contract_of(fact) for fact in mine]
        entries = incident.entries.setdefault(customer, [])
        prior, others = prior_of(entries), self._others(case, customer)
        decision = decide(case.prepared, customer, contracts, prior, others)
        judgement = self.oracle.customer(incident, customer, entries).judge(incident.in_force)
        same(as_told(case, decision), published(incident, customer, judgement))
        assert decision.exclusion == judgement.exclusion, f"{customer}: {judgement}"
        self._explained(case, customer, contracts, prior, others, decision)
        incident.exclusions[customer] = judgement.exclusion
        again = decide(case.prepared, customer, contracts, prior_of(entries), others)
        assert (again.grants, again.withdrawals) == ((), ()), "who is decided once more is owed nothing more"

    def _others(self, case: Case, customer: str) -> list[OtherGrant]:
        return [
            OtherGrant(one.incident_id, rule, target, choice, quantity)  # type: ignore[arg-type]
            for one in case.neighbours
            for (rule, target, choice), quantity in self.oracle.gave(one.incident_id, customer).items()
        ]

    def _explained(
        self, case: Case, customer: str, contracts: list[Contract], prior: list[PriorGrant], others: list[OtherGrant],
        decision: Decision,
    ) -> None:  # fmt: skip
        explained = explain(case.prepared, customer, contracts, prior, others)
        assert (explained.grants, explained.withdrawals) == (decision.grants, decision.withdrawals)
        assert explained.exclusion == decision.exclusion


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_one_incident_is_decided_as_the_oracle_says(data: st.DataObject) -> None:
    facts = data.draw(holdings("p", 2))
    beside = Beside(data.draw(policies()), facts)
    for event_type, body, run in data.draw(stories("one", [fact["contract_id"] for fact in facts])):
        beside.say(event_type, body)
        if run:
            beside.decide("one")
    beside.decide("one")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_two_incidents_over_the_same_customers_are_decided_as_the_oracle_says(data: st.DataObject) -> None:
    facts = data.draw(holdings("p", 1))
    names = [fact["contract_id"] for fact in facts]
    beside = Beside(data.draw(policies()), facts)
    left, right = data.draw(stories("one", names)), data.draw(stories("two", names))
    while left or right:
        story = left if left and (not right or data.draw(st.booleans())) else right
        event_type, body, run = story.pop(0)
        beside.say(event_type, body)
        if run:
            beside.decide(body["incident_id"])
    for incident_id in data.draw(st.permutations(["one", "two"])):
        beside.decide(incident_id)


def test_an_alternative_of_an_earlier_window_is_explained() -> None:
    policy = {
        "name": "chance", "version": 1, "title": "Mail", "time_zone": "Europe/Rome",
        "rules": [
            {
                "rule": "mail", "per": "contract", "give": {"addon": {"product": "business-mail", "for": "1 year"}},
                "if_owned": {
                    "product": "business-mail", "instead": {"addon": {"product": "gigamail", "for": "1 year"}}
                },
            }
        ],
    }  # fmt: skip
    common: dict[str, Any] = {"customer_id": "p-bruno", "product": "any", "starts_on": "2009-06-01"}
    ended = {"family": "hosting", "terminated_on": "2011-04-29", "addons": ["business-mail"]}
    facts = [
        {**common, **ended, "contract_id": "p-bruno-0"},
        {**common, "family": "dedicated", "contract_id": "p-bruno-1"},
    ]
    beside = Beside(policy, facts)
    said = {"incident_id": "one", "title": "Black-out", "drill": False, "policy": "chance@1", "declared_by": "desk"}
    # Before midnight in Rome, and after.
    for revision, hour, scope in ((1, 0, {"families": ["hosting"]}), (2, 3, {"everyone": True})):
        impact = {"starts_at": moment(hour), "ends_at": moment(hour + 1)}
        body = {**said, "revision": revision, "declared_at": moment(240), "impact": impact, "scope": scope}
        beside.say("incident.declared.v1" if revision == 1 else "incident.amended.v1", body)
    case = make(beside.policy, beside.statements["one"])
    contracts = [contract_of(fact) for fact in facts]
    explained = explain(case.prepared, "p-bruno", contracts)
    assert explained.grants == decide(case.prepared, "p-bruno", contracts).grants
    told = {verdict.target: (verdict.why, verdict.detail) for verdict in explained.verdicts}
    assert told["p-bruno-1"] == (
        "granted_instead",
        "gigamail, free until 2012-05-08, owed since revision 2, in place of business-mail, free until 2012-05-08: "
        "he had business-mail then (by revision 1, the impact was from 2011-04-28 to 2011-04-28 in Europe/Rome), "
        "an add-on of contract p-bruno-0",
    )
