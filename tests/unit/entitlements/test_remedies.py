"""What is granted: once, per contract or per customer, the gift or its alternative, with its terms."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.entitlements.decide import decide
from services.entitlements.domain import CUSTOMER, Complimentary, Contract
from tests.unit.entitlements.builders import as_prior, contract, given, hosting, impact, policy, prepared

OPEN_IMPACT = impact("2011-04-29T04:30:00+02:00", None)


# ── several contracts ────────────────────────────────────────────────────────────────────────────────────────────


def test_days_go_to_every_eligible_contract_and_the_voucher_to_the_customer_once() -> None:
    held = [
        contract("K1"),
        contract("K2", family="housing", product="housing-rack"),
        contract("K3", family="virtual", product="virtual-server"),
        hosting("K4"),
        hosting("K5", family="domain", product="domain-it"),
        hosting("K6", attributes={"includes_email": False}),
        contract("K7", family="pec", product="pec"),
    ]
    assert given(decide(prepared(), "C1", held)) == [
        ("business-mail", "K4", "business-mail"),
        ("business-mail", "K5", "business-mail"),
        ("extra-days", "K1", "dedicated-server"),
        ("extra-days", "K2", "housing-rack"),
        ("extra-days", "K3", "virtual-server"),
        ("photo-voucher", CUSTOMER, None),
    ]


@pytest.mark.parametrize(
    "attributes",
    [{}, {"includes_email": False}, {"includes_email": 1}, {"includes_email": "true"}, {"includes_email": None}],
)
def test_a_contract_that_does_not_include_email_gets_no_mail_product(attributes: dict[str, Any]) -> None:
    """Only `true` is true: neither 1 nor the text."""
    assert given(decide(prepared(), "C1", [hosting(attributes=attributes)])) == [("photo-voucher", CUSTOMER, None)]


@pytest.mark.parametrize(
    ("when", "facts", "met"),
    [
        ("{products: [a, b]}", {"product": "a"}, True),
        ("{products: [a, b]}", {"product": "c"}, False),
        ("{sites: [arezzo]}", {}, True),
        ("{sites: [arezzo]}", {"site": None}, False),
        ("{attributes: {tier: gold}}", {"attributes": {"tier": "gold"}}, True),
        ("{attributes: {tier: gold}}", {"attributes": {"tier": ["gold"]}}, False),
        ("{attributes: {cores: 4}}", {"attributes": {"cores": 4}}, True),
        ("{attributes: {cores: 1}}", {"attributes": {"cores": True}}, False),
        ("{attributes: {tier: gold, cores: 4}}", {"attributes": {"tier": "gold", "cores": 2}}, False),
        ("{families: [dedicated], sites: [milano]}", {}, False),
        ("{}", {}, True),
    ],
)
def test_a_rule_is_for_the_contracts_that_meet_every_condition(when: str, facts: dict[str, Any], met: bool) -> None:
    days = policy(f"- {{rule: days, per: contract, when: {when}, give: {{extension: {{days: 3}}}}}}")
    decision = decide(prepared(days), "C1", [contract(**facts)])
    assert bool(decision.grants) is met
    assert decision.exclusion == (None if met else "not_in_scope")


def test_an_addon_per_customer_stands_on_the_first_eligible_contract_and_is_given_once() -> None:
    mail = policy("- {rule: mail, per: customer, give: {addon: {product: business-mail, for: 1 year}}}")
    decision = decide(prepared(mail), "C1", [contract("K2"), contract("K1"), contract("K0", ends_on=date(2011, 1, 1))])
    assert [(g.target, g.contract_id, g.product) for g in decision.grants] == [(CUSTOMER, "K1", "business-mail")]


def test_a_credit_per_contract_is_granted_for_each_contract() -> None:
    credit = policy('- {rule: c, per: contract, give: {credit: {amount: {amount: "2.5", currency: EUR}}}}')
    decision = decide(prepared(credit), "C1", [contract("K1"), contract("K2")])
    assert [(g.target, g.contract_id, str(g.amount), g.currency) for g in decision.grants] == [
        ("K1", None, "2.50", "EUR"),
        ("K2", None, "2.50", "EUR"),
    ]


def test_a_reseller_gets_the_days_of_hundreds_of_contracts_and_one_voucher() -> None:
    held = [contract(f"K{n:03}") for n in range(700)]
    decision = decide(prepared(), "C1", held)
    assert len(decision.grants) == 701
    assert len({grant.grant_id for grant in decision.grants}) == 701
    assert [grant.target for grant in decision.grants if grant.kind == "voucher"] == [CUSTOMER]


def test_only_the_holder_of_a_contract_is_compensated_for_it() -> None:
    with pytest.raises(ValueError, match="contract K2 is held by C2, not C1"):
        decide(prepared(), "C1", [contract("K1"), contract("K2", "C2")])


def test_a_contract_cannot_be_counted_twice() -> None:
    with pytest.raises(ValueError, match="contract K1 of C1 stands twice"):
        decide(prepared(), "C1", [contract("K1"), contract("K2"), contract("K1")])


# ── the terms ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_voucher_has_a_value_and_a_shipping_cap_of_its_own_and_is_valid_for_a_year() -> None:
    grant = decide(prepared(), "C1", [contract()]).grants[-1]
    voucher = grant.terms
    assert (voucher.kind, voucher.amount, voucher.currency) == ("voucher", Decimal("5.00"), "EUR")
    assert (voucher.merchant, voucher.shipping_cap, voucher.handling_covered) == ("Fotoaruba", Decimal("1.90"), True)
    assert voucher.valid_until == date(2012, 5, 13)
    assert (grant.contract_id, grant.product, voucher.days, voucher.ends_on) == (None, None, None, None)


def test_an_extension_is_fifteen_calendar_days() -> None:
    days = decide(prepared(), "C1", [contract()]).grants[0]
    assert (days.kind, days.days, days.contract_id, days.product) == ("extension", 15, "K1", "dedicated-server")
    assert (days.terms.ends_on, days.amount, days.terms.valid_until) == (None, None, None)


@pytest.mark.parametrize(
    ("declared_at", "ends_on"),
    [
        ("2011-05-13T10:00:00+02:00", date(2012, 5, 13)),
        ("2012-02-29T12:00:00+01:00", date(2013, 2, 28)),
        ("2011-12-31T23:30:00Z", date(2013, 1, 1)),  # it is 2012 in Rome
        ("2011-05-13T22:30:00Z", date(2012, 5, 14)),
    ],
)
def test_an_addon_ends_a_year_after_the_declaration_whatever_becomes_of_the_contract(
    declared_at: str, ends_on: date
) -> None:
    by = prepared(declared_at=declared_at)
    for held in (hosting(), hosting(ends_on=date(2011, 5, 1)), hosting(attributes={"includes_email": True})):
        assert decide(by, "C1", [held]).grants[0].terms.ends_on == ends_on
        assert decide(by, "C1", [held]).grants[-1].terms.valid_until == ends_on


def test_the_terms_are_shared_by_everyone_who_gets_them() -> None:
    by = prepared()
    first, second = decide(by, "C1", [contract()]), decide(by, "C2", [contract("K2", "C2")])
    assert first.grants[0].terms is second.grants[0].terms


def test_no_amount_of_a_decision_is_a_float() -> None:
    for grant in decide(prepared(), "C1", [contract("K1"), hosting("K2")]).grants:
        assert not any(isinstance(value, float) for value in (grant.amount, grant.terms.shipping_cap, grant.days))


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_grant_that_is_in_the_books_is_never_made_again() -> None:
    held = [contract("K1"), hosting("K2")]
    first = decide(prepared(), "C1", held)
    again = decide(prepared(), "C1", held, as_prior(first))
    assert (again.grants, again.exclusion) == ((), None)


def test_a_contract_that_came_late_gets_only_what_is_missing() -> None:
    first = decide(prepared(), "C1", [contract("K1")])
    again = decide(prepared(), "C1", [contract("K1"), contract("K2")], as_prior(first))
    assert given(again) == [("extra-days", "K2", "dedicated-server")]


def test_a_customer_with_earlier_grants_is_not_excluded_when_his_contract_turns_out_to_be_spared() -> None:
    first = decide(prepared(), "C1", [contract()])
    again = decide(prepared(), "C1", [contract(ends_on=date(2011, 1, 1))], as_prior(first))
    assert (again.grants, again.exclusion) == ((), None)


# ── already owns it ──────────────────────────────────────────────────────────────────────────────────────────────

GIFT, ALTERNATIVE = "business-mail", "gigamail"
OWNER: dict[str, Any] = {"addons": ("business-mail",)}


def mails(held: list[Contract], **changed: Any) -> dict[str, str | None]:
    """Which mail product each contract is given."""
    decision = decide(prepared(**changed), "C1", held)
    return {grant.target: grant.product for grant in decision.grants if grant.rule == "business-mail"}


def free(starts_on: date, ends_on: date, product: str = "business-mail") -> tuple[Complimentary, ...]:
    return (Complimentary(product, starts_on, ends_on),)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, GIFT),
        ({"addons": ("backup",)}, GIFT),
        (OWNER, ALTERNATIVE),
        # a contract that was not in service at the window does not count
        (OWNER | {"ends_on": date(2011, 4, 28)}, GIFT),
        (OWNER | {"terminated_on": date(2011, 4, 29)}, GIFT),
        (OWNER | {"starts_on": date(2011, 4, 30)}, GIFT),
        # one that ended after it does: what he holds today is not the question
        (OWNER | {"ends_on": date(2011, 4, 29)}, ALTERNATIVE),
        (OWNER | {"terminated_on": date(2011, 5, 1)}, ALTERNATIVE),
        # a complimentary one counts on the days that it ran, whatever became of its contract
        ({"complimentary": free(date(2011, 4, 1), date(2011, 4, 29))}, ALTERNATIVE),
        ({"complimentary": free(date(2011, 4, 1), date(2011, 4, 28))}, GIFT),
        ({"complimentary": free(date(2011, 4, 29), date(2012, 4, 29))}, ALTERNATIVE),
        ({"complimentary": free(date(2011, 4, 30), date(2012, 4, 30))}, GIFT),
        ({"complimentary": free(date(2011, 4, 1), date(2012, 4, 1), "gigamail")}, GIFT),
        (
            {"complimentary": free(date(2011, 1, 1), date(2012, 1, 1)), "terminated_on": date(2011, 2, 1)},
            ALTERNATIVE,
        ),
    ],
)
def test_ownership_is_judged_from_the_holdings_at_the_window(other: dict[str, Any], expected: str) -> None:
    assert mails([hosting("K1"), contract("K9", **other)]) == {"K1": expected}


def test_who_owns_it_through_one_contract_gets_the_alternative_on_all() -> None:
    assert mails([hosting("K1"), hosting("K2", **OWNER), hosting("K3")]) == dict.fromkeys(
        ["K1", "K2", "K3"], ALTERNATIVE
    )


def test_what_is_owned_through_a_contract_out_of_scope_counts() -> None:
    held = [hosting("K1"), contract("K2", site="milano", **OWNER)]
    assert mails(held, scope={"sites": ["arezzo"]}) == {"K1": ALTERNATIVE}


def test_what_another_customer_owns_does_not_count() -> None:
    decide(prepared(), "C2", [contract("K2", "C2", **OWNER)])
    assert mails([hosting("K1")]) == {"K1": GIFT}


def test_a_late_contract_that_owns_it_does_not_change_the_choice_that_was_made() -> None:
    first = decide(prepared(), "C1", [hosting("K1")])
    again = decide(prepared(), "C1", [hosting("K1"), hosting("K2", **OWNER)], as_prior(first))
    assert given(again) == [("business-mail", "K2", GIFT)]


def test_the_alternative_stands_when_the_product_is_gone_on_a_second_run() -> None:
    first = decide(prepared(), "C1", [hosting("K1", **OWNER)])
    again = decide(prepared(), "C1", [hosting("K1"), hosting("K2")], as_prior(first))
    assert given(again) == [("business-mail", "K2", ALTERNATIVE)]


TWO_GIFTS = """\
- {rule: first, per: contract, when: {families: [hosting]}, give: {addon: {product: business-mail, for: 1 year}}}
- rule: second
  per: contract
  when: {families: [dedicated]}
  give: {extension: {days: 3}}
  if_owned: {product: business-mail, instead: {addon: {product: gigamail, for: 1 year}}}
