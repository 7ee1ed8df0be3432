"""What is owed in place of days or an add-on that billing has to refuse: once, and of what grows the difference."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from schemas.ids import entry_id, substitute_id
from services.entitlements.decide import decide
from services.entitlements.domain import Contract, Grant
from tests.unit.entitlements.builders import as_prior, contract, hosting, hours, live, policy, prepared

SAME_WORTH = "{reasons: [terminated, expired], give: {credit: {same_worth: true}}}"
HOURLY = '{reasons: [open_ended], give: {credit: {amount: {amount: "0.50", currency: EUR}, per: started hour}}}'
VOUCHER = (
    "{reasons: [open_ended], give: {voucher: "
    '{amount: {amount: "5.00", currency: EUR}, merchant: M, valid_for: 1 year}}}'
)
FEE: dict[str, Any] = {"monthly_fee": Decimal("10.01"), "currency": "EUR"}


def days(*refused: str, gives: str = "days: 1, per: started hour") -> str:
    return f"- {{rule: days, per: contract, give: {{extension: {{{gives}}}}}, if_refused: [{', '.join(refused)}]}}"


def told(grant: Grant) -> list[tuple[tuple[str, ...], str, Decimal | None]]:
    return [(one.reasons, one.terms.kind, one.terms.amount) for one in grant.substitutes]


def first_grant(rules: str, held: Contract, **said: Any) -> Grant:
    return decide(prepared(policy(rules), **said), "C1", [held]).grants[0]


def test_days_that_are_refused_are_worth_a_thirtieth_of_the_fee_each() -> None:
    grant = first_grant(days(SAME_WORTH, gives="days: 15"), contract(**FEE))
    assert told(grant) == [(("terminated", "expired"), "credit", Decimal("5.01"))]  # 15 × 10.01 ÷ 30 = 5.005


def test_a_substitute_has_a_grant_and_an_entry_of_its_own() -> None:
    grant = first_grant(days(SAME_WORTH, gives="days: 15"), contract(**FEE))
    [substitute] = grant.substitutes
    assert substitute.grant_id == substitute_id(grant.grant_id)
    assert substitute.entry_id == entry_id(substitute.grant_id, 1)


def test_without_a_known_fee_days_are_worth_nothing_that_could_be_given() -> None:
    grant = first_grant(days(SAME_WORTH, gives="days: 15"), contract())
    assert (grant.days, grant.substitutes) == (15, ())


def test_each_reason_has_its_own_substitute() -> None:
    grant = first_grant(days(SAME_WORTH, VOUCHER), contract(**FEE), impact=hours(8, 11))
    assert told(grant) == [
        (("terminated", "expired"), "credit", Decimal("1.00")),
        (("open_ended",), "voucher", Decimal("5.00")),
    ]
    assert grant.substitutes[1].terms.merchant == "M"


@pytest.mark.parametrize("run", [{1, 2}, {2}])
def test_a_difference_is_substituted_by_the_difference(run: set[int]) -> None:
    """Whether the first revision was run before or not, and the flat one once."""
    by = policy(days(SAME_WORTH, HOURLY))
    decisions = live(by, [contract(**FEE)], {"impact": hours(8, 13)}, run=run, impact=hours(8, 10))
    grants = [grant for decision in decisions for grant in decision.grants]
    assert [(g.stamp, told(g)) for g in grants] == [
        (1, [(("terminated", "expired"), "credit", Decimal("0.67")), (("open_ended",), "credit", Decimal("1.00"))]),
        (2, [(("terminated", "expired"), "credit", Decimal("1.00")), (("open_ended",), "credit", Decimal("1.50"))]),
    ]
    flat = policy(days(VOUCHER))
    decisions = live(flat, [contract(**FEE)], {"impact": hours(8, 13)}, run=run, impact=hours(8, 10))
    assert [told(g) for decision in decisions for g in decision.grants] == [
        [(("open_ended",), "voucher", Decimal("5.00"))],
        [],
    ]


def test_what_is_granted_anew_after_a_reversal_is_substituted_anew() -> None:
    by = policy(days(HOURLY) + "\nwhen_narrowed: reverse")
    *_, last = live(by, [contract()], {"impact": hours(8, 9)}, impact=hours(8, 13))
    [grant] = last.grants
    assert (grant.days, told(grant)) == (1, [(("open_ended",), "credit", Decimal("0.50"))])


def test_an_addon_may_have_a_substitute_and_what_is_money_needs_none() -> None:
    mail = (
        "- {rule: mail, per: contract, give: {addon: {product: business-mail, for: 1 year}},"
        " if_owned: {product: business-mail, instead: {credit: {amount: {amount: \"3.00\", currency: EUR}}}},"
        f" if_refused: [{VOUCHER}]}}"
    )  # fmt: skip
    assert told(first_grant(mail, hosting())) == [(("open_ended",), "voucher", Decimal("5.00"))]
    assert first_grant(mail, hosting(addons=("business-mail",))).substitutes == ()


def test_a_rerun_makes_no_substitute_for_what_is_there() -> None:
    by = prepared(policy(days(HOURLY)), impact=hours(8, 10))
    first = decide(by, "C1", [contract()])
    assert decide(by, "C1", [contract()], as_prior(first)).grants == ()
