"""How much a remedy comes to: per started hour or day, per calendar day, by bands, as a share of the fee, capped.

The tables are written to be read beside a policy: what it gives, how long the outage was, what comes of it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Interval
from schemas.statements import merged
from services.entitlements.outage import Outage
from services.entitlements.quantities import Fee, Reckoned, reckon, worth_of_days
from tests.unit.entitlements.builders import policy

ROME = "Europe/Rome"


def outage(*windows: str) -> Outage:
    """Windows written as "2011-04-29T10:00Z/2011-04-29T12:00Z", or on 29 April in UTC as "10:00/12:00"."""
    ends = [[end if "T" in end else f"2011-04-29T{end}Z" for end in window.split("/")] for window in windows]
    intervals = [Interval.model_validate({"starts_at": a, "ends_at": b}, strict=False) for a, b in ends]
    return Outage(merged(intervals))


def comes_to(gives: str, lasted: Outage, fee: str | None = "30.00 EUR", zone: str = ROME) -> Reckoned:
    """What a rule that gives this, written as in a policy, comes to."""
    rule = policy(f"- {{rule: r, per: contract, give: {gives}}}").rules[0]
    known = Fee(Decimal(fee.split()[0]), fee.split()[1]) if fee else None
    return reckon(rule.give, lasted, zone, known)


EUR = '{amount: "1.00", currency: EUR}'


@pytest.mark.parametrize(
    ("scale", "window", "amount"),
    [
        # a started hour counts whole; exactly two hours are two
        ("per: started hour", "10:00/11:00", "1.00"),
        ("per: started hour", "10:00/11:00:00.000001", "2.00"),
        ("per: started hour", "10:00/12:00", "2.00"),
        ("per: started hour", "10:00/10:00:01", "1.00"),
        ("per: started day", "10:00/12:00", "1.00"),
        ("per: started day", "2011-04-29T10:00Z/2011-04-30T10:00Z", "1.00"),
        ("per: started day", "2011-04-29T10:00Z/2011-04-30T10:00:01Z", "2.00"),
        # the grace is not counted: nothing within it, and only what is left beyond it
        ("per: started hour, after: 2 hours", "10:00/12:00", "0"),
        ("per: started hour, after: 2 hours", "10:00/12:00:01", "1.00"),
        ("per: started hour, after: 2 hours", "10:00/14:30", "3.00"),
        ("per: started day, after: 1 day", "2011-04-29T10:00Z/2011-05-02T10:00Z", "2.00"),
        # what caps it
        ('per: started hour, at_most: {amount: "2.50", currency: EUR}', "10:00/13:00", "2.50"),
        ('per: started hour, at_most: {amount: "2.50", currency: EUR}', "10:00/12:00", "2.00"),
        ('per: started hour, at_most: "10 %"', "10:00/20:00", "3.00"),  # of 30.00 EUR a month
    ],
)
def test_money_is_given_per_started_hour_or_day_after_the_grace_and_up_to_the_cap(
    scale: str, window: str, amount: str
) -> None:
    how = comes_to(f"{{credit: {{amount: {EUR}, {scale}}}}}", outage(window))
    assert how.quantity == Decimal(amount)


@pytest.mark.parametrize(
    ("gives", "window", "days"),
    [
        ("{days: 1, per: started hour}", "10:00/12:30", 3),
        ("{days: 2, per: started day, at_most: 5}", "2011-04-29T00:00Z/2011-05-02T00:00Z", 5),
        ("{days: 15}", "10:00/10:01", 15),
        ("{bands: [{outage: {at_least: 1 hour}, days: 3}, {outage: {at_least: 4 hours}, days: 10}]}", "10:00/11:00", 3),
        (
            "{bands: [{outage: {at_least: 1 hour}, days: 3}, {outage: {at_least: 4 hours}, days: 10}]}",
            "10:00/14:00",
            10,
        ),
        ("{bands: [{outage: {at_least: 1 hour}, days: 3}, {outage: {at_least: 4 hours}, days: 10}]}", "10:00/10:59", 0),
        # an entry holds ten years at most, whatever the policy multiplies
        ("{days: 3660, per: started hour}", "10:00/12:00", 3660),
    ],
)
def test_days_are_whole_days(gives: str, window: str, days: int) -> None:
    assert comes_to(f"{{extension: {gives}}}", outage(window)).quantity == Decimal(days)


@pytest.mark.parametrize(
    ("window", "zone", "grace", "dates"),
    [
        ("10:00/11:00", ROME, "", 1),
        ("2011-04-29T10:00Z/2011-05-01T10:00Z", ROME, "", 3),
        # half-open: an outage that ends at midnight did not touch the new day
        ("2011-04-28T22:00Z/2011-04-29T22:00Z", ROME, "", 1),
        ("2011-04-28T22:00Z/2011-04-29T22:00:01Z", ROME, "", 2),
        # where the contract is: 22:30 to 23:30 UTC are two dates in London (BST), one in Rome, one in New York
        ("22:30/23:30", "Europe/London", "", 2),
        ("22:30/23:30", ROME, "", 1),
        ("22:30/23:30", "America/New_York", "", 1),
        # 27 March 2011 has 23 hours in Rome, 30 October 25: a date is a date
        ("2011-03-26T23:00Z/2011-03-27T22:00Z", ROME, "", 1),
        ("2011-03-26T23:00Z/2011-03-27T22:00:01Z", ROME, "", 2),
        ("2011-10-29T22:00Z/2011-10-30T23:00Z", ROME, "", 1),
        ("2011-10-29T22:00Z/2011-10-30T23:00:01Z", ROME, "", 2),
        # the days that are left when the grace is gone
        ("2011-04-28T22:00Z/2011-05-01T22:00Z", ROME, ", after: 1 day", 2),
        ("2011-04-28T22:00Z/2011-04-29T22:00Z", ROME, ", after: 1 day", 0),
        ("2011-04-28T22:00Z/2011-04-30T10:00Z", ROME, ", after: 2 hours", 2),
    ],
)
def test_calendar_days_are_the_dates_that_the_outage_touched_in_the_zone(
    window: str, zone: str, grace: str, dates: int
) -> None:
    how = comes_to(f"{{extension: {{days: 1, per: calendar day{grace}}}}}", outage(window), zone=zone)
    assert how.quantity == dates


def test_a_date_that_two_windows_touch_is_one_date() -> None:
    twice = outage("08:00/09:00", "20:00/21:00", "2011-04-30T08:00Z/2011-04-30T09:00Z")
    assert comes_to("{extension: {days: 1, per: calendar day}}", twice).quantity == 2


def test_the_grace_is_taken_from_the_first_hours_whatever_window_they_are_in() -> None:
    two = outage("08:00/09:00", "2011-04-30T08:00Z/2011-04-30T11:00Z")
    assert comes_to("{extension: {days: 1, per: calendar day, after: 1 hour}}", two).quantity == 1
    assert comes_to("{extension: {days: 1, per: started hour, after: 90 minutes}}", two).quantity == 3
    short = outage("08:00/09:00", "2011-04-30T08:00Z/2011-04-30T08:30Z")
    assert comes_to("{extension: {days: 1, per: calendar day, after: 1 hour}}", short).quantity == 1


def test_hours_that_two_windows_share_count_once() -> None:
    assert outage("10:00/12:00", "11:00/13:00", "13:00/14:00").length == timedelta(hours=4)


@pytest.mark.parametrize(
    ("gives", "fee", "amount"),
    [
        ('{share: "10 %"}', "30.00 EUR", "3.00"),
        ('{share: "100 %"}', "12.34 EUR", "12.34"),
        # rounded once, half-up, at the currency's own exponent
        ('{share: "10 %"}', "12.35 EUR", "1.24"),  # 1.235
        ('{share: "10 %"}', "12.34 EUR", "1.23"),
        ('{share: "10 %"}', "125 JPY", "13"),  # 12.5: half-even would give 12
        ('{share: "10 %"}', "1.005 KWD", "0.101"),
        ('{share: "0.33 %", per: started hour}', "10.00 EUR", "0.10"),  # 3 × 0.033 = 0.099, not 3 × 0.03
        ('{share: "10 %", per: started hour, at_most: "25 %"}', "9.99 EUR", "2.50"),  # 2.4975
        ('{share: "50 %", per: started hour, at_most: {amount: "5.00", currency: EUR}}', "9.99 EUR", "5.00"),
        ('{share: "0.01 %"}', "30.00 EUR", "0.00"),
        # no fee, no share of it; a cap in another currency cannot be compared
        ('{share: "10 %"}', None, "0"),
        ('{share: "50 %", at_most: {amount: "5.00", currency: EUR}}', "9.99 USD", "0"),
        (f'{{amount: {EUR}, per: started hour, at_most: "10 %"}}', None, "0"),
        (f'{{amount: {EUR}, per: started hour, at_most: "10 %"}}', "5.00 USD", "0"),
    ],
)
def test_a_share_is_of_the_monthly_fee_and_rounded_once_at_the_end(gives: str, fee: str | None, amount: str) -> None:
    how = comes_to(f"{{credit: {gives}}}", outage("10:00/13:00"), fee)
    assert str(how.quantity) == amount
    if how.quantity:
        assert how.currency == (fee or "EUR").split()[-1]


TIERS = """{credit: {bands: [
  {availability_below: "99.9 %", share: "10 %"},
  {availability_below: "99 %", share: "25 %"},
  {availability_below: "95 %", share: "100 %"}]}}"""


@pytest.mark.parametrize(
    ("window", "zone", "amount"),
    [
        # February 2011 has 672 hours: 0.1 % of it are 40 min 19.2 s
        ("2011-02-10T10:00:00Z/2011-02-10T10:40:19.200000Z", ROME, "0"),
        ("2011-02-10T10:00:00Z/2011-02-10T10:40:19.200001Z", ROME, "3.00"),
        # February 2012 has 696: 41 min 45.6 s
        ("2012-02-10T10:00:00Z/2012-02-10T10:41:45.600000Z", ROME, "0"),
        ("2012-02-10T10:00:00Z/2012-02-10T10:41:45.600001Z", ROME, "3.00"),
        # April has 720: 43 min 12 s
        ("2011-04-29T10:00:00Z/2011-04-29T10:43:12Z", ROME, "0"),
        ("2011-04-29T10:00:00Z/2011-04-29T10:43:12.000001Z", ROME, "3.00"),
        # May has 744: 44 min 38.4 s
        ("2011-05-10T10:00:00Z/2011-05-10T10:44:38.400000Z", ROME, "0"),
        ("2011-05-10T10:00:00Z/2011-05-10T10:44:38.400001Z", ROME, "3.00"),
        # March has 743 in Rome, where an hour is missing: 44 min 34.8 s; 744 in Tokyo
        ("2011-03-10T10:00:00Z/2011-03-10T10:44:34.800001Z", ROME, "3.00"),
        ("2011-03-10T10:00:00Z/2011-03-10T10:44:34.800001Z", "Asia/Tokyo", "0"),
        # October has 745 in Rome: 44 min 42 s
        ("2011-10-10T10:00:00Z/2011-10-10T10:44:42Z", ROME, "0"),
        ("2011-10-10T10:00:00Z/2011-10-10T10:44:42.000001Z", ROME, "3.00"),
        # the last band that holds counts
        ("2011-04-29T10:00:00Z/2011-04-29T17:12:00Z", ROME, "3.00"),  # 7.2 hours are exactly 1 %
        ("2011-04-29T10:00:00Z/2011-04-29T17:12:01Z", ROME, "7.50"),
        ("2011-04-10T10:00:00Z/2011-04-12T10:00:00Z", ROME, "30.00"),
        # over the turn of a month each month has its own share, and the worst counts: 30 min in either, in Rome
        ("2011-04-30T21:30:00Z/2011-04-30T22:30:00Z", ROME, "0"),
        # all of it in April where it is two hours earlier
        ("2011-04-30T21:30:00Z/2011-04-30T22:30:00Z", "Atlantic/Azores", "3.00"),
        ("2011-04-30T21:00:00Z/2011-04-30T22:10:00Z", ROME, "3.00"),  # 60 min in April
    ],
)
def test_availability_is_that_of_the_worst_calendar_month_in_the_zone(window: str, zone: str, amount: str) -> None:
    assert comes_to(TIERS, outage(window), zone=zone).quantity == Decimal(amount)


def test_the_windows_of_one_month_add_up() -> None:
    twice = outage("2011-04-01T10:00:00Z/2011-04-01T10:30:00Z", "2011-04-20T10:00:00Z/2011-04-20T10:30:00Z")
    assert comes_to(TIERS, twice).quantity == Decimal("3.00")


@pytest.mark.parametrize(
    ("days", "fee", "worth"),
    [
        (15, "30.00 EUR", "15.00"),
        (15, "10.01 EUR", "5.01"),  # 5.005
        (1, "10.00 EUR", "0.33"),
        (7, "1000 JPY", "233"),
        (15, None, "0"),
    ],
)
def test_days_are_worth_a_thirtieth_of_the_monthly_fee_each(days: int, fee: str | None, worth: str) -> None:
    known = Fee(Decimal(fee.split()[0]), fee.split()[1]) if fee else None
    assert str(worth_of_days(Decimal(days), known).quantity) == worth


@pytest.mark.parametrize(
    ("gives", "window", "told"),
    [
        (f"{{credit: {{amount: {EUR}}}}}", "10:00/12:00", ""),
        (f"{{credit: {{amount: {EUR}, per: started hour}}}}", "10:00/12:30", "3 started hours × 1.00 EUR = 3.00 EUR"),
        (
            f'{{credit: {{amount: {EUR}, per: started hour, at_most: {{amount: "2.50", currency: EUR}}}}}}',
            "10:00/12:30",
            "3 started hours × 1.00 EUR = 3.00 EUR, at most 2.50 EUR: 2.50 EUR",
        ),
        (
            '{credit: {share: "10 %", per: calendar day}}',
            "10:00/12:30",
            "1 calendar day × 10 % of 30.00 EUR = 3.00 EUR",
        ),
        ('{credit: {share: "2.5 %"}}', "10:00/12:30", "2.5 % of 30.00 EUR = 0.75 EUR"),
        (
            "{extension: {days: 2, per: started day, at_most: 3}}",
            "2011-04-29T10:00Z/2011-04-30T12:00Z",
            "2 started days × 2 days = 4 days, at most 3 days: 3 days",
        ),
        (
            TIERS,
            "2011-04-29T10:00Z/2011-04-29T11:00Z",
            "for an availability of 99.861 %, below 99.9 %, 10 % of 30.00 EUR = 3.00 EUR",
        ),
        (TIERS, "10:00/10:10", "an outage of 10 minutes is in none of its bands"),
        (
            "{extension: {bands: [{outage: {at_least: 1 hour}, days: 3}]}}",
            "10:00/12:30",
            "for an outage of 2 hours 30 minutes",
        ),
        (
            f"{{credit: {{amount: {EUR}, per: started hour, after: 4 hours}}}}",
            "10:00/12:30",
            "an outage of 2 hours 30 minutes is within the 4 hours of grace",
        ),
    ],
)
def test_the_arithmetic_is_told_as_it_was_reckoned(gives: str, window: str, told: str) -> None:
    assert comes_to(gives, outage(window)).arithmetic == told


hours_of_a_week = st.lists(st.tuples(st.integers(0, 160), st.integers(1, 8)), min_size=1, max_size=5)
SCALES = (
    f'{{credit: {{amount: {EUR}, per: started hour, after: 2 hours, at_most: {{amount: "9.00", currency: EUR}}}}}}',
    "{extension: {days: 2, per: calendar day, after: 3 hours}}",
    "{extension: {days: 2, per: started day}}",
    '{credit: {bands: [{availability_below: "99.9 %", share: "10 %"}, {availability_below: "97 %", share: "25 %"}]}}',
    "{extension: {bands: [{outage: {at_least: 2 hours}, days: 1}, {outage: {at_least: 9 hours}, days: 9}]}}",
)


def week(windows: list[tuple[int, int]]) -> Outage:
    """Windows of a week that ends in the next month, as (hour, hours)."""
    start = Interval.model_validate(
        {"starts_at": "2011-04-27T00:00:00Z", "ends_at": "2011-04-27T01:00:00Z"}, strict=False
    ).starts_at
    at = [(start + timedelta(hours=hour), timedelta(hours=length)) for hour, length in windows]
    return Outage(merged(Interval(starts_at=since, ends_at=since + length) for since, length in at))


@given(hours_of_a_week, hours_of_a_week, st.sampled_from(SCALES))
def test_more_hours_never_come_to_less(some: list[tuple[int, int]], more: list[tuple[int, int]], gives: str) -> None:
    """What makes it safe to take what others gave from what is owed for all the hours together."""
    assert comes_to(gives, week(some)).quantity <= comes_to(gives, week(some + more)).quantity
