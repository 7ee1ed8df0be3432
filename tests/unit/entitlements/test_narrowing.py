"""Narrowed and retracted: what was granted is honoured, or reversed by new entries where the policy says so."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas.ids import withdrawal_id
from services.entitlements.decide import decide
from tests.unit.entitlements.builders import as_prior, contract, hours, live, policy, prepared, quantities

DAYS = "- {rule: days, per: contract, give: {extension: {days: 15}}}"
HOURLY = "- {rule: days, per: contract, give: {extension: {days: 1, per: started hour}}}"
OPEN = hours(8, None)
REVERSE = "\nwhen_narrowed: reverse"
NARROWED: list[dict[str, Any]] = [{"scope": {"sites": ["milano"]}}, {"retracted": "a false alarm"}]


@pytest.mark.parametrize("narrower", NARROWED)
def test_what_is_withdrawn_is_honoured_unless_the_policy_reverses(narrower: dict[str, Any]) -> None:
    for text, honoured in ((DAYS, True), (DAYS + REVERSE, False)):
        first, second = live(policy(text), [contract()], narrower)
        [withdrawn] = second.withdrawals
        assert (second.grants, second.exclusion) == ((), None)
        assert withdrawn.withdraws == first.grants[0].entry_id
        assert withdrawn.entry_id == withdrawal_id(first.grants[0].entry_id, 2)
        assert (withdrawn.rule, withdrawn.kind, withdrawn.target) == ("days", "extension", "K1")
        assert (withdrawn.quantity, withdrawn.currency, withdrawn.honoured) == (Decimal(15), None, honoured)


@pytest.mark.parametrize("narrower", NARROWED)
@pytest.mark.parametrize("text", [DAYS, DAYS + REVERSE])
def test_a_withdrawal_is_made_once(narrower: dict[str, Any], text: str) -> None:
    *_, first, second = live(policy(text), [contract()], narrower)
    again = decide(prepared(policy(text), narrower), "C1", [contract()], as_prior(first, second))
    assert (again.grants, again.withdrawals, again.exclusion) == ((), (), None)


def test_a_part_that_is_no_longer_owed_takes_whole_entries_back_and_grants_the_rest_anew() -> None:
    steps: list[dict[str, Any]] = [{"impact": hours(8, 13)}, {"impact": hours(8, 12)}]
    *_, third = live(policy(HOURLY + REVERSE), [contract()], *steps, impact=hours(8, 10))
    assert [(w.quantity, w.honoured) for w in third.withdrawals] == [(Decimal(3), False)]
    assert quantities([third]) == [[("K1", 3, "2")]]
    *_, honoured = live(policy(HOURLY), [contract()], *steps, impact=hours(8, 10))
    assert ([w.honoured for w in honoured.withdrawals], honoured.grants) == ([True], ())


def test_the_last_entries_are_withdrawn_first() -> None:
    steps: list[dict[str, Any]] = [{"impact": hours(8, 13)}, {"retracted": "a false alarm"}]
    first, second, third = live(policy(HOURLY), [contract()], *steps, impact=hours(8, 10))
    assert [w.withdraws for w in third.withdrawals] == [second.grants[0].entry_id, first.grants[0].entry_id]


@pytest.mark.parametrize(("text", "again"), [(DAYS, []), (DAYS + REVERSE, [("K1", 3, "15")])])
def test_reopening_grants_what_was_taken_back_and_never_twice_what_was_honoured(
    text: str, again: list[tuple[str, int, str]]
) -> None:
    *_, third = live(policy(text), [contract()], {"retracted": "a false alarm"}, {"title": "It was none"})
    assert quantities([third]) == [again]
    assert (third.withdrawals, third.exclusion) == ((), None)


@pytest.mark.parametrize("text", [DAYS, DAYS + REVERSE])
def test_a_changed_fact_withdraws_nothing(text: str) -> None:
    share = text.replace("extension: {days: 15}", 'credit: {share: "50 %"}')
    first = decide(prepared(policy(share)), "C1", [contract(monthly_fee=Decimal(30), currency="EUR")])
    for now in ([], [contract(monthly_fee=Decimal(3), currency="EUR")], [contract(ends_on=date(2011, 1, 1))]):
        again = decide(prepared(policy(share), {"title": "The same"}), "C1", now, as_prior(first))
        assert (again.grants, again.withdrawals, again.exclusion) == ((), (), None)


def test_a_retraction_reaches_the_contracts_that_are_gone() -> None:
    credit = policy('- {rule: c, per: contract, give: {credit: {amount: {amount: "2.50", currency: EUR}}}}' + REVERSE)
    first = decide(prepared(credit), "C1", [contract()])
    gone = decide(prepared(credit, {"retracted": "a false alarm"}), "C1", [], as_prior(first))
    assert [(w.quantity, w.currency, w.kind) for w in gone.withdrawals] == [(Decimal("2.50"), "EUR", "credit")]


def test_a_retracted_incident_has_nobody_in_its_scope() -> None:
    [decision] = live(policy(DAYS), [contract()], {"retracted": "a false alarm"}, run={2})
    assert (decision.grants, decision.exclusion) == ((), "not_in_scope")


def test_a_resolution_after_a_retraction_does_not_reopen_the_incident() -> None:
    later: list[dict[str, Any]] = [{"retracted": "a false alarm"}, {"resolved": "2011-04-29T11:00:00Z"}]
    assert live(policy(DAYS), [contract()], *later, run={3}, impact=OPEN)[0].grants == ()


def test_a_fee_in_another_currency_adds_no_difference() -> None:
    share = policy('- {rule: share, per: contract, give: {credit: {share: "10 %", per: started hour}}}')
    first = decide(prepared(share, impact=hours(8, 10)), "C1", [contract(monthly_fee=Decimal(30), currency="EUR")])
    moved = [contract(monthly_fee=Decimal(900), currency="USD")]
    again = decide(prepared(share, {"impact": hours(8, 13)}, impact=hours(8, 10)), "C1", moved, as_prior(first))
    assert again.grants == ()
