"""The forecast: what decisions come to, added up in any order, told as JSON and back, and hashed for approval."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.entitlements.decide import decide
from services.entitlements.domain import Contract, Decision
from services.entitlements.forecast import Forecast, Given, TakenBack, plan_hash
from tests.unit.entitlements.builders import as_prior, contract, hosting, hours, policy, prepared

RULES = """\
- rule: days
  per: contract
  when: {families: [dedicated]}
  give: {extension: {days: 15}}
  if_refused:
    - {reasons: [terminated], give: {credit: {same_worth: true}}}
    - {reasons: [open_ended], give: {credit: {amount: {amount: "9.00", currency: EUR}}}}
- {rule: mail, per: contract, when: {families: [hosting]}, give: {addon: {product: business-mail, for: 1 year}}}
- rule: voucher
  per: customer
  when: {families: [dedicated, hosting]}
  give: {voucher: {amount: {amount: "5.00", currency: EUR}, merchant: M, valid_for: 1 year}}
- {rule: share, per: contract, give: {credit: {share: "10 %"}}}
"""


def decided(number: int, **said: Any) -> Decision:
    """One of a handful of customers of different kinds."""
    customer = f"C{number}"
    held: list[list[Contract]] = [
        [
            contract("K1", customer, monthly_fee=Decimal(30), currency="EUR"),
            contract("K2", customer),
            hosting("K3", customer),
        ],
        [hosting("K1", customer)],
        [contract("K1", customer, family="adsl")],
        [contract("K1", customer, family="adsl", monthly_fee=Decimal("12.35"), currency="USD")],
        [],
    ]
    return decide(prepared(policy(RULES), **said), customer, held[number % len(held)])


def test_a_forecast_counts_customers_contracts_remedies_days_and_money_at_most() -> None:
    forecast = Forecast.of([decided(number) for number in range(5)])
    assert (forecast.considered, forecast.entitled) == (5, 3)
    assert forecast.exclusions == {"nothing_due": 1, "not_in_scope": 1}
    assert forecast.given == {
        ("days", "extension"): Given(1, 2, 2, 30, {}),
        ("mail", "addon"): Given(2, 2, 2, 0, {}),
        ("voucher", "voucher"): Given(2, 0, 2, 0, {"EUR": Decimal("10.00")}),
        ("share", "credit"): Given(2, 2, 2, 0, {"EUR": Decimal("3.00"), "USD": Decimal("1.24")}),
    }
    # of the two substitutes for the first contract's days the dearer one: 15.00, not 9.00
    assert forecast.substitutes == {"EUR": Decimal("24.00")}
    assert forecast.money() == {"EUR": Decimal("37.00"), "USD": Decimal("1.24")}
    assert forecast.days() == 30


def test_a_contract_that_gets_several_entries_is_counted_once() -> None:
    hourly = policy("- {rule: days, per: contract, give: {extension: {days: 1, per: started hour}}}")
    decision = decide(prepared(hourly, {"impact": hours(8, 13)}, impact=hours(8, 10)), "C1", [contract()])
    assert Forecast.of([decision]).given == {("days", "extension"): Given(1, 1, 2, 5, {})}


def test_withdrawals_count_entries_and_what_is_taken_back() -> None:
    for narrowed, taken in (
        ("honour", {("days", "extension"): TakenBack(2, 2), ("voucher", "voucher"): TakenBack(1, 1)}),
        (
            "reverse",
            {
                ("days", "extension"): TakenBack(2, 0, 30),
                ("voucher", "voucher"): TakenBack(1, 0, 0, {"EUR": Decimal("5.00")}),
            },
        ),
    ):
        rules = policy(f"{RULES}when_narrowed: {narrowed}\n")
        held = [contract("K1", "C0"), contract("K2", "C0")]
        first = decide(prepared(rules), "C0", held)
        second = decide(prepared(rules, {"retracted": "a false alarm"}), "C0", held, as_prior(first))
        forecast = Forecast.of([second])
        assert (forecast.withdrawn, forecast.money(), forecast.days()) == (taken, {}, 0)
        assert Forecast.from_json(json.loads(json.dumps(forecast.to_json()))) == forecast


numbers = st.lists(st.integers(0, 30), unique=True, max_size=12)


@given(numbers, st.integers(0, 12))
def test_the_forecast_of_the_whole_is_the_sum_of_its_parts(customers: list[int], cut: int) -> None:
    decisions = [decided(number) for number in customers]
    whole = Forecast.of(decisions)
    parts = Forecast.of(decisions[cut:]) + Forecast.of(decisions[:cut])
    assert parts == whole
    assert parts.to_json() == whole.to_json()
    assert whole + Forecast() == whole


@given(numbers)
def test_a_forecast_that_was_told_as_json_is_read_back_the_same(customers: list[int]) -> None:
    forecast = Forecast.of([decided(number) for number in customers])
    assert Forecast.from_json(json.loads(json.dumps(forecast.to_json()))) == forecast


def test_a_plan_is_approved_by_its_hash_and_every_part_of_it_counts() -> None:
    forecast = Forecast.of([decided(0)])
    plan = plan_hash("I1", 1, "digest", forecast)
    assert len(plan) == 64
    assert plan == plan_hash("I1", 1, "digest", Forecast.from_json(forecast.to_json()))
    others = {
        plan_hash("I2", 1, "digest", forecast),
        plan_hash("I1", 2, "digest", forecast),
        plan_hash("I1", 1, "other", forecast),
        plan_hash("I1", 1, "digest", Forecast.of([decided(0), decided(5)])),
        plan_hash("I1", 1, "digest", Forecast.of([decided(0), decided(4)])),
    }
    assert len(others) == 5
    assert plan not in others