"""


def test_what_this_incident_gave_him_he_did_not_own_before() -> None:
    """The impact still lasts, so the gift of the first run falls into the window of the second."""
    by = prepared(policy(TWO_GIFTS), impact=OPEN_IMPACT)
    first = decide(by, "C1", [hosting("K1")])
    gift = free(date(2011, 5, 13), date(2012, 5, 13))
    again = decide(by, "C1", [hosting("K1", complimentary=gift), contract("K2")], as_prior(first))
    assert given(again) == [("second", "K2", "dedicated-server")]


def test_what_an_earlier_incident_gave_him_he_owned() -> None:
    by = prepared(policy(TWO_GIFTS), impact=OPEN_IMPACT)
    held = [hosting("K1", complimentary=free(date(2011, 3, 1), date(2012, 3, 1))), contract("K2")]
    first = decide(by, "C1", held[:1])
    assert given(decide(by, "C1", held, as_prior(first))) == [("second", "K2", ALTERNATIVE)]


def test_the_alternative_may_be_of_another_kind() -> None:
    either = policy(
        "- {rule: mail, per: customer, give: {addon: {product: business-mail, for: 1 year}},"
        ' if_owned: {product: business-mail, instead: {credit: {amount: {amount: "3", currency: EUR}}}}}'
    )
    grant = decide(prepared(either), "C1", [hosting("K1", **OWNER)]).grants[0]
    assert (grant.kind, grant.choice, str(grant.amount), grant.contract_id) == ("credit", "instead", "3.00", None)
