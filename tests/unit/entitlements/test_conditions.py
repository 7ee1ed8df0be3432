"""Which contracts a rule is for: what they were at the window, and how long the outage was."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.entitlements.decide import decide
from services.entitlements.domain import Complimentary
from tests.unit.entitlements.builders import as_prior, contract, hours, impact, policy, prepared


def meets(when: str, facts: dict[str, Any], **said: Any) -> bool:
    """Whether a contract with these facts meets the conditions."""
    rule = policy(f"- {{rule: days, per: contract, when: {when}, give: {{extension: {{days: 3}}}}}}")
    return bool(decide(prepared(rule, **said), "C1", [contract(**facts)]).grants)


def free_until(day: date) -> tuple[Complimentary, ...]:
    return (Complimentary("backup", date(2011, 4, 1), day),)


def fee(amount: str, currency: str = "EUR") -> dict[str, Any]:
    return {"monthly_fee": Decimal(amount), "currency": currency}


@pytest.mark.parametrize(
    ("when", "facts", "met"),
    [
        # any of a list
        ("{attributes: {tier: [gold, silver]}}", {"attributes": {"tier": "silver"}}, True),
        ("{attributes: {tier: [gold, silver]}}", {"attributes": {"tier": "bronze"}}, False),
        ("{attributes: {tier: [gold, silver], cores: 4}}", {"attributes": {"tier": "gold", "cores": 2}}, False),
        ("{attributes: {lit: [true, 2]}}", {"attributes": {"lit": 1}}, False),
        # any of the add-ons, of this contract
        ("{addons: [backup, mail]}", {"addons": ("mail",)}, True),
        ("{addons: [backup, mail]}", {"addons": ("dns",)}, False),
        ("{addons: [backup]}", {}, False),
        ("{addons: [backup]}", {"complimentary": free_until(date(2011, 4, 29))}, True),
        ("{addons: [backup]}", {"complimentary": free_until(date(2011, 4, 28))}, False),
        # from the contract's start to the window's first day, in the calendar
        ("{tenure: {at_least: 1 year}}", {"starts_on": date(2010, 4, 29)}, True),
        ("{tenure: {at_least: 1 year}}", {"starts_on": date(2010, 4, 30)}, False),
        ("{tenure: {less_than: 1 year}}", {"starts_on": date(2010, 4, 30)}, True),
        ("{tenure: {less_than: 1 year}}", {"starts_on": date(2010, 4, 29)}, False),
        ("{tenure: {at_least: 1 month, less_than: 1 year}}", {"starts_on": date(2011, 3, 29)}, True),
        # the fee, in the rule's currency
        ('{monthly_fee: {currency: EUR, at_least: "5.00"}}', fee("5.00"), True),
        ('{monthly_fee: {currency: EUR, at_least: "5.00"}}', fee("4.99"), False),
        ('{monthly_fee: {currency: EUR, less_than: "5.00"}}', fee("5.00"), False),
        ('{monthly_fee: {currency: EUR, less_than: "5.00"}}', fee("4.99"), True),
        ('{monthly_fee: {currency: EUR, at_least: "5.00"}}', fee("9.00", "USD"), False),
        ('{monthly_fee: {currency: EUR, at_least: "5.00"}}', {}, False),
    ],
)
def test_a_rule_is_for_the_contracts_that_meet_its_conditions(when: str, facts: dict[str, Any], met: bool) -> None:
    assert meets(when, facts) is met


@pytest.mark.parametrize(
    ("zone", "met"),
    [(None, True), ("America/New_York", False)],
)
def test_tenure_counts_to_the_day_of_the_outage_where_the_contract_is(zone: str | None, met: bool) -> None:
    """00:30 in Rome on the 29th is the 28th in New York: a day less."""
    attributes = {} if zone is None else {"time_zone": zone}
    facts = {"starts_on": date(2010, 4, 29), "attributes": attributes}
    said = {"impact": impact("2011-04-29T00:30:00+02:00", "2011-04-29T01:30:00+02:00")}
    assert meets("{tenure: {at_least: 1 year}}", facts, **said) is met


@pytest.mark.parametrize(
    ("when", "met"),
    [
        ("{outage: {at_least: 4 hours}}", True),
        ("{outage: {at_least: 241 minutes}}", False),
        ("{outage: {less_than: 4 hours}}", False),
        ("{outage: {less_than: 241 minutes}}", True),
        ("{outage: {at_least: 1 hour, less_than: 1 day}}", True),
    ],
)
def test_the_outage_is_as_long_as_its_windows_together(when: str, met: bool) -> None:
    assert meets(when, {}, impact=hours(8, 10, (9, 11), (20, 21))) is met


def test_a_contract_that_no_outage_of_that_length_hit_meets_no_rule() -> None:
    rule = policy("- {rule: days, per: contract, when: {outage: {at_least: 4 hours}}, give: {extension: {days: 3}}}")
    assert decide(prepared(rule, impact=hours(8, 10)), "C1", [contract()]).exclusion == "not_in_scope"


def test_an_addon_that_this_incident_gave_does_not_meet_a_condition() -> None:
    """The impact still lasts, so the gift of the first run falls into the window of the second."""
    rules = policy(
        "- {rule: gift, per: contract, give: {addon: {product: backup, for: 1 year}}}\n"
        "- {rule: owners, per: contract, when: {addons: [backup]}, give: {extension: {days: 3}}}"
    )
    by = prepared(rules, impact=hours(8, None))
    first = decide(by, "C1", [contract()])
    given = contract(complimentary=(Complimentary("backup", date(2011, 5, 13), date(2012, 5, 13)),))
    assert decide(by, "C1", [given], as_prior(first)).grants == ()
