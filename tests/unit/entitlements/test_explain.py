"""Explain: the verdict of every rule on every contract, from the very judgement that grants."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.entitlements.decide import decide
from services.entitlements.domain import CUSTOMER, Complimentary, Contract
from services.entitlements.explain import explain
from tests.unit.entitlements.builders import as_prior, contract, hosting, policy, prepared

HELD = [hosting("K1"), contract("K2"), contract("K3", ends_on=date(2011, 1, 1)), contract("K4", family="adsl")]


def reasons(held: list[Contract], **changed: Any) -> dict[tuple[str, str], str]:
    return {(v.rule, v.target): v.why for v in explain(prepared(**changed), "C1", held).verdicts}


def test_every_rule_says_of_every_contract_why_or_why_not() -> None:
    assert reasons(HELD) == {
        ("business-mail", "K1"): "granted",
        ("business-mail", "K2"): "family",
        ("business-mail", "K3"): "ended_before",
        ("business-mail", "K4"): "family",
        ("extra-days", "K1"): "family",
        ("extra-days", "K2"): "granted",
        ("extra-days", "K3"): "ended_before",
        ("extra-days", "K4"): "family",
        ("photo-voucher", "K3"): "ended_before",
        ("photo-voucher", CUSTOMER): "granted",
    }


def test_verdicts_come_by_rule_and_then_by_contract() -> None:
    verdicts = explain(prepared(), "C1", list(reversed(HELD))).verdicts
    assert [(v.rule, v.target) for v in verdicts] == list(reasons(HELD))


def test_a_second_run_says_that_it_was_granted_before() -> None:
    prior = as_prior(decide(prepared(), "C1", HELD))
    again = explain(prepared(), "C1", HELD, prior)
    assert again.grants == ()
    assert {v.why for v in again.verdicts if v.target in ("K1", CUSTOMER)} == {"already_granted", "family"}
    assert not any(v.granted for v in again.verdicts)


def test_a_customer_rule_that_no_contract_meets_says_so() -> None:
    assert reasons([contract(ends_on=date(2011, 1, 1))])["photo-voucher", CUSTOMER] == "no_eligible_contract"


IMPACT = "the impact was from 2011-04-29 to 2011-04-29 in Europe/Rome"


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        (contract(), "days, contract K1: granted, 3 calendar days"),
        (contract(starts_on=date(2011, 5, 1)), f"days, contract K1: not granted, it started on 2011-05-01: {IMPACT}"),
        (contract(ends_on=date(2011, 4, 1)), f"days, contract K1: not granted, it ran through 2011-04-01: {IMPACT}"),
        (
            contract(terminated_on=date(2011, 4, 1)),
            f"days, contract K1: not granted, it was terminated on 2011-04-01: {IMPACT}",
        ),
        (
            contract(terminated_on=date(2010, 1, 1)),
            f"days, contract K1: not granted, it never had a day of service (from 2010-01-01): {IMPACT}",
        ),
        (
            contract(site="milano"),
            "days, contract K1: not granted, the incident's scope leaves it out (site milano, family dedicated)",
        ),
        (contract(family="adsl"), "days, contract K1: not granted, its family is adsl: the rule is for dedicated"),
        (contract(product="x"), "days, contract K1: not granted, its product is x: the rule is for dedicated-server"),
    ],
)
def test_a_verdict_names_the_facts(held: Contract, sentence: str) -> None:
    days = policy(
        "- {rule: days, per: contract, when: {families: [dedicated], products: [dedicated-server]},"
        " give: {extension: {days: 3}}}"
    )
    verdicts = explain(prepared(days, scope={"sites": ["arezzo"]}), "C1", [held]).verdicts
    assert [verdict.sentence() for verdict in verdicts] == [sentence]


def test_an_attribute_that_lacks_is_named_with_what_was_asked_for() -> None:
    verdict = explain(prepared(), "C1", [hosting(attributes={"includes_email": "yes"})]).verdicts[0]
    assert verdict.why == "attributes"
    assert "includes_email is 'yes', not True" in verdict.sentence()


def test_an_attribute_that_fits_is_not_named_among_those_that_lack() -> None:
    days = policy(
        "- {rule: d, per: contract, when: {attributes: {tier: gold, cores: 4}}, give: {extension: {days: 3}}}"
    )
    verdict = explain(prepared(days), "C1", [contract(attributes={"tier": "gold", "cores": 2})]).verdicts[0]
    assert verdict.detail == "it lacks what the rule asks for: its cores is 2, not 4"


def test_a_site_that_the_rule_is_not_for_is_named() -> None:
    days = policy("- {rule: days, per: contract, when: {sites: [milano]}, give: {extension: {days: 3}}}")
    verdict = explain(prepared(days), "C1", [contract()]).verdicts[0]
    assert (verdict.why, verdict.detail) == ("site", "its site is arezzo: the rule is for milano")


def test_the_voucher_is_told_with_its_terms_and_through_whom() -> None:
    assert explain(prepared(), "C1", [contract()]).verdicts[-1].sentence() == (
        "photo-voucher, the customer: granted, a voucher of 5.00 EUR at Fotoaruba, shipping up to 1.90 EUR, "
        "handling covered, valid until 2012-05-13 (through contract K1)"
    )


@pytest.mark.parametrize(
    ("owner", "how"),
    [
        ({"addons": ("business-mail",)}, "an add-on of contract K9"),
        (
            {"complimentary": (Complimentary("business-mail", date(2011, 1, 1), date(2012, 1, 1)),)},
            "a complimentary add-on of contract K9",
        ),
    ],
)
def test_the_alternative_is_told_with_what_he_owned(owner: dict[str, Any], how: str) -> None:
    verdict = explain(prepared(), "C1", [hosting(), contract("K9", **owner)]).verdicts[0]
    assert verdict.why == "granted_instead"
    assert verdict.detail == (
        "gigamail, free until 2012-05-13, in place of business-mail, free until 2012-05-13: "
        f"he had business-mail then, {how}"
    )


def test_an_alternative_that_stands_is_told_as_decided_before() -> None:
    prior = as_prior(decide(prepared(), "C1", [hosting("K1", addons=("business-mail",))]))
    verdict = explain(prepared(), "C1", [hosting("K1"), hosting("K2")], prior).verdicts[1]
    assert (verdict.target, verdict.why) == ("K2", "granted_instead")
    assert verdict.detail.endswith("so it was decided before")
