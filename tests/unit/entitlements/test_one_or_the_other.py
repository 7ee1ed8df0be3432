"""One rule or another: `unless` keeps a later rule from those whom an earlier one gave something."""

from __future__ import annotations

import pytest

from services.entitlements.domain import Contract
from tests.unit.entitlements.builders import contract, hours, live, policy

OPEN = hours(8, None)
UNLESS = """\
- {rule: days, per: contract, when: {families: [dedicated]}, give: {extension: {days: 15}}}
- {rule: credit, per: customer, unless: [days], give: {credit: {amount: {amount: "5.00", currency: EUR}}}}"""
EITHER = """\
- {rule: gold, per: contract, when: {attributes: {tier: gold}}, give: {extension: {days: 9}}}
- {rule: all, per: contract, unless: [gold], give: {credit: {amount: {amount: "1.00", currency: EUR}}}}"""
CUSTOMER_FIRST = """\
- {rule: first, per: customer, when: {families: [dedicated]}, give: {addon: {product: backup, for: 1 year}}}
- {rule: then, per: contract, unless: [first], give: {extension: {days: 1}}}"""


@pytest.mark.parametrize(
    ("text", "held", "rules"),
    [
        (UNLESS, [contract("K1"), contract("K2", family="adsl")], [("days", "K1")]),
        (UNLESS, [contract("K2", family="adsl")], [("credit", "customer")]),
        (
            EITHER,
            [contract("K1", attributes={"tier": "gold"}), contract("K2")],
            [("gold", "K1"), ("all", "K2")],
        ),
        (CUSTOMER_FIRST, [contract("K1"), contract("K2", family="adsl")], [("first", "customer")]),
        (CUSTOMER_FIRST, [contract("K2", family="adsl")], [("then", "K2")]),
    ],
)
def test_a_rule_gives_nothing_to_a_target_that_an_earlier_one_gave_something(
    text: str, held: list[Contract], rules: list[tuple[str, str]]
) -> None:
    assert [(g.rule, g.target) for g in live(policy(text), held)[0].grants] == rules


def test_a_rule_that_depends_on_one_that_waits_waits_with_it() -> None:
    text = (
        "- {rule: long, per: contract, when: {outage: {at_least: 4 hours}}, give: {extension: {days: 15}}}\n"
        "- {rule: short, per: contract, unless: [long], give: {extension: {days: 1}}}"
    )
    for end, rule in (("2011-04-29T11:00:00Z", "short"), ("2011-04-29T12:00:00Z", "long")):
        first, second = live(policy(text), [contract()], {"resolved": end}, impact=OPEN)
        assert first.exclusion == "waits_for_end"
        assert [g.rule for g in second.grants] == [rule]
