"""Explain over the life of an incident: what waits, what comes to nothing, what was added, what is no longer owed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Scope
from schemas.statements import in_force
from services.entitlements.decide import decide
from services.entitlements.domain import CUSTOMER, Contract, Neighbour, OtherGrant, PriorGrant, Verdict
from services.entitlements.explain import explain
from services.entitlements.prepared import lasted
from tests.unit.entitlements.builders import as_prior, contract, hours, incident, live, policy, prepared

DAYS = "- {rule: days, per: contract, give: {extension: {days: 15}}}"
HOURLY = "- {rule: days, per: contract, give: {extension: {days: 1, per: started hour, after: 1 hour}}}"
MONEY = (
    '- {rule: money, per: contract, give: {credit: {amount: {amount: "1.00", currency: EUR}, per: started hour,'
    ' at_most: {amount: "2.50", currency: EUR}}}}'
)
OPEN = hours(8, None)


def verdicts(
    rules: str,
    *later: dict[str, Any],
    held: list[Contract] | None = None,
    prior: tuple[PriorGrant, ...] = (),
    **first: Any,
) -> list[Verdict]:
    by = prepared(policy(rules), *later, **first)
    return list(explain(by, "C1", [contract()] if held is None else held, prior).verdicts)


def sentence(rules: str, *later: dict[str, Any], **said: Any) -> str:
    [verdict] = verdicts(rules, *later, **said)
    return f"{verdict.why}: {verdict.sentence()}"


@pytest.mark.parametrize(
    ("rules", "facts", "told"),
    [
        (
            MONEY,
            {},
            "granted: money, contract K1: granted, a credit of 2.50 EUR "
            "(3 started hours × 1.00 EUR = 3.00 EUR, at most 2.50 EUR: 2.50 EUR)",
        ),
        (
            HOURLY,
            {},
            "granted: days, contract K1: granted, 2 calendar days (2 started hours × 1 day = 2 days)",
        ),
        (
            "- {rule: days, per: contract, give: {extension: {days: 1, per: started hour, after: 3 hours}}}",
            {},
            "nothing_due: days, contract K1: not granted, an outage of 3 hours is within the 3 hours of grace",
        ),
        (
            '- {rule: share, per: contract, give: {credit: {share: "10 %"}}}',
            {},
            "nothing_due: share, contract K1: not granted, no monthly fee is known",
        ),
        (
            "- {rule: days, per: contract, when: {outage: {at_least: 4 hours}}, give: {extension: {days: 3}}}",
            {},
            "outage: days, contract K1: not granted, the outage lasted 3 hours: the rule is for at least 4 hours",
        ),
        (
            "- {rule: days, per: contract, when: {tenure: {at_least: 2 years}}, give: {extension: {days: 3}}}",
            {},
            "tenure: days, contract K1: not granted, it started on 2010-01-01: "
            "the rule is for at least 2 years before 2011-04-29",
        ),
        (
            '- {rule: days, per: contract, when: {monthly_fee: {currency: EUR, at_least: "5.00", less_than: "9.00"}},'
            " give: {extension: {days: 3}}}",
            {"monthly_fee": Decimal("4.00"), "currency": "EUR"},
            "monthly_fee: days, contract K1: not granted, its monthly fee is 4.00 EUR: "
            "the rule is for at least 5.00 EUR and less than 9.00 EUR",
        ),
        (
            "- {rule: days, per: contract, when: {addons: [backup, mail]}, give: {extension: {days: 3}}}",
            {},
            "addons: days, contract K1: not granted, it had none of backup, mail then",
        ),
        (
            "- {rule: days, per: contract, when: {attributes: {tier: [gold, silver]}}, give: {extension: {days: 3}}}",
            {"attributes": {"tier": "tin"}},
            "attributes: days, contract K1: not granted, it lacks what the rule asks for: "
            "its tier is 'tin', not 'gold' or 'silver'",
        ),
        (
            "- {rule: days, per: contract, give: {extension: {days: 15}},"
            " if_refused: [{reasons: [terminated, expired], give: {credit: {same_worth: true}}}]}",
            {"monthly_fee": Decimal("10.00"), "currency": "EUR"},
            "granted: days, contract K1: granted, 15 calendar days, "
            "or, if it is refused as terminated or expired, a credit of 5.00 EUR",
        ),
    ],
)
def test_a_verdict_tells_the_arithmetic_and_the_facts(rules: str, facts: dict[str, Any], told: str) -> None:
    assert sentence(rules, held=[contract(**facts)], impact=hours(8, 11)) == told


def test_what_waits_for_the_end_says_so() -> None:
    assert sentence(HOURLY, impact=OPEN) == (
        "waits_for_end: days, contract K1: not granted yet, "
        "it depends on how long the outage lasts: its end is not known yet"
    )


def test_a_rule_that_waits_for_another_one_names_it() -> None:
    rules = f"{HOURLY}\n- {{rule: rest, per: contract, unless: [days], give: {{extension: {{days: 1}}}}}}"
    told = verdicts(rules, impact=OPEN)[1]
    assert told.why == "waits_for_end"
    assert told.detail == "it depends on what days will give: the outage's end is not known yet"


def test_what_an_earlier_rule_gave_is_named() -> None:
    rules = f"{DAYS}\n- {{rule: rest, per: customer, unless: [days], give: {{addon: {{product: x, for: 1 year}}}}}}"
    told = verdicts(rules)[1]
    assert (told.target, told.why, told.detail) == (CUSTOMER, "unless", "days gives something already")


def test_a_difference_says_what_it_is_on_top_of() -> None:
    first = decide(prepared(policy(HOURLY), impact=hours(8, 11)), "C1", [contract()])
    assert sentence(HOURLY, {"impact": hours(8, 13)}, prior=as_prior(first), impact=hours(8, 11)) == (
        "difference: days, contract K1: granted, 2 calendar days, owed since revision 2 "
        "(4 started hours × 1 day = 4 days, 2 more than before), on top of 2 calendar days"
    )


def test_what_several_revisions_owe_is_told_entry_by_entry() -> None:
    assert sentence(HOURLY, {"impact": hours(8, 13)}, impact=hours(8, 11)) == (
        "granted: days, contract K1: granted, 2 calendar days, owed since revision 1 "
        "(2 started hours × 1 day = 2 days); and 2 calendar days, owed since revision 2 "
        "(4 started hours × 1 day = 4 days, 2 more than before)"
    )


@pytest.mark.parametrize(
    ("narrowed", "said", "became"),
    [
        ("honour", "no longer owed, and honoured", "honoured"),
        ("reverse", "no longer owed, and taken back", "withdrawn"),
    ],
)
@pytest.mark.parametrize(
    ("later", "reason"),
    [
        ({"retracted": "a false alarm"}, "the incident was taken back"),
        ({"scope": {"sites": ["milano"]}}, "the incident's scope leaves it out (site arezzo, family dedicated)"),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_what_is_no_longer_owed_says_what_became_of_it(
    narrowed: str, said: str, became: str, later: dict[str, Any], reason: str, again: bool
) -> None:
    """In the run that withdraws it and in every later one."""
    rules = f"{DAYS}\nwhen_narrowed: {narrowed}"
    decisions = live(policy(rules), [contract()], later)
    prior = as_prior(*(decisions if again else decisions[:1]))
    assert sentence(rules, later, prior=prior) == (f"{became}: days, contract K1: {said}, 15 calendar days: {reason}")


@pytest.mark.parametrize(
    ("narrowed", "told"),
    [
        (
            "honour",
            "already_granted: days, contract K1: granted before, 5 calendar days; "
            "3 calendar days no longer owed, and honoured",
        ),
        (
            "reverse",
            "difference: days, contract K1: granted, 1 calendar day, owed since revision 3 "
            "(3 started hours × 1 day = 3 days, 1 more than before), on top of 2 calendar days, "
            "in place of 3 calendar days, taken back",
        ),
    ],
)
def test_a_part_that_is_no_longer_owed_is_told_beside_what_stands(narrowed: str, told: str) -> None:
    rules = f"{HOURLY}\nwhen_narrowed: {narrowed}"
    steps: list[dict[str, Any]] = [{"impact": hours(8, 14)}, {"impact": hours(8, 12)}]
    prior = as_prior(*live(policy(rules), [contract()], *steps, impact=hours(8, 11))[:2])
    assert sentence(rules, *steps, prior=prior, impact=hours(8, 11)) == told


def test_a_contract_that_is_gone_is_told_by_what_it_was_given() -> None:
    prior = as_prior(decide(prepared(policy(DAYS)), "C1", [contract()]))
    assert (
        sentence(DAYS, held=[], prior=prior) == "already_granted: days, contract K1: granted before, 15 calendar days"
    )


def test_a_retracted_incident_says_so_of_every_contract_and_rule() -> None:
    rules = f"{DAYS}\n- {{rule: x, per: customer, give: {{addon: {{product: x, for: 1 year}}}}}}"
    told = verdicts(rules, {"retracted": "a false alarm"})
    assert [(v.rule, v.target, v.why) for v in told] == [
        ("days", "K1", "retracted"),
        ("x", "K1", "retracted"),
        ("x", CUSTOMER, "retracted"),
    ]


def test_what_another_incident_gave_is_named_in_the_arithmetic() -> None:
    said = in_force([incident(incident_id="I0", policy="test@1", impact=hours(8, 11))])[0]
    neighbours = [Neighbour("I0", lasted(said), Scope(everyone=True))]
    other = OtherGrant("I0", "days", "K1", "give", Decimal(2))
    by = prepared(policy(HOURLY), neighbours=neighbours, impact=hours(9, 13))
    [verdict] = explain(by, "C1", [contract()], (), [other]).verdicts
    assert verdict.detail == (
        "2 calendar days (4 started hours × 1 day = 4 days, less what I0 gave for the same hours: 2)"
    )
    same = prepared(policy(HOURLY), neighbours=neighbours, impact=hours(8, 11))
    [verdict] = explain(same, "C1", [contract()], (), [other]).verdicts
    assert (verdict.why, verdict.detail) == ("nothing_due", "other incidents have given it for the same hours: I0")


def test_a_contract_that_was_spared_by_several_windows_is_told_all_of_them() -> None:
    twice = hours(8, 10, (12, 14))
    twice["also"].append({"starts_at": "2011-07-08T10:00:00Z", "ends_at": "2011-07-08T12:00:00Z"})
    between = contract(starts_on=date(2011, 5, 1), ends_on=date(2011, 6, 1))
    [verdict] = verdicts(DAYS, held=[between], impact=twice)
    assert verdict.why == "ended_before"
    assert verdict.detail == (
        "it ran through 2011-06-01: the impact was from 2011-04-29 to 2011-04-29 and "
        "from 2011-07-08 to 2011-07-08 in Europe/Rome"
    )
