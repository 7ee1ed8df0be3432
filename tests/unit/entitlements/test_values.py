"""Identities, periods and money: what every decision is made of."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import NAMESPACE, entry_id, grant_id, uuid5
from services.entitlements.domain import rounded
from services.entitlements.periods import Period
from services.entitlements.quantities import spoken


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_an_id_is_the_uuid5_of_its_name(name: str) -> None:
    assert uuid5(name) == str(uuid.uuid5(NAMESPACE, name))


def test_a_grant_is_named_by_incident_customer_target_and_rule() -> None:
    expected = uuid.uuid5(NAMESPACE, "inc\x1fC1\x1fK1\x1fextra-days")
    assert grant_id("inc", "C1", "K1", "extra-days") == str(expected)


def test_an_entry_is_named_by_its_grant_and_the_revision() -> None:
    grant = grant_id("inc", "C1", "K1", "extra-days")
    assert entry_id(grant, 2) == str(uuid.uuid5(NAMESPACE, f"{grant}\x1f2"))


def test_the_ids_of_the_books_never_change() -> None:
    """Ids that were published are looked up for ever: this fails when the namespace or the name changes."""
    assert grant_id("arezzo-2011-04-29", "C1", "customer", "photo-voucher") == GRANT
    assert entry_id(GRANT, 1) == ENTRY


GRANT = "a77a246f-69d0-50d2-afa8-12dff80e2d42"
ENTRY = "583ed711-ac1b-503f-a76b-fd8b2b33ba0d"


@pytest.mark.parametrize(
    ("start", "period", "end"),
    [
        (date(2011, 5, 13), Period(1, "year"), date(2012, 5, 13)),
        (date(2012, 2, 29), Period(1, "year"), date(2013, 2, 28)),
        (date(2012, 2, 29), Period(4, "year"), date(2016, 2, 29)),
        (date(2011, 2, 28), Period(1, "year"), date(2012, 2, 28)),
        (date(2011, 8, 31), Period(6, "month"), date(2012, 2, 29)),
        (date(2010, 8, 31), Period(6, "month"), date(2011, 2, 28)),
        (date(2011, 1, 31), Period(1, "month"), date(2011, 2, 28)),
        (date(2011, 12, 31), Period(1, "month"), date(2012, 1, 31)),
        (date(2011, 11, 30), Period(1, "month"), date(2011, 12, 30)),
        (date(2011, 12, 31), Period(1, "day"), date(2012, 1, 1)),
        (date(2011, 12, 31), Period(1, "year"), date(2012, 12, 31)),
        (date(2012, 2, 28), Period(2, "day"), date(2012, 3, 1)),
        (date(2011, 2, 28), Period(1, "day"), date(2011, 3, 1)),
        (date(2011, 3, 20), Period(15, "day"), date(2011, 4, 4)),  # over 27 March, a day of 23 hours in Rome
        (date(2011, 10, 20), Period(15, "day"), date(2011, 11, 4)),  # over 30 October, a day of 25
        (date(9999, 6, 1), Period(1, "year"), date.max),
        (date(9999, 12, 30), Period(15, "day"), date.max),
    ],
)
def test_a_period_is_calendar_arithmetic_clamped_to_the_end_of_the_month(
    start: date, period: Period, end: date
) -> None:
    assert period.after(start) == end


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1.005", "EUR", "1.01"),
        ("1.004", "EUR", "1.00"),
        ("2.675", "EUR", "2.68"),  # a float of 2.675 would give 2.67
        ("-1.005", "EUR", "-1.01"),
        ("5", "EUR", "5.00"),
        ("0.5", "JPY", "1"),
        ("2.5", "JPY", "3"),  # half-even would give 2
        ("1.0005", "KWD", "1.001"),
    ],
)
def test_money_is_rounded_half_up_at_the_exponent_of_its_currency(amount: str, currency: str, expected: str) -> None:
    assert str(rounded(Decimal(amount), currency)) == expected


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (timedelta(0), "no time"),
        (timedelta(hours=9), "9 hours"),
        (timedelta(days=1, minutes=1, seconds=5), "1 day 1 minute 5 seconds"),
    ],
)
def test_a_length_is_told_in_its_units(length: timedelta, told: str) -> None:
    assert spoken(length) == told
