"""What holds for any life of an incident: whatever was run in between, widening leads to the same entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.entitlements.decide import decide
from services.entitlements.domain import Complimentary, Contract, Decision, PriorGrant
from services.entitlements.explain import explain
from services.entitlements.prepared import Prepared
from tests.unit.entitlements.builders import as_prior, impact, policy, prepared

RULES = """\
- rule: mail
  per: contract
  when: {families: [hosting], attributes: {includes_email: true}}
  give: {addon: {product: business-mail, for: 1 year}}
  if_owned: {product: business-mail, instead: {extension: {days: 2, per: calendar day}}}
- rule: days
  per: contract
  when: {families: [dedicated], tenure: {at_least: 2 days}}
  give: {extension: {days: 1, per: started hour, after: 2 hours, at_most: 30}}
  if_refused:
    - {reasons: [terminated, expired], give: {credit: {same_worth: true}}}
    - reasons: [open_ended]
      give: {credit: {amount: {amount: "0.50", currency: EUR}, per: started hour, at_most: "50 %"}}
- rule: share
  per: contract
  when: {monthly_fee: {currency: EUR, at_least: "5.00"}}
  give: {credit: {bands: [{availability_below: "99.9 %", share: "10 %"}, {availability_below: "99 %", share: "25 %"}]}}
- {rule: voucher, per: customer,
   give: {voucher: {amount: {amount: "5.00", currency: EUR}, merchant: M, valid_for: 1 year}}}
- {rule: backup, per: customer, when: {addons: [backup]}, unless: [mail],
   give: {credit: {amount: {amount: "1.00", currency: EUR}, per: started day}}}
- {rule: rest, per: contract, unless: [days, mail], give: {extension: {days: 3}}}
"""
WIDENING = """\
- {rule: hourly, per: contract, give: {extension: {days: 1, per: started hour, after: 2 hours, at_most: 40}}}
- {rule: share, per: contract,
   give: {credit: {bands: [{outage: {at_least: 1 hour}, share: "9 %"}, {outage: {at_least: 20 hours}, share: "25 %"}]}}}
- {rule: voucher, per: customer, when: {outage: {at_least: 3 hours}},
   give: {voucher: {amount: {amount: "5.00", currency: EUR}, merchant: M, valid_for: 1 year}}}
- {rule: mail, per: contract, give: {addon: {product: business-mail, for: 1 year}},
   if_owned: {product: business-mail, instead: {credit: {amount: {amount: "2.00", currency: EUR}, per: calendar day}}}}
"""

days = st.dates(date(2011, 4, 27), date(2011, 5, 2))
products = st.sampled_from(["business-mail", "backup"])
contracts = st.builds(
    Contract,
    contract_id=st.just("K"),
    customer_id=st.just("C1"),
    family=st.sampled_from(["hosting", "dedicated"]),
    product=st.sampled_from(["a", "b"]),
    site=st.sampled_from(["arezzo", "milano"]),
    starts_on=st.just(date(2010, 1, 1)) | days,
    ends_on=st.none() | days,
    terminated_on=st.none() | days,
    monthly_fee=st.sampled_from([None, Decimal("9.99"), Decimal("30.00")]),
    currency=st.just("EUR"),
    addons=st.lists(products, max_size=1).map(tuple),
    attributes=st.fixed_dictionaries(
        {},
        optional={"includes_email": st.booleans(), "time_zone": st.sampled_from(["America/New_York", "Asia/Tokyo"])},
    ),
    complimentary=st.lists(st.builds(Complimentary, products, days, days), max_size=1).map(tuple),
)
holdings = st.lists(contracts, max_size=4).map(
    lambda held: [replace(c, contract_id=f"K{n}") for n, c in enumerate(held)]
)

SCOPES: tuple[dict[str, Any], ...] = ({"sites": ["arezzo"]}, {"sites": ["arezzo", "milano"]}, {"everyone": True})


def at(hour: int) -> str:
    """An hour of the four days from 28 April 2011 on."""
    return f"2011-04-{28 + hour // 24:02}T{hour % 24:02}:00:00Z" if hour < 72 else f"2011-05-01T{hour - 72:02}:00:00Z"


@st.composite
def widening(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What is said, revision by revision, each time of no less: more sites, earlier, longer; the end comes late."""
    length = draw(st.integers(1, 4))
    starts = sorted(draw(st.lists(st.integers(0, 40), min_size=length, max_size=length)), reverse=True)
    ends = sorted(draw(st.lists(st.integers(41, 90), min_size=length, max_size=length)))
    scopes = sorted(draw(st.lists(st.integers(0, 2), min_size=length, max_size=length)))
    known = draw(st.integers(0, length))
    return [
        {
            "impact": impact(at(start), at(end) if revision >= known else None),
            "scope": SCOPES[scope],
            "declared_at": f"2011-05-{10 + revision:02}T10:00:00+02:00",
        }
        for revision, (start, end, scope) in enumerate(zip(starts, ends, scopes, strict=True))
    ]


