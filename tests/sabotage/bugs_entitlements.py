"""Bugs in what is decided: who was hit, how much it comes to, what was given before."""

from __future__ import annotations

from tests.sabotage.bug import Bug

_SERVICE = "services/entitlements"
_UNIT = "tests/unit/entitlements"
_TESTS = "tests/integration/entitlements"

BUGS = (
    Bug(
        "the window's end belongs to the window",
        f"{_SERVICE}/reach.py",
        "local_day(one.ends_at - INSTANT, zone)",
        "local_day(one.ends_at, zone)",
        "an impact that ends at midnight hits the contracts that began on the day after",
        (f"{_UNIT}/test_who_is_hit.py::test_the_impact_is_half_open_and_counts_in_the_local_calendar",),
    ),
    Bug(
        "a contract's last day is a day without service",
        f"{_SERVICE}/reach.py",
        "if ends_on is not None and ends_on < first_day and",
        "if ends_on is not None and ends_on <= first_day and",
        "whoever's contract ended on the day of the incident is owed nothing",
        (f"{_UNIT}/test_who_is_hit.py::test_a_contract_is_hit_when_it_was_in_service_on_a_day_of_the_impact",),
    ),
    Bug(
        "the day of a termination is a day of service",
        f"{_SERVICE}/reach.py",
        "if terminated_on is not None and terminated_on <= first_day:",
        "if terminated_on is not None and terminated_on < first_day:",
        "contracts without service on that day are compensated for it",
        (f"{_UNIT}/test_who_is_hit.py::test_a_contract_is_hit_when_it_was_in_service_on_a_day_of_the_impact",),
    ),
    Bug(
        "every contract lives in the policy's time zone",
        f"{_SERVICE}/reach.py",
        'zone = contract.attributes.get("time_zone", self.time_zone)',
        "zone: object = self.time_zone",
        "contracts elsewhere are judged by another calendar: some are missed, some paid for nothing",
        (f"{_UNIT}/test_who_is_hit.py::test_days_are_judged_in_the_contracts_zone_else_the_policys",),
    ),
    Bug(
        "an impact without an end lasts until the clock says now",
        f"{_SERVICE}/outage.py",
        "end = max(statement.declared_at, impact.starts_at + INSTANT)",
        "end = max(datetime.now(UTC), impact.starts_at + INSTANT)",
        "a replay next year decides otherwise, for contracts that did not exist then",
        (f"{_UNIT}/test_who_is_hit.py::test_an_impact_without_an_end_reaches_to_its_declaration",),
    ),
    Bug(
        "a contract in any list of the scope is in scope",
        f"{_SERVICE}/reach.py",
        "            and (self.families is None or contract.family in self.families)\n",
        "            or (self.families is not None and contract.family in self.families)\n",
        "contracts at other sites are compensated, a provider's whole base at worst",
        (f"{_UNIT}/test_who_is_hit.py::test_a_contract_is_in_scope_when_it_matches_every_list_of_the_scope",),
    ),
    Bug(
        "the furthest reason for an exclusion is told",
        f"{_SERVICE}/reach.py",
        "return max(reasons, key=CLOSENESS.__getitem__",
        "return min(reasons, key=CLOSENESS.__getitem__",
        "a customer is told that he was not in scope, although his contract had ended the day before",
        (
            f"{_UNIT}/test_who_is_hit.py"
            "::test_a_customer_whose_contracts_were_all_spared_is_excluded_for_the_reason_that_came_closest",
        ),
    ),
    Bug(
        "what he owns is looked for in the eligible contracts alone",
        f"{_SERVICE}/decide.py",
        "            for contract in contracts:\n                held =",
        "            for contract in eligible:\n                held =",
        "a customer who has the product elsewhere gets the gift and not its alternative",
        (
            f"{_UNIT}/test_remedies.py::test_what_is_owned_through_a_contract_out_of_scope_counts",
            f"{_UNIT}/test_properties.py::test_the_quick_way_decides_as_the_whole_judgement_does",
        ),
    ),
    Bug(
        "the choice between gift and alternative is made anew in every run",
        f"{_SERVICE}/levels.py",
        "if rule.name in self._choices:",
        "if rule.name in self._choices and not self._contracts:",
        "a contract that comes late turns the choice over: a customer gets both",
        (f"{_UNIT}/test_remedies.py::test_a_late_contract_that_owns_it_does_not_change_the_choice_that_was_made",),
    ),
    Bug(
        "an hour that another incident has paid for is paid again",
        f"{_SERVICE}/levels.py",
        "owed = max(ZERO, gross - self._paid(",
        "owed = max(gross, gross - self._paid(",
        "two incidents that overlap both pay for the hours that they share",
        (f"{_UNIT}/test_across_incidents.py::test_overlapping_incidents_are_paid_as_one_in_any_order",),
    ),
    Bug(
        "an amended incident grants the whole again",
        f"{_SERVICE}/owed.py",
        "granted.append((index + 1, owed - has))",
        "granted.append((index + 1, owed))",
        "a window that grew by a day pays for all its days once more",
        (f"{_UNIT}/test_owed.py::test_each_revision_adds_what_is_missing_once",),
    ),
    Bug(
        "what was withdrawn is withdrawn again",
        f"{_SERVICE}/owed.py",
        "        if entry.withdrawn:\n",
        "        if entry.honoured:\n",
        "a retraction takes back once more what a narrower revision has taken back already",
        (f"{_UNIT}/test_owed.py::test_a_retraction_withdraws_nothing_a_second_time",),
    ),
    Bug(
        "halves are rounded to the even neighbour",
        f"{_SERVICE}/domain.py",
        "rounding=ROUND_HALF_UP",
        'rounding="ROUND_HALF_EVEN"',
        "every second half cent is lost to the customer",
        (f"{_UNIT}/test_values.py::test_money_is_rounded_half_up_at_the_exponent_of_its_currency",),
    ),
    Bug(
        "a share of a fee is reckoned in floats",
        f"{_SERVICE}/quantities.py",
        "Fee(_EXACT.multiply(share, fee.amount), fee.currency)",
        "Fee(Decimal(float(share) * float(fee.amount)), fee.currency)",
        "cents go missing where a float falls short of the half",
        (f"{_UNIT}/test_quantities.py::test_a_share_is_of_the_monthly_fee_and_rounded_once_at_the_end",),
    ),
    Bug(
        "started hours are whole hours",
        f"{_SERVICE}/quantities.py",
        "return -(-outage.past(scaled.after) // _UNITS[scaled.per])",
        "return outage.past(scaled.after) // _UNITS[scaled.per]",
        "the last, started hour is not paid for",
        (f"{_UNIT}/test_quantities.py::test_money_is_given_per_started_hour_or_day_after_the_grace_and_up_to_the_cap",),
    ),
    Bug(
        "an addon's year begins when the plan is run",
        f"{_SERVICE}/prepared.py",
        "declared_on=local_day(said.declared_at, policy.time_zone)",
        "declared_on=date.today()",
        "a run that is repeated a week later gives another end: the same gift with two dates",
        (
            f"{_UNIT}/test_remedies.py::test_an_addon_ends_a_year_after_the_declaration_whatever_becomes_of_the_contract",
        ),
    ),
    Bug(
        "a forecast leaves out what may take the place of a refusal",
        f"{_SERVICE}/forecast.py",
        "money.added(self.substitutes, *[given.money for given in self.given.values()])",
        "money.added(*[given.money for given in self.given.values()])",
        "a run costs more than the person who approved it was shown",
        (f"{_UNIT}/test_forecast.py::test_a_forecast_counts_customers_contracts_remedies_days_and_money_at_most",),
    ),
)
