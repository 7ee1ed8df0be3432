"""The life of an incident for one customer: amended, resolved, reopened; only the difference, each time."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas.ids import entry_id, grant_id
from services.entitlements.domain import Complimentary
from tests.unit.entitlements.builders import contract, given, hosting, hours, impact, live, policy, quantities

INCIDENT = "arezzo-2011-04-29"
DAYS = "- {rule: days, per: contract, give: {extension: {days: 15}}}"
HOURLY = "- {rule: days, per: contract, give: {extension: {days: 1, per: started hour}}}"


# ── amended ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_site_more_grants_only_the_difference() -> None:
    held = [contract("K1"), contract("K2", site="milano")]
    first, second = live(policy(DAYS), held, {"scope": {"sites": ["arezzo", "milano"]}}, scope={"sites": ["arezzo"]})
    assert given(first) == [("days", "K1", "dedicated-server")]
    assert given(second) == [("days", "K2", "dedicated-server")]
    assert second.grants[0].stamp == 2


def test_a_longer_window_grants_what_it_adds_under_the_same_grant_and_another_entry() -> None:
    first, second = live(policy(HOURLY), [contract()], {"impact": hours(8, 13)}, impact=hours(8, 10))
    assert quantities([first, second]) == [[("K1", 1, "2")], [("K1", 2, "3")]]
    grant = grant_id(INCIDENT, "C1", "K1", "days")
    assert [one.grants[0].grant_id for one in (first, second)] == [grant, grant]
    assert [one.grants[0].entry_id for one in (first, second)] == [entry_id(grant, 1), entry_id(grant, 2)]


def test_a_window_that_reaches_further_back_reaches_the_contracts_that_ended_before() -> None:
    ended = contract(ends_on=date(2011, 4, 28))
    first, second = live(
        policy(DAYS), [ended], {"impact": impact("2011-04-28T08:00:00Z", "2011-04-29T10:00:00Z")}, impact=hours(8, 10)
    )
    assert (first.exclusion, given(second)) == ("ended_before", [("days", "K1", "dedicated-server")])


@pytest.mark.parametrize("run", [{1, 2, 3}, {1}, {2}, {1, 2}, set()])
def test_whatever_was_run_in_between_the_entries_are_the_same(run: set[int]) -> None:
    steps: list[dict[str, Any]] = [{"impact": hours(8, 13)}, {"impact": hours(6, 13), "scope": {"everyone": True}}]
    held = [contract("K1"), contract("K2", site="milano")]
    decisions = live(policy(HOURLY), held, *steps, run=run, impact=hours(8, 10), scope={"sites": ["arezzo"]})
    entries = {grant.entry_id: grant for decision in decisions for grant in decision.grants}
    everything = live(policy(HOURLY), held, *steps, impact=hours(8, 10), scope={"sites": ["arezzo"]})
    assert entries == {grant.entry_id: grant for decision in everything for grant in decision.grants}
    assert sorted((g.target, g.stamp, str(g.terms.quantity)) for g in entries.values()) == [
        ("K1", 1, "2"), ("K1", 2, "3"), ("K1", 3, "2"), ("K2", 3, "7"),
    ]  # fmt: skip


def test_the_terms_and_dates_are_those_of_the_revision_that_owes_it() -> None:
    addon = policy("- {rule: mail, per: contract, give: {addon: {product: business-mail, for: 1 year}}}")
    later = {"declared_at": "2011-06-01T10:00:00+02:00", "scope": {"everyone": True}}
    [decision] = live(
        addon, [contract("K1"), contract("K2", site="milano")], later, run={2}, scope={"sites": ["arezzo"]}
    )
    assert [(g.target, g.stamp, g.terms.ends_on) for g in decision.grants] == [
        ("K1", 1, date(2012, 5, 13)),
        ("K2", 2, date(2012, 6, 1)),
    ]


def test_what_is_narrowed_away_before_anybody_was_decided_is_never_granted() -> None:
    [decision] = live(
        policy(DAYS), [contract()], {"scope": {"sites": ["milano"]}}, run={2}, scope={"sites": ["arezzo"]}
    )
    assert (decision.grants, decision.withdrawals, decision.exclusion) == ((), (), "not_in_scope")


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

OPEN = hours(8, None)


def test_a_rule_that_needs_the_end_waits_for_it_and_a_flat_one_does_not() -> None:
    hourly = '{credit: {amount: {amount: "1.00", currency: EUR}, per: started hour}}'
    both = policy(f"{DAYS}\n- {{rule: hourly, per: contract, give: {hourly}}}")
    first, second = live(both, [contract()], {"resolved": "2011-04-29T11:00:00Z"}, impact=OPEN)
    assert [g.rule for g in first.grants] == ["days"]
    assert [(g.rule, g.stamp, g.amount) for g in second.grants] == [("hourly", 2, Decimal("3.00"))]


@pytest.mark.parametrize(
    "rule",
    [
        HOURLY,
        "- {rule: days, per: contract, give: {extension: {bands: [{outage: {at_least: 1 hour}, days: 3}]}}}",
        "- {rule: days, per: contract, when: {outage: {at_least: 1 hour}}, give: {extension: {days: 3}}}",
        '- {rule: days, per: contract, give: {credit: {bands: [{availability_below: "99.9 %", amount: '
        '{amount: "3.00", currency: EUR}}]}}}',
        "- {rule: days, per: contract, give: {addon: {product: x, for: 1 year}},"
        " if_owned: {product: x, instead: {extension: {days: 1, per: started hour}}}}",
    ],
)
def test_who_waits_for_the_end_is_excluded_until_it_is_known(rule: str) -> None:
    first, second = live(policy(rule), [contract()], {"resolved": "2011-04-29T11:00:00Z"}, impact=OPEN)
    assert (first.grants, first.exclusion) == ((), "waits_for_end")
    assert [grant.stamp for grant in second.grants] == [2]


def test_who_was_spared_does_not_wait_for_the_end() -> None:
    [decision] = live(policy(HOURLY), [contract(ends_on=date(2011, 1, 1))], impact=OPEN)
    assert decision.exclusion == "ended_before"


def test_an_impact_that_lasts_again_leaves_what_was_granted() -> None:
    _, second, third = live(
        policy(HOURLY), [contract()], {"impact": OPEN}, {"resolved": "2011-04-29T14:00:00Z"}, impact=hours(8, 10)
    )
    assert (second.grants, second.withdrawals, second.exclusion) == ((), (), None)
    assert quantities([third]) == [[("K1", 3, "4")]]


def test_an_outage_within_the_grace_is_nothing_due() -> None:
    grace = policy("- {rule: days, per: contract, give: {extension: {days: 1, per: started hour, after: 6 hours}}}")
    [decision] = live(grace, [contract()], impact=hours(8, 10))
    assert (decision.grants, decision.exclusion) == ((), "nothing_due")


def test_a_share_of_a_fee_that_nobody_knows_is_nothing_due() -> None:
    share = policy('- {rule: share, per: contract, give: {credit: {share: "10 %"}}}')
    assert live(share, [contract()])[0].exclusion == "nothing_due"
    known = contract(monthly_fee=Decimal("30.00"), currency="EUR")
    assert [(g.amount, g.currency) for g in live(share, [known])[0].grants] == [(Decimal("3.00"), "EUR")]


@pytest.mark.parametrize(
    ("contracts", "reason"),
    [
        ([{}, {"ends_on": date(2011, 1, 1)}], "waits_for_end"),
        ([{"family": "adsl"}, {"terminated_on": date(2011, 1, 1)}], "nothing_due"),
        ([{"family": "pec"}, {"terminated_on": date(2011, 1, 1)}], "terminated_before"),
        ([{"family": "pec"}], "not_in_scope"),
    ],
)
def test_of_several_reasons_the_one_that_came_closest_counts(contracts: list[dict[str, Any]], reason: str) -> None:
    mixed = policy(
        "- {rule: hourly, per: contract, when: {families: [dedicated]},"
        " give: {extension: {days: 1, per: started hour}}}\n"
        '- {rule: share, per: contract, when: {families: [adsl]}, give: {credit: {share: "10 %"}}}'
    )
    held = [contract(f"K{number}", **facts) for number, facts in enumerate(contracts)]
    assert live(mixed, held, impact=OPEN)[0].exclusion == reason


@pytest.mark.parametrize(("zone", "days"), [(None, 1), ("America/New_York", 2), ("Nowhere/Land", 1)])
def test_calendar_days_are_those_of_the_contracts_zone_else_of_the_policys(zone: str | None, days: int) -> None:
    """00:30 to 09:00 in Rome on the 29th began on the evening of the 28th in New York."""
    daily = policy("- {rule: days, per: contract, give: {extension: {days: 1, per: calendar day}}}")
    held = [contract(attributes={} if zone is None else {"time_zone": zone})]
    [decision] = live(daily, held, impact=impact("2011-04-29T00:30:00+02:00", "2011-04-29T09:00:00+02:00"))
    assert [grant.days for grant in decision.grants] == [days]


def test_what_is_given_per_customer_counts_by_the_policys_calendar() -> None:
    """So that a contract that comes late, from elsewhere, does not change how much it is."""
    credit = '{credit: {amount: {amount: "1.00", currency: EUR}, per: calendar day}}'
    daily = policy(f"- {{rule: c, per: customer, give: {credit}}}")
    held = [contract("K1", attributes={"time_zone": "America/New_York"})]
    [decision] = live(daily, held, impact=impact("2011-04-29T00:30:00+02:00", "2011-04-29T09:00:00+02:00"))
    assert [grant.amount for grant in decision.grants] == [Decimal("1.00")]


# ── reopened and merged: several windows of one incident ─────────────────────────────────────────────────────────


def test_hours_that_the_windows_of_an_incident_share_are_counted_once() -> None:
    merged = hours(8, 11, (10, 13), (15, 16))
    assert quantities(live(policy(HOURLY), [contract()], impact=merged)) == [[("K1", 1, "6")]]


def test_a_contract_is_hit_by_any_of_the_windows() -> None:
    twice = impact("2011-04-29T08:00:00Z", "2011-04-29T10:00:00Z", ("2011-07-08T10:00:00Z", "2011-07-08T12:00:00Z"))
    assert live(policy(DAYS), [contract(starts_on=date(2011, 7, 1))], impact=twice)[0].exclusion is None
    assert live(policy(DAYS), [contract(ends_on=date(2011, 5, 1))], impact=twice)[0].exclusion is None


def test_a_contract_that_lived_between_the_windows_was_not_hit() -> None:
    twice = impact("2011-04-29T08:00:00Z", "2011-04-29T10:00:00Z", ("2011-07-08T10:00:00Z", "2011-07-08T12:00:00Z"))
    between = contract(starts_on=date(2011, 5, 1), ends_on=date(2011, 6, 1))
    assert live(policy(DAYS), [between], impact=twice)[0].exclusion == "ended_before"


def test_what_he_owned_between_the_windows_alone_he_did_not_own_at_any() -> None:
    twice = impact("2011-04-29T08:00:00Z", "2011-04-29T10:00:00Z", ("2011-07-08T10:00:00Z", "2011-07-08T12:00:00Z"))
    for until, product in ((date(2011, 7, 7), "business-mail"), (date(2011, 7, 8), "gigamail")):
        held = [hosting(complimentary=(Complimentary("business-mail", date(2011, 5, 1), until),))]
        assert given(live(policy(MAIL), held, impact=twice)[0]) == [("mail", "K1", product)]


def test_an_incident_that_is_reopened_grants_the_hours_that_are_new() -> None:
    first, second = live(policy(HOURLY), [contract()], {"impact": hours(8, 10, (9, 12))}, impact=hours(8, 10))
    assert quantities([first, second]) == [[("K1", 1, "2")], [("K1", 2, "2")]]


# ── the choice, once ─────────────────────────────────────────────────────────────────────────────────────────────

MAIL = """\
- rule: mail
  per: contract
  when: {families: [hosting]}
  give: {addon: {product: business-mail, for: 1 year}}
  if_owned: {product: business-mail, instead: {addon: {product: gigamail, for: 1 year}}}"""
OWNER = (Complimentary("business-mail", date(2011, 5, 1), date(2012, 5, 1)),)


def test_the_choice_is_judged_at_the_window_of_the_first_revision_that_owes_it_and_stands() -> None:
    """He got the mail product after the first window, so a longer one does not make it his already."""
    held = [hosting("K1", complimentary=OWNER), hosting("K2", site="milano")]
    longer = {"impact": impact("2011-04-29T08:00:00Z", "2011-05-02T08:00:00Z"), "scope": {"everyone": True}}
    for run in ({1, 2}, {2}):
        decisions = live(policy(MAIL), held, longer, run=run, impact=hours(8, 10), scope={"sites": ["arezzo"]})
        products = {grant.target: grant.product for decision in decisions for grant in decision.grants}
        assert products == {"K1": "business-mail", "K2": "business-mail"}


def test_a_revision_that_owes_nobody_does_not_judge_the_choice() -> None:
    held = [hosting("K1", site="milano", complimentary=OWNER)]
    longer = {"impact": impact("2011-04-29T08:00:00Z", "2011-05-02T08:00:00Z"), "scope": {"everyone": True}}
    decisions = live(policy(MAIL), held, longer, impact=hours(8, 10), scope={"sites": ["arezzo"]})
    assert given(decisions[-1]) == [("mail", "K1", "gigamail")]