@st.composite
def anything(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What is said, revision by revision: wider, narrower, taken back, reopened."""
    said = [
        {
            "impact": impact(at(draw(st.integers(0, 40))), draw(st.sampled_from([None, at(50), at(60), at(85)]))),
            "scope": SCOPES[draw(st.integers(0, 2))],
        }
    ]
    for _ in range(draw(st.integers(0, 4))):
        more: Any = draw(
            st.sampled_from(["retracted", "resolved"])
            | st.fixed_dictionaries(
                {},
                optional={
                    "scope": st.sampled_from(SCOPES),
                    "impact": st.builds(
                        impact, st.sampled_from([at(10), at(40)]), st.sampled_from([None, at(50), at(85)])
                    ),
                },
            )
        )
        if isinstance(more, str):
            more = {more: at(70)}
        said.append(more)
    return said


def by(rules: str, said: list[dict[str, Any]], revision: int) -> Prepared:
    first, *later = said[:revision]
    return prepared(policy(rules), *later, **first)


def run(rules: str, said: list[dict[str, Any]], held: list[Contract], runs: set[int]) -> list[Decision]:
    """The decisions of the revisions that are run, each over the books of the ones before, and of the last one."""
    decisions: list[Decision] = []
    for revision in sorted(runs | {len(said)}):
        if revision <= len(said):
            decisions.append(decide(by(rules, said, revision), "C1", held, as_prior(*decisions)))
    return decisions


revisions = st.sets(st.integers(1, 5))


@given(widening(), holdings, revisions, revisions)
@settings(max_examples=300, deadline=None)
def test_whatever_of_a_widening_incident_was_run_the_entries_are_the_same_byte_for_byte(
    said: list[dict[str, Any]], held: list[Contract], one: set[int], other: set[int]
) -> None:
    ends = []
    for runs in (one, other):
        decisions = run(WIDENING, said, held, runs)
        assert not any(decision.withdrawals for decision in decisions)
        ends.append({grant.entry_id: grant for decision in decisions for grant in decision.grants})
    assert ends[0] == ends[1]


@given(anything(), holdings, revisions)
@settings(max_examples=300, deadline=None)
def test_where_the_policy_reverses_what_is_held_in_the_end_is_what_the_last_revision_owes(
    said: list[dict[str, Any]], held: list[Contract], runs: set[int]
) -> None:
    """Whatever was run in between. While an end is not known, what was granted for a known one stands."""
    flat = "- {rule: days, per: contract, give: {extension: {days: 15}}}\n" \
        "- {rule: credit, per: customer, give: {credit: {amount: {amount: \"2.00\", currency: EUR}}}}\n" \
        "when_narrowed: reverse"  # fmt: skip
    last = by(flat, said, len(said))
    alone = {} if last.retracted else amounts(as_prior(decide(_only_the_last(flat, said), "C1", held)))
    assert amounts(as_prior(*run(flat, said, held, runs))) == alone


def _only_the_last(rules: str, said: list[dict[str, Any]]) -> Prepared:
    """An incident that was declared as the last revision leaves it."""
    changed: dict[str, Any] = {}
    for more in said:
        if "resolved" in more:
            changed["impact"] = {**changed["impact"], "ends_at": more["resolved"]}
        elif "retracted" not in more:
            changed |= more
    return prepared(policy(rules), **changed)


def amounts(prior: tuple[PriorGrant, ...]) -> dict[tuple[str, str], Decimal]:
    """What is held, by rule and target."""
    total: dict[tuple[str, str], Decimal] = {}
    for entry in prior:
        if entry.held:
            total[entry.rule, entry.target] = total.get((entry.rule, entry.target), Decimal(0)) + entry.quantity
    return total


@given(anything(), holdings, revisions, st.sampled_from(["honour", "reverse"]))
@settings(max_examples=300, deadline=None)
def test_another_run_of_the_same_revision_changes_nothing(
    said: list[dict[str, Any]], held: list[Contract], runs: set[int], narrowed: str
) -> None:
    rules = f"{RULES}when_narrowed: {narrowed}\n"
    decisions = run(rules, said, held, runs)
    again = decide(by(rules, said, len(said)), "C1", held, as_prior(*decisions))
    assert (again.grants, again.withdrawals) == ((), ())
    assert (again.exclusion is None) is (any(one.grants for one in decisions))


@given(anything(), holdings, revisions)
@settings(max_examples=300, deadline=None)
def test_what_is_honoured_is_never_less_and_never_granted_twice(
    said: list[dict[str, Any]], held: list[Contract], runs: set[int]
) -> None:
    before: dict[tuple[str, str], Decimal] = {}
    decisions = run(RULES, said, held, runs)
    for number in range(1, len(decisions) + 1):
        now = amounts(as_prior(*decisions[:number]))
        assert all(now[what] >= quantity for what, quantity in before.items())
        before = now
    most = [amounts(as_prior(decide(by(RULES, said, r), "C1", held))) for r in range(1, len(said) + 1)]
    choices = {grant.choice for decision in decisions for grant in decision.grants if grant.rule == "mail"}
    assert len(choices) <= 1
    for (rule, target), quantity in before.items():
        if rule != "mail":
            assert quantity <= max(one.get((rule, target), Decimal(0)) for one in most)


@given(anything(), holdings, revisions, st.sampled_from(["honour", "reverse"]))
@settings(max_examples=300, deadline=None)
def test_explain_and_decide_agree_over_the_whole_life(
    said: list[dict[str, Any]], held: list[Contract], runs: set[int], narrowed: str
) -> None:
    rules = f"{RULES}when_narrowed: {narrowed}\n"
    decisions = run(rules, said, held, runs)
    for number, revision in enumerate(sorted({r for r in runs if r <= len(said)} | {len(said)})):
        told = explain(by(rules, said, revision), "C1", held, as_prior(*decisions[:number]))
        assert replace(told, verdicts=()) == decisions[number]
        granted = {(v.rule, v.target) for v in told.verdicts if v.granted}
        assert granted == {(g.rule, g.target) for g in told.grants}
        assert all(verdict.detail for verdict in told.verdicts)
        assert len({(v.rule, v.target) for v in told.verdicts}) == len(told.verdicts)
        for rule in ("mail", "days", "share", "rest"):
            assert [v.target for v in told.verdicts if v.rule == rule] == [c.contract_id for c in held]


@given(anything(), holdings, revisions)
@settings(max_examples=100, deadline=None)
def test_nothing_that_is_decided_is_a_float(said: list[dict[str, Any]], held: list[Contract], runs: set[int]) -> None:
    for decision in run(RULES, said, held, runs):
        for grant in decision.grants:
            for terms in (grant.terms, *(one.terms for one in grant.substitutes)):
                assert isinstance(terms.quantity, Decimal)
                assert terms.quantity > 0
                assert terms.days is None or terms.days == terms.quantity
