"""What holds for any customer: order does not matter, a replay decides the same, nothing is granted twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.entitlements.decide import decide, judge
from services.entitlements.domain import Complimentary, Contract
from services.entitlements.explain import explain
from services.entitlements.prepared import Prepared
from tests.unit.entitlements.builders import as_prior, impact, policy, prepared

RULES = """\
- rule: mail
  per: contract
  when: {families: [hosting, domain], attributes: {includes_email: true}}
  give: {addon: {product: business-mail, for: 1 year}}
  if_owned: {product: business-mail, instead: {addon: {product: gigamail, for: 6 months}}}
- {rule: days, per: contract, when: {families: [dedicated], sites: [arezzo]}, give: {extension: {days: 15}}}
- rule: backup
  per: customer
  when: {products: [a, b]}
  give: {addon: {product: backup, for: 15 days}}
  if_owned: {product: backup, instead: {credit: {amount: {amount: "3.00", currency: EUR}}}}
- {rule: credit, per: contract, when: {products: [a]}, give: {credit: {amount: {amount: "1", currency: EUR}}}}
- rule: voucher
  per: customer
  give: {voucher: {amount: {amount: "5.00", currency: EUR}, merchant: M, valid_for: 1 year}}
"""
SCOPES: tuple[dict[str, Any], ...] = (
    {"everyone": True},
    {"sites": ["arezzo"]},
    {"families": ["hosting", "dedicated"], "sites": ["arezzo", "milano"]},
    {"contract_ids": ["K0", "K2", "K4"]},
)
ENDS = ("2011-04-29T13:30:00+02:00", "2011-04-30T00:00:00+02:00", None)


@cache
def incidents() -> list[Prepared]:
    made = policy(RULES)
    return [
        prepared(made, scope=scope, impact=impact("2011-04-29T00:30:00+02:00", end)) for scope in SCOPES for end in ENDS
    ]


days = st.dates(date(2011, 4, 26), date(2011, 5, 2))
products = st.sampled_from(["business-mail", "backup", "gigamail"])
contracts = st.builds(
    Contract,
    contract_id=st.just("K"),
    customer_id=st.just("C1"),
    family=st.sampled_from(["hosting", "domain", "dedicated", "adsl"]),
    product=st.sampled_from(["a", "b", "c"]),
    site=st.sampled_from(["arezzo", "milano", None]),
    starts_on=days,
    ends_on=st.none() | days,
    terminated_on=st.none() | days,
    addons=st.lists(products, max_size=2).map(tuple),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "includes_email": st.sampled_from([True, False, 1, "true"]),
            "time_zone": st.sampled_from(["America/New_York", "Asia/Tokyo", "Nowhere/Land"]),
        },
    ),
    complimentary=st.lists(st.builds(Complimentary, products, days, days), max_size=2).map(tuple),
)
holdings = st.lists(contracts, max_size=6).map(
    lambda held: [replace(c, contract_id=f"K{n}") for n, c in enumerate(held)]
)
cases = st.tuples(st.integers(0, len(SCOPES) * len(ENDS) - 1), holdings)


@given(cases, st.randoms())
def test_the_order_of_the_contracts_does_not_matter(case: tuple[int, list[Contract]], random: Any) -> None:
    by, held = incidents()[case[0]], case[1]
    shuffled = random.sample(held, len(held))
    assert decide(by, "C1", shuffled) == decide(by, "C1", held)
    assert explain(by, "C1", shuffled) == explain(by, "C1", held)


@given(cases)
def test_the_quick_way_decides_as_the_whole_judgement_does(case: tuple[int, list[Contract]]) -> None:
    by, held = incidents()[case[0]], case[1]
    assert by.plain is not None, "one revision, flat rules and nothing beside is the common case"
    assert decide(by, "C1", held) == judge(by, "C1", held, (), (), None)


@given(cases)
def test_a_replay_decides_the_same(case: tuple[int, list[Contract]]) -> None:
    fresh = prepared(policy(RULES), scope=SCOPES[case[0] // len(ENDS)], impact=impact(
        "2011-04-29T00:30:00+02:00", ENDS[case[0] % len(ENDS)]))  # fmt: skip
    assert decide(fresh, "C1", case[1]) == decide(incidents()[case[0]], "C1", case[1])


@given(cases)
def test_whoever_has_everything_gets_nothing_more(case: tuple[int, list[Contract]]) -> None:
    by, held = incidents()[case[0]], case[1]
    first = decide(by, "C1", held)
    again = decide(by, "C1", held, as_prior(first))
    assert again.grants == ()
    assert again.exclusion == first.exclusion


@given(cases, st.sets(st.integers(0, 5)))
def test_two_runs_grant_together_what_one_run_grants(case: tuple[int, list[Contract]], early: set[int]) -> None:
    """The first run knows some of the contracts, the second all: the same grants, none of them twice."""
    by, held = incidents()[case[0]], case[1]
    first = decide(by, "C1", [c for n, c in enumerate(held) if n in early])
    second = decide(by, "C1", held, as_prior(first))
    made = [grant.grant_id for grant in (*first.grants, *second.grants)]
    assert sorted(made) == sorted(grant.grant_id for grant in decide(by, "C1", held).grants)


@given(cases, st.data())
def test_two_runs_over_any_part_of_the_books_are_the_same_as_one(
    case: tuple[int, list[Contract]], data: st.DataObject
) -> None:
    """Some of the grants are in the books already, as after a crash: the rest comes, identical to the last field."""
    by, held = incidents()[case[0]], case[1]
    whole = decide(by, "C1", held)
    prior = [grant for grant in as_prior(whole) if data.draw(st.booleans())]
    kept = {grant.grant_id for grant in prior}
    assert decide(by, "C1", held, prior).grants == tuple(g for g in whole.grants if g.grant_id not in kept)


@given(cases, st.sets(st.integers(0, 5)))
def test_a_customer_never_gets_both_the_gift_and_its_alternative(
    case: tuple[int, list[Contract]], early: set[int]
) -> None:
    by, held = incidents()[case[0]], case[1]
    first = decide(by, "C1", [c for n, c in enumerate(held) if n in early])
    second = decide(by, "C1", held, as_prior(first))
    choices: dict[str, set[str]] = {}
    for grant in (*first.grants, *second.grants):
        choices.setdefault(grant.rule, set()).add(grant.choice)
    assert all(len(made) == 1 for made in choices.values())


@given(cases)
def test_a_customer_is_entitled_or_excluded_and_never_both(case: tuple[int, list[Contract]]) -> None:
    decision = decide(incidents()[case[0]], "C1", case[1])
    assert bool(decision.grants) is (decision.exclusion is None)


@given(cases, st.sets(st.integers(0, 5)))
def test_explain_and_decide_never_disagree(case: tuple[int, list[Contract]], early: set[int]) -> None:
    by, held = incidents()[case[0]], case[1]
    prior = as_prior(decide(by, "C1", [c for n, c in enumerate(held) if n in early]))
    run, told = decide(by, "C1", held, prior), explain(by, "C1", held, prior)
    assert replace(told, verdicts=()) == run
    assert [(v.rule, v.target) for v in told.verdicts if v.granted] == [(g.rule, g.target) for g in run.grants]
    for rule in by.rules:
        if rule.per_contract:
            assert [v.target for v in told.verdicts if v.rule == rule.name] == [c.contract_id for c in held]
        else:
            assert [v.rule for v in told.verdicts if v.target == "customer" and v.rule == rule.name] == [rule.name]
