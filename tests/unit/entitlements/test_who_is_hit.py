"""Who is hit: whoever held a contract in service on a day of the half-open impact, where the contract is."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from schemas.statements import in_force
from services.entitlements.decide import decide, prepare
from services.entitlements.domain import CUSTOMER
from tests.unit.entitlements.builders import ARUBA, aruba, contract, hosting, impact, incident, is_hit, prepared

DAY = date(2011, 4, 29)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "hit"),
        ({"starts_on": date(2011, 4, 29)}, "hit"),
        ({"starts_on": date(2011, 4, 30)}, "started_after"),
        ({"ends_on": date(2011, 4, 29)}, "hit"),  # a contract runs through its ends_on day
        ({"ends_on": date(2011, 4, 28)}, "ended_before"),
        ({"terminated_on": date(2011, 4, 30)}, "hit"),
        ({"terminated_on": date(2011, 4, 29)}, "terminated_before"),  # the first day without service
        ({"terminated_on": date(2011, 4, 1)}, "terminated_before"),
        # of two ends the earlier one decides
        ({"ends_on": date(2011, 4, 20), "terminated_on": date(2011, 4, 25)}, "ended_before"),
        ({"ends_on": date(2011, 4, 25), "terminated_on": date(2011, 4, 20)}, "terminated_before"),
        ({"ends_on": date(2011, 4, 20), "terminated_on": date(2011, 4, 21)}, "ended_before"),
        ({"ends_on": date(2011, 4, 20), "terminated_on": date(2011, 4, 20)}, "terminated_before"),
        ({"ends_on": date(2012, 4, 1), "terminated_on": date(2011, 4, 29)}, "terminated_before"),
        ({"ends_on": date(2011, 4, 29), "terminated_on": date(2011, 4, 30)}, "hit"),
        # never in service at all
        ({"starts_on": DAY, "terminated_on": DAY}, "terminated_before"),
        ({"starts_on": DAY, "ends_on": date(2011, 4, 28)}, "terminated_before"),
        ({"starts_on": date(2011, 5, 5), "terminated_on": date(2011, 5, 5)}, "terminated_before"),
        ({"starts_on": date(2012, 1, 1), "terminated_on": date(2011, 1, 1)}, "terminated_before"),
        # one day of service, that day
        ({"starts_on": DAY, "ends_on": DAY}, "hit"),
        ({"starts_on": DAY, "terminated_on": date(2011, 4, 30)}, "hit"),
        # ended or terminated between the incident and its declaration: entitled, billing sees what it can apply
        ({"ends_on": date(2011, 5, 1)}, "hit"),
        ({"terminated_on": date(2011, 5, 2)}, "hit"),
    ],
)
def test_a_contract_is_hit_when_it_was_in_service_on_a_day_of_the_impact(facts: dict[str, Any], expected: str) -> None:
    assert is_hit(contract(**facts), prepared()) == expected


@pytest.mark.parametrize("end", [{"ends_on": date(2011, 4, 28)}, {"terminated_on": date(2011, 4, 29)}])
def test_a_contract_without_a_day_of_service_was_not_hit_by_an_impact_around_it(end: dict[str, Any]) -> None:
    by = prepared(impact=impact("2011-04-27T00:00:00+02:00", "2011-05-02T00:00:00+02:00"))
    assert is_hit(contract(starts_on=DAY, **end), by) == "terminated_before"


def test_who_holds_the_contract_today_is_not_the_question() -> None:
    """Bought between the incident and its declaration: not hit. Given up in that time: hit."""
    assert is_hit(contract(starts_on=date(2011, 5, 10)), prepared()) == "started_after"
    assert is_hit(contract(terminated_on=date(2011, 5, 10)), prepared()) == "hit"


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "first", "last"),
    [
        # half-open: an impact that ends at midnight did not touch the new day, one instant later it did
        ("2011-04-28T22:00:00+02:00", "2011-04-29T00:00:00+02:00", date(2011, 4, 28), date(2011, 4, 28)),
        ("2011-04-28T22:00:00+02:00", "2011-04-29T00:00:00.000001+02:00", date(2011, 4, 28), DAY),
        ("2011-04-29T00:00:00+02:00", "2011-04-30T00:00:00+02:00", DAY, DAY),
        ("2011-04-28T23:59:59.999999+02:00", "2011-04-29T00:00:00+02:00", date(2011, 4, 28), date(2011, 4, 28)),
        # told in UTC, judged in Rome
        ("2011-04-28T22:00:00Z", "2011-04-29T22:00:00Z", DAY, DAY),
        ("2011-04-28T21:59:59Z", "2011-04-29T22:00:01Z", date(2011, 4, 28), date(2011, 4, 30)),
        # 27 March 2011 has 23 hours in Rome: 02:00 CET is 03:00 CEST
        ("2011-03-26T23:00:00Z", "2011-03-27T22:00:00Z", date(2011, 3, 27), date(2011, 3, 27)),
        ("2011-03-26T22:59:59Z", "2011-03-27T22:00:01Z", date(2011, 3, 26), date(2011, 3, 28)),
        ("2011-03-27T00:30:00Z", "2011-03-27T01:30:00Z", date(2011, 3, 27), date(2011, 3, 27)),
        # 30 October 2011 has 25
        ("2011-10-29T22:00:00Z", "2011-10-30T23:00:00Z", date(2011, 10, 30), date(2011, 10, 30)),
        ("2011-10-29T21:59:59Z", "2011-10-30T23:00:01Z", date(2011, 10, 29), date(2011, 10, 31)),
        # the turn of the year, and a leap day
        ("2011-12-31T22:00:00Z", "2011-12-31T23:00:00Z", date(2011, 12, 31), date(2011, 12, 31)),
        ("2011-12-31T23:00:00Z", "2012-01-01T00:00:00Z", date(2012, 1, 1), date(2012, 1, 1)),
        ("2012-02-28T23:00:00Z", "2012-02-29T23:00:00Z", date(2012, 2, 29), date(2012, 2, 29)),
    ],
)
def test_the_impact_is_half_open_and_counts_in_the_local_calendar(
    starts_at: str, ends_at: str, first: date, last: date
) -> None:
    window = prepared(impact=impact(starts_at, ends_at)).last.reach.window(contract())
    assert (window.first_day, window.last_day) == (first, last)


@pytest.mark.parametrize(
    ("zone", "starts_on", "terminated_on", "expected"),
    [
        # 00:30 to 01:30 in Rome on the 29th is the evening of the 28th in New York, the morning of the 29th in Tokyo
        (None, date(2011, 4, 29), None, "hit"),
        ("America/New_York", date(2011, 4, 29), None, "started_after"),
        ("America/New_York", date(2011, 4, 28), date(2011, 4, 29), "hit"),
        (None, date(2011, 4, 28), date(2011, 4, 29), "terminated_before"),
        ("Asia/Tokyo", date(2011, 4, 29), None, "hit"),
        ("Asia/Tokyo", date(2011, 4, 1), date(2011, 4, 29), "terminated_before"),
        # a zone that nobody knows, or that is no text, is as good as none
        ("Mars/Olympus", date(2011, 4, 29), None, "hit"),
        ("", date(2011, 4, 29), None, "hit"),
        (["Asia/Tokyo"], date(2011, 4, 29), None, "hit"),
        ("../../etc/passwd", date(2011, 4, 29), None, "hit"),
    ],
)
def test_days_are_judged_in_the_contracts_zone_else_the_policys(
    zone: object, starts_on: date, terminated_on: date | None, expected: str
) -> None:
    attributes = {} if zone is None else {"time_zone": zone}
    by = prepared(impact=impact("2011-04-29T00:30:00+02:00", "2011-04-29T01:30:00+02:00"))
    assert is_hit(contract(starts_on=starts_on, terminated_on=terminated_on, attributes=attributes), by) == expected


def test_a_million_strange_zones_do_not_fill_the_memory() -> None:
    by = prepared()
    for number in range(3000):
        by.last.reach.window(contract(attributes={"time_zone": f"Zone/{number}"}))
    assert len(by.last.reach._windows) <= 1000


@pytest.mark.parametrize(
    ("declared_at", "last_day"),
    [
        ("2011-04-29T10:00:00+02:00", date(2011, 4, 29)),
        ("2011-05-01T00:00:00+02:00", date(2011, 4, 30)),
        ("2011-05-01T00:00:01+02:00", date(2011, 5, 1)),
        ("2011-04-29T04:30:00+02:00", date(2011, 4, 29)),  # declared at the very start
        ("2011-04-20T10:00:00+02:00", date(2011, 4, 29)),  # and before it
    ],
)
def test_an_impact_without_an_end_reaches_to_its_declaration(declared_at: str, last_day: date) -> None:
    by = prepared(impact=impact("2011-04-29T04:30:00+02:00", None), declared_at=declared_at)
    assert by.last.reach.window(contract()).last_day == last_day


@pytest.mark.parametrize(
    ("scope", "facts", "expected"),
    [
        ({"sites": ["arezzo"]}, {}, "hit"),
        ({"sites": ["milano"]}, {}, "not_in_scope"),
        ({"sites": ["milano", "arezzo"]}, {}, "hit"),
        ({"sites": ["arezzo"]}, {"site": None}, "not_in_scope"),
        ({"families": ["dedicated"]}, {}, "hit"),
        ({"families": ["housing"]}, {}, "not_in_scope"),
        ({"contract_ids": ["K1"]}, {}, "hit"),
        ({"contract_ids": ["K2"]}, {}, "not_in_scope"),
        # every list that is given must match
        ({"sites": ["arezzo"], "families": ["dedicated"]}, {}, "hit"),
        ({"sites": ["arezzo"], "families": ["housing"]}, {}, "not_in_scope"),
        ({"sites": ["milano"], "families": ["dedicated"], "contract_ids": ["K1"]}, {}, "not_in_scope"),
        # out of scope is out of scope, whatever else there is to say
        ({"sites": ["milano"]}, {"ends_on": date(2011, 1, 1)}, "not_in_scope"),
    ],
)
def test_a_contract_is_in_scope_when_it_matches_every_list_of_the_scope(
    scope: dict[str, list[str]], facts: dict[str, Any], expected: str
) -> None:
    assert is_hit(contract(**facts), prepared(scope=scope)) == expected


def test_a_contract_out_of_scope_gets_nothing_and_does_not_hinder_the_others() -> None:
    by = prepared(scope={"sites": ["arezzo"]})
    decision = decide(by, "C1", [contract("K1"), contract("K2", site="milano")])
    assert [(grant.rule, grant.target) for grant in decision.grants] == [
        ("extra-days", "K1"),
        ("photo-voucher", CUSTOMER),
    ]


ENDED: dict[str, Any] = {"ends_on": date(2011, 1, 1)}
TERMINATED: dict[str, Any] = {"terminated_on": date(2011, 1, 1)}
LATER: dict[str, Any] = {"starts_on": date(2011, 5, 1)}
ELSEWHERE: dict[str, Any] = {"site": "milano"}


@pytest.mark.parametrize(
    ("contracts", "reason"),
    [
        ([TERMINATED, ENDED, LATER, ELSEWHERE], "terminated_before"),
        ([ELSEWHERE, LATER, ENDED], "ended_before"),
        ([ELSEWHERE, LATER], "started_after"),
        ([ELSEWHERE], "not_in_scope"),
        ([], "not_in_scope"),
    ],
)
def test_a_customer_whose_contracts_were_all_spared_is_excluded_for_the_reason_that_came_closest(
    contracts: list[dict[str, Any]], reason: str
) -> None:
    by = prepared(scope={"sites": ["arezzo"]})
    held = [contract(f"K{n}", **facts) for n, facts in enumerate(contracts)]
    decision = decide(by, "C1", held)
    assert (decision.exclusion, decision.grants) == (reason, ())


@pytest.mark.parametrize("facts", [ENDED, TERMINATED, LATER])
def test_under_the_scope_everyone_whoever_was_spared_is_excluded_with_the_reason(facts: dict[str, Any]) -> None:
    spared = {"ends_on": "ended_before", "terminated_on": "terminated_before", "starts_on": "started_after"}
    assert is_hit(contract(**facts), prepared()) == spared[next(iter(facts))]


def test_one_contract_that_was_hit_entitles_the_customer() -> None:
    decision = decide(prepared(), "C1", [contract("K1", **ENDED), hosting("K2")])
    assert decision.exclusion is None
    assert {grant.target for grant in decision.grants} == {"K2", CUSTOMER}


@pytest.mark.parametrize("instant", ["1066-10-14T09:00:00+00:00", "9999-12-31T11:59:59-12:00"])
def test_an_instant_far_outside_the_calendar_is_refused_when_the_incident_is_prepared(instant: str) -> None:
    with pytest.raises(ValueError, match="not in the years 1900 to 2999"):
        prepared(declared_at=instant)


def test_a_further_window_far_outside_the_calendar_is_refused_too() -> None:
    with pytest.raises(ValueError, match="not in the years 1900 to 2999"):
        prepared(impact=impact("2011-04-29T08:00:00Z", None, ("1066-10-14T09:00:00Z", "1066-10-15T09:00:00Z")))


def test_a_revision_cannot_be_left_out() -> None:
    first, second = in_force([incident(policy=ARUBA), incident(policy=ARUBA, revision=2)])
    for statements in ([], [second], [second, first]):
        with pytest.raises(ValueError, match="without a gap"):
            prepare(aruba(), statements)


def test_an_incident_is_prepared_with_the_policy_that_it_names() -> None:
    with pytest.raises(ValueError, match="names policy other@1"):
        prepare(aruba(), in_force([incident(policy="other@1")]))
