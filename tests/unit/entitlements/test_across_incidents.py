"""Several incidents over the same customers: nothing is paid twice for the same hour by the same rule, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Interval, Scope
from schemas.statements import Statement, in_force
from services.entitlements.decide import decide
from services.entitlements.domain import Contract, Decision, Neighbour
from services.entitlements.policy import Policy
from services.entitlements.prepared import lasted, prepare
from tests.unit.entitlements.builders import as_others, as_prior, contract, hosting, hours, incident, policy

HOURLY = "- {rule: days, per: contract, give: {extension: {days: 1, per: started hour}}}"
GRACE = "- {rule: days, per: contract, give: {extension: {days: 1, per: started hour, after: 2 hours}}}"
FLAT = "- {rule: days, per: contract, give: {extension: {days: 15}}}"


@dataclass
class Books:
    """Several incidents under one policy, decided one after the other, each beside what the others gave."""

    policy: Policy
    held: list[Contract]
    knows_scopes: bool = True

    def __post_init__(self) -> None:
        self.decisions: dict[str, list[Decision]] = {}
        self.statements: dict[str, Statement] = {}

    def decide(self, name: str, **said: Any) -> Decision:
        [statement] = in_force([incident(incident_id=name, policy=self.policy.key, **said)])
        self.statements[name] = statement
        neighbours = [
            Neighbour(other, lasted(one), one.scope if self.knows_scopes else None)
            for other, one in self.statements.items()
            if other != name
        ]
        others = [
            grant
            for other, decisions in self.decisions.items()
            if other != name
            for grant in as_others(other, as_prior(*decisions))
        ]
        by = prepare(self.policy, [statement], neighbours)
        mine = self.decisions.setdefault(name, [])
        mine.append(decide(by, "C1", self.held, as_prior(*mine), others))
        return mine[-1]

    def total(self) -> dict[tuple[str, str], Decimal]:
        """What was given in all, by rule and target."""
        total: dict[tuple[str, str], Decimal] = {}
        for decisions in self.decisions.values():
            for entry in as_prior(*decisions):
                key = (entry.rule, entry.target)
                total[key] = total.get(key, Decimal(0)) + entry.quantity
        return total


def total(rules: str, *incidents: dict[str, Any], held: list[Contract] | None = None, scopes: bool = True) -> int:
    """What the rule `days` gives for contract K1 when the incidents are decided in this order."""
    books = Books(policy(rules), held or [contract()], scopes)
    for number, said in enumerate(incidents):
        books.decide(f"I{number}", **said)
    return int(books.total().get(("days", "K1"), Decimal(0)))


@pytest.mark.parametrize(
    ("rules", "one", "other", "together"),
    [
        (HOURLY, (8, 12), (10, 14), 6),
        (HOURLY, (8, 12), (8, 12), 4),
        (HOURLY, (8, 14), (10, 12), 6),
        # they only meet, or are apart: nothing is in common
        (HOURLY, (8, 10), (10, 12), 4),
        (GRACE, (8, 11), (14, 17), 2),
        (FLAT, (8, 12), (10, 14), 15),
        (FLAT, (8, 10), (10, 12), 30),
        # together they are longer than the grace, alone neither is, or one is
        (GRACE, (8, 10), (9, 12), 2),
        (GRACE, (8, 9), (8, 11), 1),
        (GRACE, (8, 10), (9, 11), 1),
    ],
)
def test_overlapping_incidents_are_paid_as_one_in_any_order(
    rules: str, one: tuple[int, int], other: tuple[int, int], together: int
) -> None:
    first, second = {"impact": hours(*one)}, {"impact": hours(*other)}
    assert total(rules, first, second) == together
    assert total(rules, second, first) == together


@pytest.mark.parametrize("rules", [HOURLY, FLAT])
def test_each_incident_by_itself_where_the_policy_says_so(rules: str) -> None:
    each = rules[:-1] + ", across_incidents: each}"
    one, other = {"impact": hours(8, 12)}, {"impact": hours(10, 14)}
    assert total(each, one, other) == 2 * total(each, one)


def test_one_rule_may_be_paid_once_and_another_for_each_incident() -> None:
    each = "- {rule: more, per: contract, give: {extension: {days: 1}}, across_incidents: each}"
    books = Books(policy(f"{FLAT}\n{each}"), [contract()])
    for name, ends in (("I0", (8, 12)), ("I1", (10, 14))):
        books.decide(name, impact=hours(*ends))
    assert books.total() == {("days", "K1"): 15, ("more", "K1"): 2}


def test_what_another_incident_has_paid_for_already_is_nothing_due() -> None:
    books = Books(policy(FLAT), [contract()])
    books.decide("I0", impact=hours(8, 12))
    assert books.decide("I1", impact=hours(10, 14)).exclusion == "nothing_due"


def test_incidents_that_a_third_one_connects_are_paid_as_one() -> None:
    ends = [{"impact": hours(8, 10)}, {"impact": hours(12, 14)}]
    between = {"impact": hours(9, 13)}
    assert total(HOURLY, *ends, between) == 6
    assert total(HOURLY, between, *ends) == 6
    assert total(HOURLY, ends[0], between, ends[1]) == 6


def test_what_was_given_before_a_third_one_connected_them_stands() -> None:
    """Two flat gifts for two incidents are not taken back when a third one turns out to join them."""
    assert total(FLAT, {"impact": hours(8, 10)}, {"impact": hours(12, 14)}, {"impact": hours(9, 13)}) == 30


def test_another_contract_or_another_rule_is_not_the_same_hour() -> None:
    books = Books(policy(f"{FLAT}\n- {{rule: more, per: contract, give: {{extension: {{days: 1}}}}}}"), [
        contract("K1"), contract("K2", site="milano")])  # fmt: skip
    books.decide("I0", impact=hours(8, 12), scope={"sites": ["arezzo"]})
    second = books.decide("I1", impact=hours(10, 14), scope={"sites": ["milano"]})
    assert {(g.rule, g.target) for g in second.grants} == {("days", "K2"), ("more", "K2")}


def test_a_rerun_finds_its_own_share_where_it_was() -> None:
    books = Books(policy(HOURLY), [contract()])
    books.decide("I0", impact=hours(8, 12))
    books.decide("I1", impact=hours(10, 14))
    again = books.decide("I0", impact=hours(8, 12))
    assert (again.grants, again.withdrawals, again.exclusion) == ((), (), None)


def test_without_its_scope_an_incident_counts_where_it_gave_something() -> None:
    one, other = {"impact": hours(8, 12)}, {"impact": hours(10, 14)}
    assert total(HOURLY, one, other, scopes=False) == 6
    assert total(HOURLY, one, {"impact": hours(10, 14), "scope": {"sites": ["milano"]}}, scopes=False) == 4


def test_the_other_choice_counts_as_what_this_one_is_worth_for_those_hours() -> None:
    """The first incident gave the mail product, the second one owes its alternative: it is owed once all the same."""
    mail = policy(
        "- {rule: mail, per: contract, give: {addon: {product: business-mail, for: 1 year}},"
        " if_owned: {product: business-mail, instead: {extension: {days: 15}}}}"
    )
    books = Books(mail, [hosting()])
    books.decide("I0", impact=hours(8, 12))
    books.held = [hosting(addons=("business-mail",))]
    assert books.decide("I1", impact=hours(10, 14)).grants == ()


def test_a_neighbour_that_is_not_of_these_hours_leaves_the_quick_way_open() -> None:
    far = Interval.model_validate(
        {"starts_at": "2011-07-08T10:00:00Z", "ends_at": "2011-07-08T12:00:00Z"}, strict=False
    )
    by = prepare(policy(FLAT), in_force([incident(policy="test@1")]), [Neighbour("I2", (far,), Scope(everyone=True))])
    assert by.neighbours == {}
    assert by.plain is not None


RULES = """\
- {rule: days, per: contract, give: {extension: {days: 1, per: started hour, after: 3 hours, at_most: 12}}}
- rule: bands
  per: contract
  when: {outage: {at_least: 2 hours}}
  give: {credit: {bands: [{availability_below: "99.9 %", share: "10 %"}, {availability_below: "99 %", share: "25 %"}]}}
