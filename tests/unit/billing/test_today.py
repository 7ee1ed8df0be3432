"""What counts as today: the day of the declaration where the contract lives, and never the clock on the wall."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from services.billing.domain import local_date
from tests.unit.billing.builders import addon, contract, decided, event, extended, extension

LATE_IN_UTC = datetime(2011, 5, 13, 23, 30, tzinfo=UTC)
"""In Rome and Tokyo it is the 14th, in New York still the 13th."""


@pytest.mark.parametrize(
    ("policy_zone", "contract_zone", "reason"),
    [
        ("Europe/Rome", None, "expired"),
        ("UTC", None, None),
        (None, None, None),  # a policy without a zone: UTC's day
        ("Europe/Rome", "America/New_York", None),
        ("America/New_York", "Asia/Tokyo", "expired"),
        ("America/New_York", "Mars/Olympus", None),  # a zone that nobody knows: UTC's day
        ("Europe/Rome", "Mars/Olympus", None),
        ("Mars/Olympus", None, None),
        ("Mars/Olympus", "Europe/Rome", "expired"),
        ("America/New_York", "../../etc/passwd", None),
        ("Europe/Rome", "Europe", None),  # a folder of zones
        ("Europe/Rome", "", None),
        ("Europe/Rome", 9, "expired"),  # no name at all: as if there were none
    ],
)
def test_today_is_the_day_of_the_declaration_in_the_contracts_zone(
    policy_zone: str | None, contract_zone: object, reason: str | None
) -> None:
    zone: dict[str, Any] = {} if contract_zone is None else {"time_zone": contract_zone}
    entry, _ = extended(contract(ends_on="2011-05-13", **zone), declared_at=LATE_IN_UTC, time_zone=policy_zone)
    assert entry.reason == reason


def test_a_termination_takes_hold_at_midnight_where_the_contract_lives() -> None:
    rome = contract(terminated_on="2011-05-14", time_zone="Europe/Rome")
    new_york = contract(terminated_on="2011-05-14", time_zone="America/New_York")
    assert extended(rome, declared_at=LATE_IN_UTC)[0].reason == "terminated"
    assert extended(new_york, declared_at=LATE_IN_UTC)[0].reason is None


def test_the_declaration_counts_and_not_the_day_of_the_processing() -> None:
    held = contract(ends_on="2011-05-20")
    years_later = datetime(2031, 1, 1, tzinfo=UTC)
    entries, _ = decided(event(extension()), held, received_at=years_later)
    assert entries[0].outcome == "applied"


def test_a_remedy_that_is_owed_since_another_revision_is_of_its_time() -> None:
    """An event may hold what several revisions owe, each judged by its own now, whenever it was decided."""
    held = contract(ends_on="2011-05-14")
    then = datetime(2011, 5, 14, 12, tzinfo=UTC)
    late = datetime(2011, 5, 20, 12, tzinfo=UTC)
    days, gift = (remedy.model_copy(update={"declared_at": then}) for remedy in (extension(), addon()))
    entries, changed = decided(event(days, gift, declared_at=late), held)
    assert [entry.reason for entry in entries] == [None, None]
    assert changed[held.contract_id].complimentary[0].starts_on == date(2011, 5, 14)
    assert decided(event(extension(), declared_at=late), held)[0][0].reason == "expired"


def test_an_event_without_a_declaration_is_of_its_own_time() -> None:
    held = contract(ends_on="2011-05-20")
    undated = event(extension(), declared_at=None)
    assert decided(undated, held, received_at=datetime(2011, 5, 20, 12, tzinfo=UTC))[0][0].reason is None
    assert decided(undated, held, received_at=datetime(2011, 5, 21, 12, tzinfo=UTC))[0][0].reason == "expired"


def test_an_addon_starts_on_the_day_of_the_declaration_in_the_policys_zone() -> None:
    _, changed = decided(event(addon(), declared_at=LATE_IN_UTC), contract(time_zone="America/New_York"))
    assert changed["K-1"].complimentary[0].starts_on == date(2011, 5, 14)


@pytest.mark.parametrize(
    ("instant", "zone", "expected"),
    [
        (datetime(2011, 3, 27, 0, 59, 59, tzinfo=UTC), "Europe/Rome", date(2011, 3, 27)),  # summer time begins
        (datetime(2011, 10, 29, 22, 0, tzinfo=UTC), "Europe/Rome", date(2011, 10, 30)),  # it ends in that night
        (datetime(2011, 10, 30, 22, 59, tzinfo=UTC), "Europe/Rome", date(2011, 10, 30)),  # a day of 25 hours
        (datetime(2011, 10, 30, 23, 0, tzinfo=UTC), "Europe/Rome", date(2011, 10, 31)),
        (datetime(2012, 2, 29, 23, 0, tzinfo=UTC), "Europe/Rome", date(2012, 3, 1)),
        (datetime(2011, 12, 31, 23, 0, tzinfo=UTC), "Europe/Rome", date(2012, 1, 1)),
        (datetime(2011, 12, 31, 23, 0, tzinfo=timezone(timedelta(hours=1))), "Europe/Rome", date(2011, 12, 31)),
        # The first and the last day there are: another zone's would be outside the calendar.
        (datetime(1, 1, 1, 0, 0, tzinfo=UTC), "America/New_York", date(1, 1, 1)),
        (datetime(1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=14))), "Europe/Rome", date(1, 1, 1)),
        (datetime(1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=14))), "Mars/Olympus", date(1, 1, 1)),
        (datetime(9999, 12, 31, 23, 59, tzinfo=UTC), "Asia/Tokyo", date(9999, 12, 31)),
    ],
)
def test_the_date_of_an_instant_in_a_zone(instant: datetime, zone: str, expected: date) -> None:
    assert local_date(instant, zone) == expected
