"""What becomes of days for a contract: added to its end in calendar days, or refused with the reason."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.events import ExtensionRemedy
from tests.unit.billing.builders import (
    CONTRACT,
    CUSTOMER,
    contract,
    day,
    decided,
    event,
    extended,
    extension,
    voucher,
)


@pytest.mark.parametrize(
    ("ends_on", "days", "after"),
    [
        ("2011-06-01", 15, "2011-06-16"),
        ("2011-05-13", 15, "2011-05-28"),  # the last day is the day of the declaration: it still runs
        ("2011-10-25", 15, "2011-11-09"),  # over the end of summer time: 15 dates, not 360 hours
        ("2012-03-20", 15, "2012-04-04"),  # over its beginning
        ("2012-02-14", 15, "2012-02-29"),  # a leap year
        ("2013-02-14", 15, "2013-03-01"),  # no leap year
        ("2012-02-29", 15, "2012-03-15"),
        ("2012-02-29", 365, "2013-02-28"),
        ("2011-12-31", 1, "2012-01-01"),
        ("2011-12-31", 15, "2012-01-15"),
        ("2011-05-31", 31, "2011-07-01"),
    ],
)
def test_an_extension_adds_calendar_days(ends_on: str, days: int, after: str) -> None:
    entry, moved = extended(contract(ends_on=ends_on), [extension(days=days)])
    assert (entry.outcome, entry.reason) == ("applied", None)
    assert (entry.ends_on_before, entry.ends_on_after) == (day(ends_on), day(after))
    assert moved.ends_on == day(after)


@pytest.mark.parametrize(
    ("ends_on", "terminated_on", "reason"),
    [
        ("2011-05-12", None, "expired"),  # its last day was yesterday
        (None, None, "open_ended"),
        ("2012-03-01", "2011-05-13", "terminated"),  # today is the first day without service
        ("2012-03-01", "2011-05-01", "terminated"),
        (None, "2011-05-01", "terminated"),
        (None, "2011-12-01", "open_ended"),  # it still runs, and there is no end to move
        ("2011-05-01", "2011-05-10", "expired"),  # both are past: it had ended before it was terminated
        ("2011-05-10", "2011-05-01", "terminated"),  # and the other way round
        ("2011-05-10", "2011-05-10", "terminated"),  # without service on what would have been its last day
        ("2011-05-10", "2011-05-11", "expired"),  # terminated from the day after its last one: it ran to its end
        ("2011-05-12", "2011-12-01", "expired"),  # a cancellation ahead of a contract that is over anyway
        ("2011-05-12", "9999-12-31", "expired"),
    ],
)
def test_an_extension_is_refused_for_what_came_first(
    ends_on: str | None, terminated_on: str | None, reason: str
) -> None:
    held = contract(ends_on=ends_on, terminated_on=terminated_on)
    entry, after = extended(held)
    assert (entry.outcome, entry.reason) == ("refused", reason)
    assert entry.ends_on_before == held.ends_on
    assert entry.ends_on_after is None
    assert after == held


def test_an_extension_of_a_contract_that_nobody_knows_is_refused() -> None:
    (entry,), changed = decided(event(extension("K-404")), contract())
    assert (entry.outcome, entry.reason, entry.contract_id) == ("refused", "unknown_contract", "K-404")
    assert changed == {}


def test_an_extension_of_somebody_elses_contract_is_refused_and_tells_nothing_of_it() -> None:
    (entry,), changed = decided(event(extension()), contract(customer_id="C-2"))
    assert (entry.outcome, entry.reason) == ("refused", "unknown_contract")
    assert entry.ends_on_before is None
    assert changed == {}


def test_a_refused_extension_keeps_what_was_asked_for() -> None:
    entry, _ = extended(contract(ends_on=None))
    assert (entry.kind, entry.contract_id, entry.product, entry.days) == ("extension", CONTRACT, "dedicated-server", 15)


def test_a_scheduled_cancellation_moves_with_the_extension() -> None:
    _, after = extended(contract(ends_on="2012-03-01", terminated_on="2011-12-01"))
    assert (after.ends_on, after.terminated_on) == (day("2012-03-16"), day("2011-12-16"))


def test_several_extensions_of_one_contract_in_one_event_add_up() -> None:
    (first, second), changed = decided(event(extension(rule="a"), extension(rule="b", days=5)), contract())
    assert (first.ends_on_before, first.ends_on_after) == (day("2012-03-01"), day("2012-03-16"))
    assert (second.ends_on_before, second.ends_on_after) == (day("2012-03-16"), day("2012-03-21"))
    assert changed[CONTRACT].ends_on == day("2012-03-21")


def test_extensions_of_two_incidents_add_up() -> None:
    _, once = extended(contract())
    entry, twice = extended(once, [extension(incident="second", days=7)], incident="second")
    assert (entry.ends_on_before, entry.ends_on_after) == (day("2012-03-16"), day("2012-03-23"))
    assert twice.ends_on == day("2012-03-23")


def test_each_change_raises_the_version() -> None:
    _, changed = decided(event(extension(rule="a"), extension(rule="b")), contract())
    assert changed[CONTRACT].version == contract().version + 2


def test_a_remedy_that_stands_in_the_ledger_has_had_its_effect() -> None:
    known = extension()
    entries, changed = decided(event(known, voucher()), contract(), seen=[known.entry_id])
    assert [entry.kind for entry in entries] == ["voucher"]
    assert changed == {}


def test_the_remedies_of_one_event_are_judged_one_by_one() -> None:
    held = [contract("K-1"), contract("K-2", ends_on=None), contract("K-3", ends_on="2011-05-01")]
    entries, changed = decided(event(*[extension(c.contract_id) for c in held], extension("K-4")), *held)
    assert [entry.reason for entry in entries] == [None, "open_ended", "expired", "unknown_contract"]
    assert list(changed) == ["K-1"]


def test_an_entry_says_which_remedy_it_answers() -> None:
    remedy: ExtensionRemedy = extension(revision=3)
    (entry,), _ = decided(event(remedy, revision=3), contract())
    assert (entry.entry_id, entry.grant_id, entry.rule) == (remedy.entry_id, remedy.grant_id, remedy.rule)
    assert (entry.incident_id, entry.customer_id, entry.revision) == (event(remedy).incident_id, CUSTOMER, 3)


@pytest.mark.parametrize(
    ("ends_on", "terminated_on"),
    [("9999-12-31", None), ("9999-12-17", None), ("2012-03-01", "9999-12-31")],
)
def test_a_date_that_stands_for_never_is_no_end_to_move(ends_on: str, terminated_on: str | None) -> None:
    entry, _ = extended(contract(ends_on=ends_on, terminated_on=terminated_on))
    assert entry.reason == "open_ended"


def test_the_last_end_that_the_calendar_can_hold_is_reached() -> None:
    _, after = extended(contract(ends_on="9999-12-16"))
    assert after.ends_on == day("9999-12-31")


def test_a_contract_that_the_first_extension_kept_alive_takes_the_second() -> None:
    """Judged is the contract as it stands, so what was declared first is to be applied first."""
    _, once = extended(contract(ends_on="2011-05-13"))
    later = datetime(2011, 5, 20, 10, 0, tzinfo=UTC)
    entry, _ = extended(once, [extension(incident="second")], incident="second", declared_at=later)
    assert entry.outcome == "applied"