- {rule: dates, per: customer, when: {families: [hosting]},
   give: {credit: {amount: {amount: "1.00", currency: EUR}, per: calendar day}}}
- {rule: flat, per: customer, give: {addon: {product: backup, for: 1 year}}}
"""
held = [
    contract("K1", monthly_fee=Decimal("9.99"), currency="EUR"),
    contract("K2", site="milano", attributes={"time_zone": "Asia/Tokyo"}, monthly_fee=Decimal(30), currency="EUR"),
    hosting("K3", attributes={}),
]
scopes = st.sampled_from([{"everyone": True}, {"sites": ["arezzo"]}, {"sites": ["arezzo", "milano"]}])
windows = st.tuples(st.integers(0, 11), st.integers(13, 23))
incidents = st.lists(
    st.builds(lambda ends, scope: {"impact": hours(*ends), "scope": scope}, windows, scopes), min_size=2, max_size=4
)


@given(incidents, st.randoms())
@settings(max_examples=200, deadline=None)
def test_the_total_does_not_depend_on_the_order_of_the_incidents(said: list[dict[str, Any]], random: Any) -> None:
    """All of them share an hour, so that each next one joins those before it."""
    orders = [list(enumerate(said)), list(enumerate(said))]
    random.shuffle(orders[1])
    ends = []
    for order in orders:
        books = Books(policy(RULES), held)
        for number, one in order:
            books.decide(f"I{number}", **one)
        ends.append(books.total())
    assert ends[0] == ends[1]


@given(incidents)
@settings(max_examples=100, deadline=None)
def test_what_overlapping_incidents_give_is_what_one_over_all_the_hours_would(said: list[dict[str, Any]]) -> None:
    for one in said:
        one["scope"] = {"everyone": True}
    books, whole = Books(policy(RULES), held), Books(policy(RULES), held)
    for number, one in enumerate(said):
        books.decide(f"I{number}", **one)
    first, *rest = [one["impact"] for one in said]
    whole.decide("W", impact={**first, "also": [{k: one[k] for k in ("starts_at", "ends_at")} for one in rest]})
    assert books.total() == whole.total()
